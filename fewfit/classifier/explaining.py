"""Why a text got its answer: the training examples nearest to it, and the words that carried the decision."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fewfit.artifact import Artifact
from fewfit.classifier.inputs import whole_number
from fewfit.decision import Decision
from fewfit.errors import InputError

# Stands for what belongs to the letter before it: accents, vowel signs, joiners. Python's \\w does not know them.
_MARK = "\ue000"
_MARKS = ("Mn", "Mc", "Me")
_JOINERS = "\u200c\u200d"
_LETTER = f"[^\\W_]{_MARK}*"
# A word, or one character of a script that puts no spaces between words (Thai, Lao, Khmer, Chinese, Japanese).
_WORD = re.compile(
    f"[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]{_MARK}*"
    f"|(?:{_LETTER})+(?:['’\\-](?:{_LETTER})+)*|[^\\w\\s]+"
)
DEFAULT_WORDS = 48
_SMALLEST = 1e-6


@dataclass(frozen=True)
class Neighbour:
    """A training example near a text: `similarity` is the cosine of their embeddings."""

    text: str
    labels: tuple[str, ...]
    similarity: float


@dataclass(frozen=True)
class Word:
    """A part of a text, `text[start:end]`, and what it adds to the label, in logits.

    `weight` is how far the log-odds of the label fall when the part is left out; negative parts speak
    against the label.
    """

    start: int
    end: int
    text: str
    weight: float


@dataclass(frozen=True)
class Explanation:
    """Why the model gives `label` to `text` with this confidence.

    `words` are in the order of the text; `examples` the nearest first (none where the model keeps none).
    """

    text: str
    label: str
    confidence: float
    examples: tuple[Neighbour, ...]
    words: tuple[Word, ...]

    def to_dict(self) -> dict[str, Any]:
        """The explanation as plain JSON types."""
        return asdict(self)


def explain(
    artifact: Artifact,
    embed: Callable[[Sequence[str]], np.ndarray],
    texts: Sequence[str],
    *,
    label: str | None = None,
    n_examples: int = 3,
    n_words: int = DEFAULT_WORDS,
) -> list[Explanation]:
    """An explanation for each text, of its surest label or of `label`.

    A text is asked about again without each of its words: at most `n_words` times, for which the words
    of longer texts are taken together, neighbours at a time. Needs nothing but the plain install.
    """
    n_examples, n_words = whole_number("n_examples", n_examples), whole_number("n_words", n_words)
    decision = artifact.decision
    if label is not None and label not in decision.labels:
        raise InputError(f"There is no label {label!r}; the labels are: {', '.join(map(repr, decision.labels))}.")
    if not texts:
        return []
    embeddings = embed(texts)
    confidences = decision.probabilities(embeddings)
    columns = confidences.argmax(axis=1) if label is None else np.full(len(texts), decision.labels.index(label))
    near = _neighbours(artifact, embeddings, n_examples)
    explanations = []
    for row, text in enumerate(texts):
        column, confidence = int(columns[row]), confidences[row]
        words = _words(decision, embed, text, column, float(confidence[column]), n_words)
        explanations.append(Explanation(text, decision.labels[column], float(confidence[column]), near[row], words))
    return explanations


def word_spans(text: str, limit: int) -> list[tuple[int, int]]:
    """Where the words of a text begin and end; beyond `limit` of them, neighbours are one span."""
    marked = "".join(_MARK if unicodedata.category(c) in _MARKS or c in _JOINERS else c for c in text)
    spans = [match.span() for match in _WORD.finditer(marked)]
    together = -(-len(spans) // max(1, limit))
    if together > 1:
        groups = [spans[start : start + together] for start in range(0, len(spans), together)]
        spans = [(group[0][0], group[-1][1]) for group in groups]
    return spans


def _words(
    decision: Decision,
    embed: Callable[[Sequence[str]], np.ndarray],
    text: str,
    column: int,
    confidence: float,
    limit: int,
) -> tuple[Word, ...]:
    spans = word_spans(text, limit) if limit > 0 else []
    if not spans:
        return ()
    without = [_left_out(text, start, end) for start, end in spans]
    left = decision.probabilities(embed(without))[:, column]
    weights = _log_odds(np.array([confidence])) - _log_odds(left)
    return tuple(
        Word(start, end, text[start:end], round(float(weight), 4))
        for (start, end), weight in zip(spans, weights, strict=True)
    )


def _left_out(text: str, start: int, end: int) -> str:
    """The text without a part, and without the space that would then be there twice."""
    before, after = text[:start], text[end:]
    return before + (after[1:] if after[:1].isspace() and (not before or before[-1].isspace()) else after)


def _neighbours(artifact: Artifact, embeddings: np.ndarray, n: int) -> list[tuple[Neighbour, ...]]:
    kept, labels = artifact.examples, artifact.decision.labels
    if kept is None or n < 1:
        return [()] * len(embeddings)
    found = []
    for rows, similarities in zip(*kept.nearest(embeddings, n), strict=True):
        found.append(
            tuple(
                Neighbour(
                    kept.texts[row],
                    tuple(labels[column] for column in np.flatnonzero(kept.matrix[row])),
                    round(float(similarity), 4),
                )
                for row, similarity in zip(rows, similarities, strict=True)
            )
        )
    return found


def _log_odds(confidences: np.ndarray) -> np.ndarray:
    clipped = np.clip(confidences, _SMALLEST, 1 - _SMALLEST)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))

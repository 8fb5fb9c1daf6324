"""Which languages the texts are in, and which base fits them.

Telling the language of one short text is guesswork: of 600 short English commands a detector takes 9 % for
something else. What the other texts are helps: if almost all that can be told are English, "ok thanks" is English
too. So the texts are judged together, as a mixture of languages whose shares are estimated from all of them; a
text counts as another language only where its own evidence outweighs how rare that language is here.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

import numpy as np

from fewfit.errors import MissingExtraError

Fit = Literal["english", "multilingual"]

# DESIGN.md: english only where more than 99 % of the texts are English.
ENGLISH_SHARE: Final = 0.99
# Texts looked at, drawn by hash. At 0.2 ms a text this is about a second.
_SAMPLE_TEXTS = 5000
# A text's first characters tell its language.
_CHARACTERS = 400
_ROUNDS = 100


@dataclass(frozen=True)
class LanguageMix:
    """The languages of `n_texts` texts: ISO 639-1 code and share, the most frequent first."""

    shares: tuple[tuple[str, float], ...]
    n_texts: int
    # Language of each text looked at, by its position (from 0).
    languages: tuple[tuple[int, str], ...] = ()

    @property
    def english(self) -> float:
        """The share of English texts, 0 to 1."""
        return dict(self.shares).get("en", 0.0)

    @property
    def base(self) -> Fit:
        """The base that fits: `english` only where more than 99 % of the texts are English."""
        return "english" if self.english > ENGLISH_SHARE else "multilingual"

    def __str__(self) -> str:
        shown = [(code, share) for code, share in self.shares if share >= 0.0005][:5]
        words = ", ".join(f"{code} {share:.1%}" for code, share in shown)
        rest = len(self.shares) - len(shown)
        return f"{words} and {rest} more" if rest else words


def language_mix(texts: Sequence[str]) -> LanguageMix:
    """The languages of the texts, judged together. Raises MissingExtraError without py3langid.

    Looks at 5,000 texts at most, the same ones in whatever order they come.
    """
    sample = _sample(texts)
    if not sample:
        return LanguageMix((), 0)
    identifier = _identifier()
    codes = list(identifier.labels)
    # Texts that are the same count each, and are looked at once.
    evidence = np.stack([_evidence(identifier, codes, texts[index]) for index in sample])  # (n_texts, n_languages)
    told = evidence.max(axis=1) > 0
    shares = _shares(evidence)
    best = (evidence * shares).argmax(axis=1)
    # A text without any letter says nothing; it goes with the majority.
    majority = Counter(best[told].tolist()).most_common(1)[0][0] if told.any() else codes.index("en")
    best[~told] = majority
    counts = Counter(codes[number] for number in best.tolist())
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return LanguageMix(
        shares=tuple((code, count / len(sample)) for code, count in ordered),
        n_texts=len(sample),
        languages=tuple((index, codes[number]) for index, number in zip(sample, best.tolist(), strict=True)),
    )


def _shares(evidence: np.ndarray) -> np.ndarray:
    """The most likely share of each language, by expectation-maximisation; (n_languages,)."""
    told = evidence[evidence.max(axis=1) > 0]
    n_languages = evidence.shape[1]
    shares: np.ndarray = np.full(n_languages, 1.0 / n_languages)
    for _ in range(_ROUNDS if len(told) else 0):
        weighted = told * shares
        # A language that no text speaks for loses its share and must not bring a text down to zero.
        updated = (weighted / weighted.sum(axis=1, keepdims=True)).mean(axis=0)
        updated = np.maximum(updated, 1e-9)
        if np.abs(updated - shares).max() < 1e-6:
            break
        shares = updated / updated.sum()
    return shares


def _evidence(identifier: Any, codes: list[str], text: str) -> np.ndarray:
    """How well each language explains a text, (n_languages,); zeros where the text says nothing."""
    shown = text[:_CHARACTERS]
    if not any(character.isalpha() for character in shown):
        return np.zeros(len(codes))
    ranked = dict(identifier.rank(shown))
    return np.array([ranked[code] for code in codes], dtype=float)


def _sample(texts: Sequence[str]) -> list[int]:
    if len(texts) <= _SAMPLE_TEXTS:
        return list(range(len(texts)))
    hashes = [hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest() for text in texts]
    return sorted(sorted(range(len(texts)), key=lambda index: (hashes[index], texts[index]))[:_SAMPLE_TEXTS])


@cache
def _identifier() -> Any:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise MissingExtraError(
            'Telling languages needs py3langid. Install it with: pip install "fewfit[train]"'
        ) from error
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

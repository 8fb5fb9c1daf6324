"""Labels that are likely to be wrong: what models that have not seen a text say of it, against its label."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from fewfit.data.dataset import Dataset
from fewfit.data.neighbours import Neighbours, nearest
from fewfit.errors import MissingExtraError

# How much the nearest texts count beside the models: 0.25 was best on trec, tweet_emotion, customer_reviews and
# tweet_irony with 10 % of 250 labels flipped (66 % of them among the first 15 %; 0: 60, 1: 61), see benchmarks.
NEIGHBOURS_WEIGHT = 0.25
MOST_NEIGHBOURS = 20
# Suspects score below this: with 10 % of 250 labels flipped on the tasks above, half of those named were wrong, and
# half of the wrong ones were named (without the limit 31 and 73 %). On labels that are harder to guess there are
# more false alarms, on easy ones fewer.
LARGEST_SCORE = 0.3
CLEAR_SCORE = 0.2
# Similarities are divided by this before they become weights.
_TEMPERATURE = 0.1


@dataclass(frozen=True)
class HeldOutAnswers:
    """What models say of texts that they have not seen.

    `probabilities` and `given` (the labels they would give) are (n_texts, n_labels), columns as in `labels`.
    """

    labels: tuple[str, ...]
    probabilities: np.ndarray
    given: np.ndarray


@dataclass(frozen=True)
class Suspect:
    """An example whose label is likely to be wrong.

    `row` is where a person finds it, `labels` what it has, `suggested` what it may be instead; the lower `score`
    (0 to 1) the likelier the label is wrong; `reason` says why in a sentence.
    """

    row: int
    text: str
    labels: tuple[str, ...]
    suggested: tuple[str, ...]
    score: float
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """The suspect as JSON types."""
        return {
            "row": self.row,
            "text": self.text,
            "labels": list(self.labels),
            "suggested": list(self.suggested),
            "score": self.score,
            "reason": self.reason,
        }


class Suspicion:
    """How much every label of a data set is to be doubted. Needs cleanlab (the train extra).

    `embeddings` (n_texts, hidden) are of a base that knows nothing of the labels; with them the nearest texts count
    beside the models.
    """

    def __init__(self, dataset: Dataset, answers: HeldOutAnswers, embeddings: np.ndarray | None = None) -> None:
        self._dataset = dataset
        self._answers = answers
        column = {label: number for number, label in enumerate(answers.labels)}
        self._truth = np.zeros(answers.probabilities.shape, dtype=bool)
        for number, example in enumerate(dataset.examples):
            self._truth[number, [column[label] for label in example.labels]] = True
        self._single = dataset.kind == "single"
        # A label that is on every text, or on none, is no subject of doubt, and cleanlab refuses it.
        self._varying = self._truth.any(axis=0) & ~self._truth.all(axis=0)
        self._neighbours: Neighbours | None = None
        self._probabilities = answers.probabilities
        if embeddings is not None and len(dataset) > 1:
            self._neighbours = nearest(embeddings, int(np.clip(len(dataset) // 12, 5, MOST_NEIGHBOURS)))
            said = self._said_by_neighbours(self._neighbours)
            self._probabilities = (answers.probabilities + NEIGHBOURS_WEIGHT * said) / (1 + NEIGHBOURS_WEIGHT)
        self.scores = self._scores()

    def ranked(self) -> np.ndarray:
        """The positions of all examples, the most doubtful first."""
        return np.argsort(self.scores, kind="stable")

    def suspects(self, *, limit: int | None = None) -> list[Suspect]:
        """The examples whose labels are likely to be wrong, the most doubtful first.

        Whether a label is likely to be wrong is decided by confident learning (Northcutt et al. 2021), as cleanlab
        has it: by what the models say, against how sure they are of that label elsewhere. Beyond that a very low
        score is enough (where models are equally sure of nearly everything, half of the wrong labels are below their
        mean sureness too), and a high one speaks against it.
        """
        if not self._varying.any() or (self._single and self._varying.sum() < 2):
            return []
        issues = (self._issues() | (self.scores < CLEAR_SCORE)) & (self.scores < LARGEST_SCORE)
        found = [position for position in self.ranked().tolist() if issues[position]]
        return [suspect for position in found[:limit] if (suspect := self._suspect(position)) is not None]

    def _scores(self) -> np.ndarray:
        cleanlab = _cleanlab()
        if not self._varying.any():
            return np.ones(len(self._truth))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cleanlab warns of labels that no text has
            if self._single:
                scores = cleanlab.rank.get_label_quality_scores(
                    self._truth.argmax(axis=1), self._probabilities, method="normalized_margin"
                )
            else:
                truth, probabilities = self._varied()
                scores = cleanlab.multilabel_classification.get_label_quality_scores(
                    _columns(truth), probabilities, method="self_confidence"
                )
        return np.asarray(scores, dtype=float)

    def _issues(self) -> np.ndarray:
        """Which labels are likely to be wrong, boolean (n_texts,)."""
        cleanlab = _cleanlab()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self._single:
                found = cleanlab.filter.find_label_issues(
                    self._truth.argmax(axis=1),
                    _rows_of_one(self._probabilities),
                    filter_by="low_normalized_margin",
                    n_jobs=1,
                )
            else:
                truth, probabilities = self._varied()
                found = cleanlab.multilabel_classification.filter.find_label_issues(
                    _columns(truth), probabilities, n_jobs=1
                )
        return np.asarray(found, dtype=bool)

    def _varied(self) -> tuple[np.ndarray, np.ndarray]:
        """Labels and probabilities of the labels that are on some texts only; a single one with its absence beside."""
        truth, probabilities = self._truth[:, self._varying], self._probabilities[:, self._varying]
        if truth.shape[1] > 1:
            return truth, probabilities
        return np.hstack([truth, ~truth]), np.hstack([probabilities, 1 - probabilities])

    def _suspect(self, position: int) -> Suspect | None:
        example, answers = self._dataset.examples[position], self._answers
        if self._single:
            suggested = self._probabilities[position].argmax()
            given = np.arange(len(answers.labels)) == suggested
        else:
            given = answers.given[position]
        if np.array_equal(given, self._truth[position]):
            return None
        names = tuple(answers.labels[column] for column in np.flatnonzero(given))
        return Suspect(
            row=example.row,
            text=example.text,
            labels=example.labels,
            suggested=names,
            score=float(self.scores[position]),
            reason=self._reason(position, given),
        )

    def _reason(self, position: int, given: np.ndarray) -> str:
        labels, sure = self._answers.labels, self._answers.probabilities[position]
        changed = np.flatnonzero(given != self._truth[position])
        words = [f"{labels[column]!r} {sure[column]:.0%}" for column in sorted(changed, key=lambda c: not given[c])]
        reason = f"Models that have not seen this text say {' and '.join(words[:4])}"
        if self._neighbours is None:
            return reason + "."
        near = self._neighbours.positions[position]
        same = int((self._truth[near] == self._truth[position]).all(axis=1).sum())
        return f"{reason}; of its {len(near)} nearest texts {same or 'none'} {'has' if same < 2 else 'have'} its label."

    def _said_by_neighbours(self, neighbours: Neighbours) -> np.ndarray:
        """The share of the nearest texts that has each label, the nearer the more, (n_texts, n_labels)."""
        weights = np.exp((neighbours.similarities - neighbours.similarities[:, :1]) / _TEMPERATURE)
        weights /= weights.sum(axis=1, keepdims=True)
        said = np.zeros(self._truth.shape)
        for place in range(weights.shape[1]):
            said += weights[:, place, None] * self._truth[neighbours.positions[:, place]]
        return said


def _columns(truth: np.ndarray) -> list[list[int]]:
    return [np.flatnonzero(row).tolist() for row in truth]


def _rows_of_one(probabilities: np.ndarray) -> np.ndarray:
    return np.asarray(probabilities / probabilities.sum(axis=1, keepdims=True))


def _cleanlab() -> Any:
    try:
        import cleanlab
        import cleanlab.filter
        import cleanlab.multilabel_classification.filter
        import cleanlab.rank
    except ImportError as error:
        raise MissingExtraError(
            f"Finding label errors needs packages that the plain install leaves out ({error.name} is missing). "
            'Install them with: pip install "fewfit[train]"'
        ) from error
    return cleanlab

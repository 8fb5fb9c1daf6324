"""Where answers are wrong: labels taken for each other, and the texts that the model was surest about."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fewfit.training.targets import Targets

SHOWN_MISTAKES = 20


@dataclass(frozen=True)
class Mistake:
    """A text with a wrong answer: the labels it carries, those it was given, and how sure the model was of that.

    `position` is the place of the text among those evaluated, from 0.
    """

    position: int
    text: str
    labels: tuple[str, ...]
    predictions: tuple[str, ...]
    confidence: float

    def to_dict(self) -> dict[str, Any]:
        """The mistake as JSON types."""
        return {**asdict(self), "labels": list(self.labels), "predictions": list(self.predictions)}


def confusion(targets: Targets, given: np.ndarray) -> list[list[int]]:
    """Counts of a single-label task, row: the true label, column: the label given, both in the order of labels."""
    counts = targets.matrix.astype(np.int64).T @ given.astype(np.int64)
    return [[int(count) for count in row] for row in counts]


def worst_mistakes(
    targets: Targets,
    confidences: np.ndarray,
    given: np.ndarray,
    texts: Sequence[str],
    *,
    shown: int = SHOWN_MISTAKES,
) -> list[Mistake]:
    """The texts with the surest wrong answers, the surest first.

    A label that was given counts with its confidence, one that was left out with the confidence of its absence.
    """
    wrong = targets.matrix != given
    how_sure = np.where(given, confidences, 1 - confidences)
    if targets.kind == "single":
        wrong = wrong & given  # one answer a text, so that what was left out is no second mistake
    worst = np.where(wrong, how_sure, -1.0).max(axis=1)
    rows = [int(row) for row in np.argsort(-worst, kind="stable")[:shown] if worst[row] >= 0]
    names = targets.labels
    return [
        Mistake(
            position=row,
            text=texts[row],
            labels=tuple(names[column] for column in np.flatnonzero(targets.matrix[row])),
            predictions=tuple(names[column] for column in np.flatnonzero(given[row])),
            confidence=float(worst[row]),
        )
        for row in rows
    ]

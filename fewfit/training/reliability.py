"""How honest confidences are: what share of the answers given with 70 % confidence is right."""

from dataclasses import dataclass

import numpy as np

from fewfit.training.targets import Targets

N_BINS = 10  # of equal width


@dataclass(frozen=True)
class ReliabilityBin:
    """The answers whose confidence is from `low` to below `high` (the last bin has 1, too).

    `confidence` is their mean and `right` the share of them that is right; None where there is none.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    right: float | None

    def to_dict(self) -> dict[str, float | int | None]:
        """The bin as JSON types."""
        return {
            "from": self.low,
            "to": self.high,
            "count": self.count,
            "confidence": self.confidence,
            "right": self.right,
        }


def sureness(targets: Targets, confidences: np.ndarray, given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What is compared: confidences and whether it is so, both (n_texts, n_answers).

    Single-label: one answer a text, the confidence of the label given and whether it is right. Multilabel:
    every label of every text, its confidence and whether it is due.
    """
    if targets.kind == "multi":
        return confidences, targets.matrix
    answer = given.argmax(axis=1)[:, None]
    return np.take_along_axis(confidences, answer, axis=1), np.take_along_axis(targets.matrix, answer, axis=1)


def reliability(targets: Targets, confidences: np.ndarray, given: np.ndarray) -> list[ReliabilityBin]:
    """For each tenth of confidence: how many answers, how sure they are, and what share is right."""
    sure, right = (values.ravel() for values in sureness(targets, confidences, given))
    place = bins_of(sure)
    counts = np.bincount(place, minlength=N_BINS)
    sums = np.bincount(place, weights=sure, minlength=N_BINS)
    hits = np.bincount(place, weights=right.astype(float), minlength=N_BINS)
    return [
        ReliabilityBin(
            low=number / N_BINS,
            high=(number + 1) / N_BINS,
            count=int(count),
            confidence=float(sums[number] / count) if count else None,
            right=float(hits[number] / count) if count else None,
        )
        for number, count in enumerate(counts)
    ]


def calibration_error(targets: Targets, confidences: np.ndarray, given: np.ndarray) -> float:
    """The expected calibration error: the mean distance of confidence and share right, weighted by bin size."""
    sure, right = (values.ravel() for values in sureness(targets, confidences, given))
    sums = np.bincount(bins_of(sure), weights=right - sure, minlength=N_BINS)
    return float(np.abs(sums).sum() / len(sure))


def bins_of(sure: np.ndarray) -> np.ndarray:
    """The number of the bin of each confidence, of the same shape."""
    return np.asarray(np.minimum((sure * N_BINS).astype(int), N_BINS - 1))

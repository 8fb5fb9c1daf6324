"""The quality report of a version: where it is right, where wrong, and how honest its confidences are."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fewfit.data import Dataset
from fewfit.decision import Decision
from fewfit.service.parts import shortened

_BINS = 10
_MISTAKES = 20

# The contract's names of the figures, by those of fewfit.training.
STEP_METRICS = {
    "accuracy": "accuracy",
    "macro_precision": "precision",
    "macro_recall": "recall",
    "macro_f1": "f1",
    "loss": "cross_entropy",
}


def named_for_users(numbers: dict[str, float]) -> dict[str, float]:
    """Figures under the names that the service gives out."""
    return {name: float(numbers[ours]) for ours, name in STEP_METRICS.items() if ours in numbers}


def quality_report(
    evaluation: dict[str, Any], confidences: np.ndarray, decision: Decision, held_out: Dataset
) -> dict[str, Any]:
    """Everything that is known about a version on held-out texts, as JSON types.

    `evaluation` is `Evaluation.to_dict()`, `confidences` (n_texts, n_labels) belong to the texts of `held_out`.
    """
    truth = np.array([[label in example.labels for label in decision.labels] for example in held_out.examples])
    given = decision.matrix(confidences)
    return {
        **evaluation,
        "labels": list(decision.labels),
        "thresholds": None if decision.thresholds is None else [float(value) for value in decision.thresholds],
        "confusion": _confusion(truth, given) if decision.kind == "single" else None,
        "reliability": _reliability(truth, confidences, given, single=decision.kind == "single"),
        "mistakes": _mistakes(truth, confidences, given, decision.labels, held_out.texts),
    }


def _confusion(truth: np.ndarray, given: np.ndarray) -> list[list[int]]:
    """Counts, row: the true label, column: the label given, both in the order of `labels`."""
    return [[int(count) for count in row] for row in truth.astype(int).T @ given.astype(int)]


def _reliability(
    truth: np.ndarray, confidences: np.ndarray, given: np.ndarray, *, single: bool
) -> list[dict[str, Any]]:
    """For each tenth of confidence: how many answers, how sure they were, and what share was right."""
    if single:
        sure, right = confidences.max(axis=1), (truth & given).any(axis=1)
    else:
        sure, right = confidences.ravel(), truth.ravel()
    place = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    bins = []
    for number in range(_BINS):
        inside = place == number
        count = int(inside.sum())
        bins.append(
            {
                "from": number / _BINS,
                "to": (number + 1) / _BINS,
                "count": count,
                "confidence": float(sure[inside].mean()) if count else None,
                "right": float(right[inside].mean()) if count else None,
            }
        )
    return bins


def _mistakes(
    truth: np.ndarray, confidences: np.ndarray, given: np.ndarray, labels: Sequence[str], texts: Sequence[str]
) -> list[dict[str, Any]]:
    """The texts where the model was most sure of a wrong answer, the worst first."""
    wrong = truth != given
    how_sure = np.where(given, confidences, 1 - confidences)
    worst = np.where(wrong, how_sure, -1.0).max(axis=1)
    rows = [int(row) for row in np.argsort(-worst, kind="stable")[:_MISTAKES] if worst[row] >= 0]
    return [
        {
            "text": shortened(texts[row]),
            "labels": [labels[column] for column in np.flatnonzero(truth[row]).tolist()],
            "predictions": [labels[column] for column in np.flatnonzero(given[row]).tolist()],
            "confidence": float(worst[row]),
        }
        for row in rows
    ]

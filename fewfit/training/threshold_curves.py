"""What each threshold of a label would bring (multilabel), for whoever wants to set it."""

import numpy as np

from fewfit.training.targets import Targets

# 0.02, 0.04, … 0.98: fine enough for a slider, small enough for a page with fifty labels.
THRESHOLDS = np.round(np.arange(0.02, 0.99, 0.02), 2)

Curve = list[dict[str, float]]


def threshold_curves(targets: Targets, confidences: np.ndarray) -> dict[str, Curve]:
    """Precision, recall and F1 of each label at each of `THRESHOLDS`; 0 stands where a denominator is 0.

    `confidences` (n_texts, n_labels) belong to texts that were not trained on.
    """
    truth = targets.matrix
    due = truth.sum(axis=0)
    hits = np.empty((len(THRESHOLDS), targets.n_labels))
    given = np.empty_like(hits)
    for number, threshold in enumerate(THRESHOLDS):
        answered = confidences >= threshold
        given[number] = answered.sum(axis=0)
        hits[number] = (answered & truth).sum(axis=0)
    precision = _share(hits, given)
    recall = _share(hits, np.broadcast_to(due, hits.shape))
    f1 = _share(2 * hits, given + due)
    return {
        label: [
            {
                "threshold": float(threshold),
                "precision": float(precision[number, column]),
                "recall": float(recall[number, column]),
                "f1": float(f1[number, column]),
            }
            for number, threshold in enumerate(THRESHOLDS)
        ]
        for column, label in enumerate(targets.labels)
    }


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(part, whole, out=np.zeros_like(part), where=whole > 0))

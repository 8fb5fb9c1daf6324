"""From which confidence on a label is given (multilabel)."""

import numpy as np

from fewfit.training.targets import Targets

# A label's own threshold weighs as much as the common one when it has this many positives.
COMMON_WEIGHT_POSITIVES = 10.0
# A label due in so small a share of all cells of texts and labels: some hundred labels with one or two a text.
_RARE = 0.01


def fit_thresholds(confidences: np.ndarray, targets: Targets) -> np.ndarray:
    """Thresholds (n_labels,) that make F1 high, from out-of-fold confidences (n_texts, n_labels).

    A common threshold is fitted for macro F1 over all labels; each label's own best one is then drawn
    towards it, the more so the fewer positives the label has.
    """
    truth = targets.matrix
    candidates = np.quantile(confidences, np.linspace(0, 1, 201))
    if (
        truth.any() and truth.mean() < _RARE
    ):  # of all confidences hardly any quantile lies among those of the labels due
        candidates = np.append(candidates, np.quantile(confidences[truth], np.linspace(0, 1, 101)))
    candidates = np.unique(candidates)
    candidates = (candidates[1:] + candidates[:-1]) / 2 if len(candidates) > 1 else candidates
    scores = np.array([_f1(confidences >= candidate, truth) for candidate in candidates])  # (candidates, labels)
    counted = targets.counts > 0
    if not counted.any():
        return np.full(targets.n_labels, 0.5)
    common = _middle_of_best(scores[:, counted].mean(axis=1), candidates)
    thresholds = np.full(targets.n_labels, common)
    for column in np.flatnonzero(counted):
        own = _middle_of_best(scores[:, column], candidates)
        share = targets.counts[column] / (targets.counts[column] + COMMON_WEIGHT_POSITIVES)
        # Averaged as logits: 0.01 and 0.1 are further apart than 0.5 and 0.6.
        thresholds[column] = _sigmoid(share * _logit(own) + (1 - share) * _logit(common))
    return thresholds


def _f1(given: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """F1 of each label, (n_labels,); 0 where nothing is given and nothing is due."""
    hits = (given & truth).sum(axis=0)
    total = given.sum(axis=0) + truth.sum(axis=0)
    return np.asarray(np.divide(2.0 * hits, total, out=np.zeros(truth.shape[1]), where=total > 0))


def _middle_of_best(scores: np.ndarray, candidates: np.ndarray) -> float:
    best = np.flatnonzero(scores >= scores.max() - 1e-9)
    return float(candidates[best[len(best) // 2]])


def _logit(share: float) -> float:
    share = min(max(share, 1e-6), 1 - 1e-6)
    return float(np.log(share / (1 - share)))


def _sigmoid(value: float) -> float:
    return float(1 / (1 + np.exp(-value)))

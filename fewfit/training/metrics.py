"""How good answers are: the field's metrics, computed by scikit-learn."""

from dataclasses import dataclass, field

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    hamming_loss,
    precision_recall_fscore_support,
)

from fewfit.training.reliability import calibration_error
from fewfit.training.targets import Targets


@dataclass(frozen=True)
class LabelMetrics:
    """How one label does: shares from 0 to 1, and how many texts carry it."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Metrics:
    """How good answers are on `n_texts` texts; shares from 0 to 1.

    `accuracy` is the share of right answers; in multilabel tasks the Hamming score (the mean over labels
    of right yes/no answers), with `subset_accuracy` for rows right in every label. `loss` is the mean
    log-loss in nats (multilabel: averaged over labels too). `brier` is the Brier score from 0 to 1: half the
    squared distance of the confidences from the truth (multilabel: the squared distance, averaged over labels).
    `calibration_error` is the expected calibration error in 10 bins of equal width, of the confidence of the
    answer (multilabel: of every label's). Macro means are plain means over the labels that a text carries or was given,
    as in scikit-learn; 0 stands where a denominator is 0. `empty_share` is the share of texts that carry a label but
    got none.
    """

    n_texts: int
    accuracy: float
    macro_precision: float
    macro_recall: float
    macro_f1: float
    micro_f1: float
    subset_accuracy: float
    loss: float
    brier: float
    calibration_error: float
    empty_share: float
    per_label: list[LabelMetrics] = field(default_factory=list)

    def numbers(self) -> dict[str, float]:
        """All figures but the ones a label."""
        return {
            name: value for name, value in vars(self).items() if isinstance(value, int | float) and name != "n_texts"
        }


def score(targets: Targets, confidences: np.ndarray, given: np.ndarray) -> Metrics:
    """Compares answers with the truth.

    `confidences` are probabilities, `given` the labels given, boolean; both (n_texts, n_labels).
    """
    truth = targets.matrix
    precision, recall, f1, support = precision_recall_fscore_support(truth, given, average=None, zero_division=0.0)
    single = targets.kind == "single"
    if single:
        accuracy = float(accuracy_score(targets.index, given.argmax(axis=1)))
        brier = float(((confidences - truth) ** 2).sum(axis=1).mean() / 2)
    else:
        accuracy = 1.0 - float(hamming_loss(truth, given))
        brier = float(((confidences - truth) ** 2).mean())
    due = truth.any(axis=1)
    counted = truth.any(axis=0) | given.any(axis=0)
    return Metrics(
        n_texts=len(truth),
        accuracy=accuracy,
        macro_precision=_mean(precision[counted]),
        macro_recall=_mean(recall[counted]),
        macro_f1=_mean(f1[counted]),
        micro_f1=float(f1_score(truth, given, average="micro", zero_division=0.0)),
        subset_accuracy=float(accuracy_score(truth, given)),
        loss=mean_log_loss(targets, confidences),
        brier=brier,
        calibration_error=calibration_error(targets, confidences, given),
        empty_share=float((due & ~given.any(axis=1)).sum() / max(1, due.sum())),
        per_label=[
            LabelMetrics(label, float(p), float(r), float(f), int(n))
            for label, p, r, f, n in zip(targets.labels, precision, recall, f1, support, strict=True)
        ],
    )


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else 0.0


def mean_log_loss(targets: Targets, confidences: np.ndarray) -> float:
    """The mean log-loss in nats of confidences (n_texts, n_labels); multilabel: averaged over labels, too."""
    return float(log_losses(targets, confidences).mean())


def log_losses(targets: Targets, confidences: np.ndarray) -> np.ndarray:
    """The log-loss of each text in nats, (n_texts,); multilabel: averaged over labels."""
    truth, clipped = targets.matrix, np.clip(confidences, 1e-12, 1 - 1e-12)
    if targets.kind == "single":
        return np.asarray(-np.log(clipped[np.arange(len(truth)), targets.index]))
    return np.asarray(-np.log(np.where(truth, clipped, 1 - clipped)).mean(axis=1))

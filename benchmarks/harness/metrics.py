"""How good answers are, the same for every method; all shares from 0 to 1, all computed by scikit-learn."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    f1_score,
    hamming_loss,
    log_loss,
    mean_absolute_error,
)

from benchmarks.harness.markdown import spread
from benchmarks.harness.tasks import Task

N_BINS = 10  # of equal width, for the expected calibration error
SMALLEST = 1e-12  # a probability below counts as this much, so that one wrong certainty is not infinite


@dataclass(frozen=True)
class Metric:
    """A figure of a result, and how tables show it."""

    name: str
    title: str
    higher_is_better: bool
    scale: float = 100
    digits: int = 1

    def cell(self, values: Sequence[float], n: int | None = None, *, sign: bool = False) -> str:
        """Mean ± standard deviation, with the number of values where it is not `n`; a dash for none."""
        return spread(values, scale=self.scale, digits=self.digits, n=n, sign=sign)


METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "accuracy %", True),
        Metric("macro_f1", "macro-F1 %", True),
        Metric("micro_f1", "micro-F1 %", True),
        Metric("subset_accuracy", "subset accuracy %", True),
        Metric("hamming_score", "Hamming score %", True),
        Metric("empty_share", "empty %", False),
        Metric("empty_where_due", "empty where due %", False),
        Metric("mae", "mean absolute error", False, 1, 3),
        Metric("log_loss", "log-loss", False, 1, 3),
        Metric("brier", "Brier", False, 1, 3),
        Metric("ece", "calibration error %", False),
    )
}


@dataclass(frozen=True)
class Answers:
    """What a method said about the test rows.

    `given` has the labels of each text. `probabilities` is (n_texts, n_columns) with `columns` naming the
    labels, None for a method that gives none. A label that was not in the training rows has no column.
    """

    given: Sequence[tuple[str, ...]]
    columns: tuple[str, ...]
    probabilities: np.ndarray | None = None


def score(task: Task, truth: Sequence[tuple[str, ...]], answers: Answers) -> dict[str, float]:
    """All metrics that apply to the task.

    Macro-F1 is the plain mean over the labels that some test row carries, so that all methods are
    averaged over the same labels. Log-loss is in nats; the Brier score runs from 0 to 1 (in tasks of
    more than two labels, half the squared distance to the right corner). The expected calibration error
    compares, in 10 bins, the confidence of the answer with how often it is right; in multilabel tasks
    the probability of each label with how often it is due, over all texts and labels, and log-loss and
    Brier score are means over labels.
    """
    return _score_single(task, truth, answers) if task.kind == "single" else _score_multi(task, truth, answers)


def _score_single(task: Task, truth: Sequence[tuple[str, ...]], answers: Answers) -> dict[str, float]:
    due = [labels[0] for labels in truth]
    given = [labels[0] for labels in answers.given]
    present = sorted(set(due))
    found = {
        "accuracy": float(accuracy_score(due, given)),
        "macro_f1": float(f1_score(due, given, labels=present, average="macro", zero_division=0.0)),
    }
    if task.ordinal:
        rank = {label: number for number, label in enumerate(task.labels)}
        found["mae"] = float(mean_absolute_error([rank[x] for x in due], [rank[x] for x in given]))
    if answers.probabilities is not None:
        labels = sorted({*answers.columns, *present})
        spread = np.full((len(due), len(labels)), SMALLEST)
        spread[:, [labels.index(column) for column in answers.columns]] = answers.probabilities
        spread = np.clip(spread, SMALLEST, 1.0)
        spread /= spread.sum(axis=1, keepdims=True)
        right = np.array([labels[column] for column in spread.argmax(axis=1)]) == np.array(due)
        found["log_loss"] = float(log_loss(due, spread, labels=labels))
        found["brier"] = float(
            brier_score_loss(due, spread, labels=labels, scale_by_half=True)
            if len(labels) > 2
            else brier_score_loss(due, spread[:, 1], labels=labels, pos_label=labels[1])
        )
        found["ece"] = expected_calibration_error(spread.max(axis=1), right)
    return found


def _score_multi(task: Task, truth: Sequence[tuple[str, ...]], answers: Answers) -> dict[str, float]:
    due = indicator(truth, task.labels)
    given = indicator(answers.given, task.labels)
    empty = np.logical_not(given.any(axis=1))
    present = np.flatnonzero(due.any(axis=0))
    found = {
        "macro_f1": float(f1_score(due[:, present], given[:, present], average="macro", zero_division=0.0)),
        "micro_f1": float(f1_score(due, given, average="micro", zero_division=0.0)),
        "subset_accuracy": float(accuracy_score(due, given)),
        "hamming_score": 1.0 - float(hamming_loss(due, given)),
        "empty_share": float(np.mean(empty)),
        "empty_where_due": float(np.mean(empty[np.flatnonzero(due.any(axis=1))])),
    }
    if answers.probabilities is not None:
        spread = np.full(due.shape, SMALLEST)
        spread[:, [task.labels.index(column) for column in answers.columns]] = answers.probabilities
        spread = np.clip(spread, SMALLEST, 1.0 - SMALLEST)
        pairs = list(zip(due.T, spread.T, strict=True))
        found["log_loss"] = float(np.mean([log_loss(y, p, labels=[False, True]) for y, p in pairs]))
        found["brier"] = float(np.mean([brier_score_loss(y, p, labels=[False, True]) for y, p in pairs]))
        found["ece"] = expected_calibration_error(spread.ravel(), due.ravel())
    return found


def expected_calibration_error(confidences: np.ndarray, right: np.ndarray) -> float:
    """Mean distance between confidence and share of right answers over bins of equal width, weighted by size.

    `confidences` are from 0 to 1 and `right` is boolean, both (n,). scikit-learn has the bins'
    means (`calibration_curve`) but not their sizes.
    """
    bins = np.minimum((confidences * N_BINS).astype(int), N_BINS - 1)
    sums = np.bincount(bins, weights=right.astype(float) - confidences, minlength=N_BINS)
    return float(np.abs(sums).sum() / len(confidences))


def indicator(rows: Sequence[tuple[str, ...]], labels: Sequence[str]) -> np.ndarray:
    """Which text has which label, boolean (n_texts, n_labels)."""
    column = {label: number for number, label in enumerate(labels)}
    matrix = np.zeros((len(rows), len(labels)), dtype=bool)
    for number, row in enumerate(rows):
        matrix[number, [column[label] for label in row]] = True
    return matrix

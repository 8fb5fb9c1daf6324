import numpy as np
import pytest

from benchmarks.harness import metrics as reference
from benchmarks.harness.tasks import Task
from fewfit.training.metrics import score
from fewfit.training.targets import Targets

from .answers import answered, multi, single


def _names(targets: Targets, matrix: np.ndarray) -> list[tuple[str, ...]]:
    return [tuple(targets.labels[column] for column in np.flatnonzero(row)) for row in matrix]


def _reference(targets: Targets, confidences: np.ndarray, given: np.ndarray) -> dict[str, float]:
    task = Task("task", targets.kind, False, targets.labels, ("en",), False)
    answers = reference.Answers(_names(targets, given), targets.labels, confidences)
    return reference.score(task, _names(targets, targets.matrix), answers)


@pytest.mark.parametrize("n_labels", [2, 5])
def test_single_label_figures_are_those_of_the_benchmarks(n_labels: int) -> None:
    targets, confidences = single(80, n_labels)
    given = answered(targets, confidences)
    found, wanted = score(targets, confidences, given), _reference(targets, confidences, given)
    assert found.accuracy == pytest.approx(wanted["accuracy"])
    assert found.macro_f1 == pytest.approx(wanted["macro_f1"])
    assert found.loss == pytest.approx(wanted["log_loss"])
    assert found.brier == pytest.approx(wanted["brier"])
    assert found.calibration_error == pytest.approx(wanted["ece"])


def test_multilabel_figures_are_those_of_the_benchmarks() -> None:
    targets, confidences = multi(80)
    given = answered(targets, confidences)
    found, wanted = score(targets, confidences, given), _reference(targets, confidences, given)
    assert found.accuracy == pytest.approx(wanted["hamming_score"])
    assert found.macro_f1 == pytest.approx(wanted["macro_f1"])
    assert found.micro_f1 == pytest.approx(wanted["micro_f1"])
    assert found.subset_accuracy == pytest.approx(wanted["subset_accuracy"])
    assert found.empty_share == pytest.approx(wanted["empty_where_due"])
    assert found.loss == pytest.approx(wanted["log_loss"])
    assert found.brier == pytest.approx(wanted["brier"])
    assert found.calibration_error == pytest.approx(wanted["ece"])


def test_macro_means_are_over_the_labels_that_a_text_carries_or_was_given() -> None:
    truth = np.eye(4, dtype=bool)[[0, 0, 1, 1]]
    targets = Targets("single", ("a", "b", "given", "never"), truth)
    assert score(targets, truth * 0.9 + 0.025, truth).macro_f1 == 1.0
    given = np.eye(4, dtype=bool)[[0, 2, 1, 1]]
    found = score(targets, given * 0.9 + 0.025, given)
    assert found.macro_f1 == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert [label.f1 for label in found.per_label] == pytest.approx([2 / 3, 1, 0, 0])


def test_figures_of_every_label_have_their_support() -> None:
    targets, confidences = single(40)
    found = score(targets, confidences, answered(targets, confidences))
    assert [label.support for label in found.per_label] == targets.counts.tolist()
    assert found.macro_f1 == pytest.approx(np.mean([label.f1 for label in found.per_label]))

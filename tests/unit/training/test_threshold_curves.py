import pytest
from sklearn.metrics import precision_recall_fscore_support

from fewfit.training.threshold_curves import THRESHOLDS, threshold_curves

from .answers import multi


def test_curves_are_what_scikit_learn_finds_at_each_threshold() -> None:
    targets, confidences = multi(100)
    curves = threshold_curves(targets, confidences)
    assert tuple(curves) == targets.labels
    for number in (0, 10, 24, 48):
        wanted = precision_recall_fscore_support(
            targets.matrix, confidences >= THRESHOLDS[number], average=None, zero_division=0.0
        )
        for column, label in enumerate(targets.labels):
            point = curves[label][number]
            assert point["threshold"] == THRESHOLDS[number]
            assert [point["precision"], point["recall"], point["f1"]] == pytest.approx(
                [float(wanted[part][column]) for part in range(3)]
            )

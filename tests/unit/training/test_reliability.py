import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from fewfit.training.reliability import N_BINS, calibration_error, reliability
from fewfit.training.targets import Targets

from .answers import answered, multi, single


def test_bins_are_those_of_scikit_learn() -> None:
    targets, confidences = multi(200)
    bins = reliability(targets, confidences, answered(targets, confidences))
    right, sure = calibration_curve(targets.matrix.ravel(), confidences.ravel(), n_bins=N_BINS)
    filled = [bin_ for bin_ in bins if bin_.count]
    assert [bin_.confidence for bin_ in filled] == pytest.approx(sure)
    assert [bin_.right for bin_ in filled] == pytest.approx(right)
    assert sum(bin_.count for bin_ in bins) == targets.matrix.size


def test_single_label_bins_are_about_the_answer() -> None:
    truth = np.array([[True, False], [False, True], [True, False]])
    confidences = np.array([[0.8, 0.2], [0.85, 0.15], [0.0, 1.0]])
    targets = Targets("single", ("a", "b"), truth)
    bins = reliability(targets, confidences, answered(targets, confidences))
    assert [bin_.count for bin_ in bins] == [0, 0, 0, 0, 0, 0, 0, 0, 2, 1]
    assert bins[8].right == 0.5
    assert bins[8].confidence == pytest.approx(0.825)
    assert bins[9].right == 0.0
    assert bins[0].to_dict() == {"from": 0.0, "to": 0.1, "count": 0, "confidence": None, "right": None}
    assert calibration_error(targets, confidences, answered(targets, confidences)) == pytest.approx(
        (2 * abs(0.5 - 0.825) + 1) / 3
    )


def test_the_error_falls_with_the_number_of_texts_where_confidences_are_honest() -> None:
    errors = []
    for n_texts in (50, 5_000):
        targets, confidences = single(n_texts)
        errors.append(calibration_error(targets, confidences, answered(targets, confidences)))
    assert errors[1] < 0.02 < errors[0]

import numpy as np
import pytest

from fewfit.training.calibration import fit_frozen_calibration
from fewfit.training.cross_validation import OutOfFold, cross_fitted, cross_validated
from fewfit.training.heads import UNSEEN_LOGIT
from fewfit.training.intervals import intervals
from fewfit.training.metrics import log_losses, score
from fewfit.training.targets import Targets

from .answers import multi, single


def _halves(n: int) -> list[np.ndarray]:
    return [np.arange(0, n, 2), np.arange(1, n, 2)]


def test_labels_of_a_fold_change_nothing_in_its_own_answers() -> None:
    targets, confidences = multi(60)
    logits = np.log(confidences / (1 - confidences))
    folds = _halves(60)
    sure, given = cross_fitted(logits, targets, folds)
    other = targets.matrix.copy()
    other[folds[0]] = ~other[folds[0]]
    changed, changed_given = cross_fitted(logits, type(targets)("multi", targets.labels, other), folds)
    assert np.array_equal(sure[folds[0]], changed[folds[0]])
    assert np.array_equal(given[folds[0]], changed_given[folds[0]])
    assert not np.array_equal(sure[folds[1]], changed[folds[1]])


def test_a_label_of_one_text_is_as_likely_as_one_met_for_the_first_time() -> None:
    logits = np.full((21, 3), UNSEEN_LOGIT)
    logits[np.arange(20), np.arange(20) % 2], logits[20] = 3.0, [3.0, 0.0, UNSEEN_LOGIT]
    logits[np.arange(20), 1 - np.arange(20) % 2] = 0.0
    targets = Targets.from_labels([*"ab" * 10, "c"])
    sure, given = cross_fitted(logits, targets, _halves(21))
    np.testing.assert_allclose(sure.sum(axis=1), 1)
    assert given[20].tolist() == [True, False, False]
    assert sure[20, 2] == pytest.approx(1 / 11)
    assert log_losses(targets, sure).max() < 3


def test_overconfident_logits_come_out_honest() -> None:
    targets, confidences = single(400)
    folds = _halves(400)
    logits = 4 * np.log(confidences)
    evaluation = cross_validated(OutOfFold(folds, logits, logits), targets, ["text"] * 400, tuned=True)
    assert evaluation.evaluated_on == "cross_validation"
    assert evaluation.n_trained == 200
    honest = score(targets, confidences, confidences == confidences.max(axis=1, keepdims=True))
    assert evaluation.loss == pytest.approx(honest.loss, abs=0.03)
    assert evaluation.accuracy == honest.accuracy


def test_the_frozen_base_stands_beside_the_tuned_one_and_for_it() -> None:
    targets, confidences = single(100)
    logits, noise = np.log(confidences), np.random.default_rng(7).normal(size=confidences.shape)
    out_of_fold = OutOfFold(_halves(100), logits, noise)
    texts = [str(row) for row in range(100)]
    tuned = cross_validated(out_of_fold, targets, texts, tuned=True)
    assert tuned.gain is not None
    assert tuned.gain["accuracy"] > 0.2
    frozen = cross_validated(out_of_fold, targets, texts, tuned=False)
    assert frozen.gain is not None
    assert frozen.gain["accuracy"] == 0
    assert frozen.metrics == tuned.frozen


def test_intervals_are_wider_than_those_of_texts_beside_the_training_data() -> None:
    targets, confidences = single(100)
    logits = np.log(confidences)
    texts = [str(row) for row in range(100)]
    halves = cross_validated(OutOfFold(_halves(100), logits, logits), targets, texts, tuned=True)
    plain = intervals(targets, *cross_fitted(logits, targets, _halves(100)))
    for name in ("accuracy", "macro_f1"):
        low, high = halves.intervals[name]
        assert (high - low) == pytest.approx(np.sqrt(2) * (plain[name][1] - plain[name][0]))


def test_the_frozen_base_is_calibrated_as_where_it_is_evaluated_on_other_texts() -> None:
    targets = Targets.from_labels([*"ab" * 10])
    logits = np.where(targets.matrix, 0.5, -0.5)
    found = cross_validated(OutOfFold(_halves(20), logits, logits), targets, ["text"] * 20, tuned=True)
    assert found.frozen is not None
    sure = fit_frozen_calibration(logits[:10], targets.take(np.arange(10))).scale[0]
    assert found.frozen.loss == pytest.approx(np.log1p(np.exp(-sure)), abs=1e-3)
    assert found.loss != pytest.approx(found.frozen.loss, abs=0.05)  # what is right for tuned models is not for it

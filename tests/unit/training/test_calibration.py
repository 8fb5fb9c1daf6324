import numpy as np
import pytest

from fewfit.decision import probabilities
from fewfit.training.calibration import fit_calibration, prior_calibration
from fewfit.training.heads import UNSEEN_LOGIT
from fewfit.training.targets import Targets


def _log_loss(confidences: np.ndarray, truth: np.ndarray) -> float:
    return float(-np.mean(np.log(np.where(truth, confidences, 1 - confidences))))


@pytest.mark.parametrize("true_scale", [0.3, 1.0, 3.0])
def test_temperature_is_recovered_from_many_texts(true_scale: float) -> None:
    rng = np.random.default_rng(0)
    honest = rng.normal(size=(4000, 3)) * 2
    chances = probabilities("single", honest)
    drawn = (chances.cumsum(axis=1) < rng.random((4000, 1))).sum(axis=1)
    targets = Targets.from_labels(["abc"[column] for column in drawn])
    calibration = fit_calibration(honest / true_scale, targets)
    np.testing.assert_allclose(calibration.scale, true_scale, rtol=0.1)
    assert not calibration.offset.any()


def test_with_few_texts_the_temperature_stays_near_its_prior() -> None:
    logits = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    targets = Targets.from_labels(["a", "b", "a"])
    assert fit_calibration(logits, targets, prior_scale=1.0).scale[0] < 1.5
    assert fit_calibration(logits, targets, prior_scale=0.2).scale[0] < 0.4


def test_the_prior_is_surer_of_fewer_labels_at_most_twice() -> None:
    scales = []
    for n_labels in (2, 4, 16, 150):
        targets = Targets.from_labels([f"label {number}" for number in range(n_labels)])
        calibration = prior_calibration(targets)
        assert calibration.scale.shape == (n_labels,)
        scales.append(float(calibration.scale[0]))
    assert scales == pytest.approx([0.4 * 2**0.5, 0.8, 1.6, 2.0])
    assert prior_calibration(Targets.from_labels([["a"], ["b"]])).scale.tolist() == [1.0, 1.0]


def test_texts_that_were_told_apart_no_better_than_by_chance_take_the_sureness_away() -> None:
    rng = np.random.default_rng(0)
    targets = Targets.from_labels(list("abcd") * 10)
    unrelated = fit_calibration(rng.normal(size=(40, 4)) * 2, targets).scale[0]
    assert unrelated < 0.6 * prior_calibration(targets).scale[0]


def test_without_logits_worth_the_name_the_prior_stands() -> None:
    targets = Targets.from_labels(list("abcd") * 2)
    fitted = fit_calibration(np.zeros((8, 4)), targets).scale
    np.testing.assert_allclose(fitted, prior_calibration(targets).scale, rtol=1e-2)


def test_a_text_whose_label_the_head_had_not_seen_changes_no_temperature() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(30, 3)) + 3 * np.eye(3)[np.arange(30) % 2]
    logits[:, 2] = UNSEEN_LOGIT
    labels = list("ab") * 15
    without = fit_calibration(logits, Targets("single", tuple("abc"), np.eye(3, dtype=bool)[np.arange(30) % 2]))
    more = np.concatenate([logits, [[2.0, 1.0, UNSEEN_LOGIT]]])
    targets = Targets.from_labels([*labels, "c"])
    np.testing.assert_allclose(fit_calibration(more, targets).scale, without.scale)


def test_multilabel_lines_lower_the_log_loss_of_overconfident_balanced_heads() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(600, 4)) * 2
    truth = rng.random((600, 4)) < probabilities("multi", 0.5 * logits - 2)
    targets = Targets("multi", tuple("abcd"), truth)
    calibration = fit_calibration(logits, targets)
    before = _log_loss(probabilities("multi", logits), truth)
    after = _log_loss(probabilities("multi", calibration.apply(logits)), truth)
    assert after < 0.6 * before


def test_a_label_without_positives_does_not_run_away() -> None:
    targets = Targets("multi", ("a", "b"), np.array([[True, False], [False, False]] * 20))
    calibration = fit_calibration(np.array([[1.0, -1.0], [-1.0, -1.0]] * 20), targets)
    assert np.isfinite(calibration.scale).all()
    assert np.isfinite(calibration.offset).all()

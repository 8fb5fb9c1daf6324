import numpy as np
import pytest

from fewfit.training.cross_validation import cross_validated, cross_validated_heads
from fewfit.training.learning_curve import MORE_TEXTS, PRIOR_SLOPE, LearningCurve, fit_slope, learning_curve
from fewfit.training.targets import Targets


def _curve(n: int, *, noise: float = 1.0, kind: str = "single") -> LearningCurve | None:
    """Of texts whose embeddings tell their label, more or less."""
    rng = np.random.default_rng(n)
    matrix = np.eye(3, dtype=bool)[rng.choice(3, n, p=[0.6, 0.3, 0.1])]
    if kind == "multi":
        matrix = rng.random((n, 3)) < 0.4
    targets = Targets("multi" if kind == "multi" else "single", ("a", "b", "c"), matrix)
    embeddings = matrix @ rng.normal(size=(3, 16)) + noise * rng.normal(size=(n, 16))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    texts = [f"text {row}" for row in range(n)]
    out_of_fold = cross_validated_heads(embeddings, targets, texts, n_folds=2, repeats=1)
    if out_of_fold is None:
        return None
    return learning_curve(embeddings, targets, texts, cross_validated(out_of_fold, targets, texts, tuned=False))


@pytest.mark.parametrize("slope", [0.1, 0.5])
def test_the_slope_of_a_power_law_is_found_again(slope: float) -> None:
    sizes = np.array([20, 40, 80, 160])
    measured = [np.full(3, 2.0 * size**-slope) for size in sizes]
    found, spread = fit_slope(sizes, measured)
    assert abs(found - slope) < 0.04  # a little of the prior remains
    assert 0 < spread < 0.1


def test_where_nothing_can_be_seen_the_prior_is_believed() -> None:
    rng = np.random.default_rng(0)
    measured = [np.exp(rng.normal(size=3)) for _ in range(4)]
    assert fit_slope(np.array([10, 12, 14, 16]), measured)[0] == pytest.approx(PRIOR_SLOPE, abs=0.1)


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_the_next_examples_promise_some_but_not_everything(kind: str) -> None:
    curve = _curve(80, kind=kind)
    assert curve is not None
    assert [point.n_texts for point in curve.points] == [24, 36, 52, 64]
    assert (curve.now.n_texts, curve.next.n_texts) == (80, 80 + MORE_TEXTS)
    middle, low, high = curve.gain
    assert low < middle < high < 0.3
    assert 0 < middle < 0.1
    assert curve.next.macro_f1 - curve.now.macro_f1 == pytest.approx(middle, abs=1e-9)
    for point in (*curve.points, curve.now, curve.next):
        assert 0 <= point.low <= point.macro_f1 <= point.high <= 1


def test_the_promise_falls_with_the_number_of_examples() -> None:
    few, many = _curve(40), _curve(320)
    assert few is not None
    assert many is not None
    assert few.gain[0] > 2 * many.gain[0]


def test_the_label_with_few_examples_that_is_recognised_badly_comes_first() -> None:
    curve = _curve(120, noise=1.5)
    assert curve is not None
    assert curve.labels[0].label == "c"
    assert "more examples of it" in curve.labels[0].advice
    assert "'c'" in curve.advice
    assert curve.to_dict()["labels"][0]["support"] == curve.labels[0].support


def test_too_few_texts_have_no_curve() -> None:
    assert _curve(10) is None

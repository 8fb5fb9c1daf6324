import numpy as np
import pytest

from fewfit.decision import likeness
from fewfit.errors import InputError
from fewfit.training import Targets, fit_rejection
from fewfit.training.rejecting import HeldOutLikeness, references

_LABELS = ("a", "b")


def _targets(n: int) -> Targets:
    return Targets("single", _LABELS, np.eye(2, dtype=bool)[np.arange(n) % 2])


def test_likeness_is_the_greatest_cosine_to_a_labels_mean() -> None:
    embeddings = np.random.default_rng(0).normal(size=(20, 5))
    targets = _targets(20)
    means = [embeddings[targets.matrix[:, column]].mean(axis=0) for column in range(2)]
    asked = np.random.default_rng(1).normal(size=(7, 5))
    expected = [max(text @ mean / np.linalg.norm(text) / np.linalg.norm(mean) for mean in means) for text in asked]
    np.testing.assert_allclose(likeness(asked, references(embeddings, targets)), expected, atol=1e-6)


def test_a_text_is_rejected_or_not_whatever_is_beside_it() -> None:
    embeddings = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    known = references(embeddings, _targets(20))
    alone = [likeness(embeddings[row : row + 1], known)[0] for row in range(20)]
    np.testing.assert_array_equal(likeness(embeddings, known), alone)


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.3])
def test_ordinary_texts_are_rejected_at_most_at_the_rate_on_average(rate: float) -> None:
    rng = np.random.default_rng(0)
    embeddings = np.ones((40, 3))
    shares = []
    for _ in range(400):
        rejection = fit_rejection(rate, rng.normal(size=40), embeddings, _targets(40))
        shares.append(np.mean(rng.normal(size=200) < rejection.threshold))
    assert rate - 1 / 40 - 0.01 < np.mean(shares) < rate + 0.01


def test_too_few_texts_for_the_rate_are_refused() -> None:
    held_out = np.linspace(0, 1, 18)
    with pytest.raises(InputError, match="at least 19 examples to find a threshold; there are 18"):
        fit_rejection(0.05, held_out, np.ones((18, 3)), _targets(18))


def test_each_fold_is_compared_in_its_own_space() -> None:
    rng = np.random.default_rng(0)
    seen = HeldOutLikeness()
    inside, outside = rng.normal(size=(10, 4)), rng.normal(size=(6, 4))
    seen.see(_targets(10), tuned=(inside, outside), frozen=(-inside, outside))
    seen.see(_targets(6), tuned=(outside, inside), frozen=(outside, inside))
    expected = [
        *likeness(outside, references(inside, _targets(10))),
        *likeness(inside, references(outside, _targets(6))),
    ]
    np.testing.assert_allclose(seen.of(tuned=True), expected)
    assert not np.allclose(seen.of(tuned=False)[:6], expected[:6])
    assert HeldOutLikeness().of(tuned=True).shape == (0,)

import numpy as np
import pytest
from scipy.stats import binom

from fewfit.decision import Calibration, Decision, Head
from fewfit.fast_tier import fast_answers, margins
from fewfit.training.distilling import LEAST_SHARE, FastReport, teach, upper_bound

N_TOKENS, N_LABELS = 60, 3


def _decision(kind: str = "single") -> Decision:
    head = Head(np.zeros((N_LABELS, 2), dtype=np.float32), np.zeros(N_LABELS, dtype=np.float32))
    thresholds = None if kind == "single" else np.full(N_LABELS, 0.4)
    labels = ("a", "b", "c")
    return Decision("multi" if kind == "multi" else "single", labels, head, Calibration.identity(N_LABELS), thresholds)


def _texts(n_texts: int, noise: float, seed: int = 0) -> tuple[list[list[int]], np.ndarray]:
    """Texts as ids, and the logits of a model that counts words, and says something else now and then."""
    rng = np.random.default_rng(seed)
    word = np.random.default_rng(99).normal(size=(N_TOKENS, N_LABELS)) * 2
    encoded = [[0, *rng.integers(2, N_TOKENS, length).tolist(), 1] for length in rng.integers(3, 12, n_texts)]
    logits = np.array([word[ids].sum(axis=0) / np.sqrt(len(ids)) for ids in encoded])
    return encoded, logits + noise * rng.normal(size=logits.shape)


VECTORS = np.random.default_rng(5).normal(size=(N_TOKENS, 16)).astype(np.float32)


def _taught(n_texts: int, noise: float, kind: str = "single", max_disagreement: float = 0.01) -> FastReport:
    encoded, logits = _texts(n_texts, noise)
    measured = np.ones(n_texts, dtype=bool)
    _, report = teach(VECTORS, encoded, logits, _decision(kind), measured, max_disagreement=max_disagreement)
    return report


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_what_is_promised_is_kept_on_other_texts(kind: str) -> None:
    encoded, logits = _texts(1500, 0.3)
    decision = _decision(kind)
    tier, report = teach(VECTORS, encoded, logits, decision, np.ones(1500, dtype=bool), max_disagreement=0.02)
    assert tier is not None
    assert report.enabled
    assert report.chosen is not None
    assert report.chosen.answered > 0.3
    assert report.chosen.bound <= 0.02
    others, said = _texts(4000, 0.3, seed=7)
    sure, confidences = fast_answers(tier, decision, others)
    different = (decision.matrix(confidences) != decision.matrix(decision.confidences(said))).any(axis=1)
    assert (sure & different).mean() <= 0.02
    assert abs(sure.mean() - report.chosen.answered) < 0.1


def test_tables_say_what_the_kernel_said() -> None:
    encoded, logits = _texts(400, 0.0)
    tier, report = teach(VECTORS, encoded, logits, _decision(), np.ones(400, dtype=bool), max_disagreement=0.05)
    assert tier is not None
    # A model that only counts words is learnt almost exactly.
    assert report.agreement > 0.9
    assert np.corrcoef(tier.logits(encoded).ravel(), logits.ravel())[0, 1] > 0.97
    assert report.chosen is not None
    assert tier.cut == report.chosen.cut


def test_a_model_that_cannot_be_learnt_gets_no_tier() -> None:
    report = _taught(600, noise=50.0)
    assert not report.enabled
    assert "cannot be promised" in report.reason or "only" in report.reason
    assert report.chosen is None or report.chosen.answered < LEAST_SHARE
    assert report.agreement < 0.6


def test_three_hundred_texts_are_the_least_that_can_promise_one_percent() -> None:
    assert upper_bound(0, 300) <= 0.01
    assert upper_bound(0, 297) > 0.01


def test_the_bound_is_the_exact_one_of_the_binomial() -> None:
    for wrong, n_texts in ((0, 300), (3, 1000), (12, 2000)):
        bound = float(upper_bound(wrong, n_texts))
        assert binom.cdf(wrong, n_texts, bound) == pytest.approx(0.05, abs=1e-9)
    assert upper_bound(5, 5) == 1


def test_only_measured_texts_count() -> None:
    encoded, logits = _texts(900, 0.3)
    measured = np.arange(900) < 500
    _, report = teach(VECTORS, encoded, logits, _decision(), measured, max_disagreement=0.03)
    assert report.n_texts == 500


def test_the_curve_goes_from_few_answers_to_all() -> None:
    report = _taught(800, noise=0.6, max_disagreement=0.02)
    answered = [point.answered for point in report.curve]
    assert answered == sorted(answered)
    assert all(point.bound > point.disagreement for point in report.curve)
    assert report.to_dict()["curve"][0]["cut"] == report.curve[0].cut
    cuts = [point.cut for point in report.curve]
    assert cuts == sorted(cuts, reverse=True)


def test_margins_order_texts_by_how_sure_they_are() -> None:
    sure = margins(_decision(), np.array([[5.0, 0.0, 0.0], [1.0, 0.9, 0.0]]))
    assert sure[0] > sure[1]

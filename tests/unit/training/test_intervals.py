import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from fewfit.training.intervals import _Statistics, intervals, wilson
from fewfit.training.metrics import score
from fewfit.training.targets import Targets

from .answers import answered, multi, single

MAKERS = [single, multi]


@pytest.mark.parametrize("make", MAKERS)
def test_every_figure_has_an_interval_around_it(make) -> None:  # type: ignore[no-untyped-def]
    targets, confidences = make(60)
    given = answered(targets, confidences)
    figures = score(targets, confidences, given).numbers()
    found = intervals(targets, confidences, given)
    assert found.keys() == figures.keys()
    for name, (low, high) in found.items():
        assert low <= figures[name] <= high, name
        assert low >= 0, name
        assert name == "loss" or high <= 1, name


@pytest.mark.parametrize("make", MAKERS)
def test_figures_of_a_resample_are_those_of_its_texts(make) -> None:  # type: ignore[no-untyped-def]
    targets, confidences = make(50, seed=3)
    given = answered(targets, confidences)
    drawn = np.random.default_rng(0).integers(0, 50, 50)
    counts = np.bincount(drawn, minlength=50).astype(float)
    found = _Statistics(targets, confidences, given).figures(counts[None])
    wanted = score(targets.take(drawn), confidences[drawn], given[drawn])
    assert wanted.per_label[0].support > 0
    for name, value in wanted.numbers().items():
        assert found[name][0] == pytest.approx(value), name


def test_intervals_hold_what_other_texts_give_about_95_times_in_100() -> None:
    # What the figures are in the long run, and how often the interval of 60 texts has it.
    everything, sure = single(60_000, seed=1)
    truth = score(everything, sure, answered(everything, sure)).numbers()
    inside = dict.fromkeys(truth, 0)
    trials = 300
    for trial in range(trials):
        rows = slice(60 * trial, 60 * (trial + 1))
        targets = Targets("single", everything.labels, everything.matrix[rows])
        found = intervals(targets, sure[rows], answered(targets, sure[rows]), seed=trial)
        for name, (low, high) in found.items():
            inside[name] += low <= truth[name] <= high
    for name, count in inside.items():
        if name != "empty_share":  # always 0 in single-label tasks
            assert count / trials >= 0.88, (name, count)
    for name in ("accuracy", "macro_f1", "loss", "brier"):
        assert inside[name] / trials <= 0.99, (name, inside[name])


def test_the_interval_of_a_macro_figure_is_that_of_a_slow_bootstrap() -> None:
    targets, confidences = single(80, seed=5)
    given = answered(targets, confidences)
    rng = np.random.default_rng(9)
    values = []
    for _ in range(1000):
        rows = rng.integers(0, 80, 80)
        values.append(f1_score(targets.index[rows], given.argmax(axis=1)[rows], average="macro"))
    low, high = intervals(targets, confidences, given)["macro_f1"]
    assert low == pytest.approx(np.quantile(values, 0.025), abs=0.02)
    assert high == pytest.approx(np.quantile(values, 0.975), abs=0.02)


@pytest.mark.parametrize(("hits", "n"), [(30, 30), (0, 12), (7, 9), (400, 1000)])
def test_shares_have_the_interval_of_wilson(hits: int, n: int) -> None:
    wanted = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits / n, n) == pytest.approx((wanted.low, wanted.high), abs=1e-6)


def test_thirty_right_answers_of_thirty_are_no_certainty() -> None:
    truth = np.eye(2, dtype=bool)[np.arange(30) % 2]
    confidences = np.where(truth, 0.9, 0.1)
    found = intervals(Targets("single", ("no", "yes"), truth), confidences, truth)
    for name in ("accuracy", "macro_f1", "macro_recall", "micro_f1"):
        low, high = found[name]
        assert 0.85 < low < 0.92, name
        assert high == 1, name


def test_the_same_seed_gives_the_same_intervals() -> None:
    targets, confidences = multi(40)
    given = answered(targets, confidences)
    assert intervals(targets, confidences, given) == intervals(targets, confidences, given)
    assert intervals(targets, confidences, given) != intervals(targets, confidences, given, seed=1)


def test_a_label_that_no_text_carries_counts_with_0_where_some_are_given_it() -> None:
    truth = np.zeros((40, 4), dtype=bool)
    truth[np.arange(40), np.arange(40) % 2] = True
    targets = Targets("single", ("a", "b", "given", "never"), truth)
    low, high = intervals(targets, truth * 0.8 + 0.05, truth)["macro_f1"]
    assert low > 0.85
    assert high == 1
    given = truth.copy()
    given[0] = [False, False, True, False]
    low, high = intervals(targets, given * 0.8 + 0.05, given)["macro_f1"]
    assert low <= score(targets, given * 0.8 + 0.05, given).macro_f1 <= high <= 0.9

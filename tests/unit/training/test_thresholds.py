import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from fewfit.training.targets import Targets
from fewfit.training.thresholds import fit_thresholds


def _targets(truth: np.ndarray) -> Targets:
    return Targets("multi", tuple(f"label {column}" for column in range(truth.shape[1])), truth)


def test_thresholds_beat_one_half_where_confidences_are_low() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((300, 5)) < 0.1
    confidences = 0.05 + 0.2 * truth + 0.1 * rng.random((300, 5))
    thresholds = fit_thresholds(confidences, _targets(truth))
    assert f1_score(truth, confidences >= thresholds, average="macro", zero_division=0.0) > 0.95
    assert f1_score(truth, confidences >= 0.5, average="macro", zero_division=0.0) == 0


def test_a_label_with_few_positives_keeps_near_the_common_threshold() -> None:
    rng = np.random.default_rng(0)
    truth = np.zeros((400, 2), dtype=bool)
    truth[:200, 0] = True
    truth[0, 1] = True
    confidences = np.clip(0.2 + 0.6 * truth + 0.1 * rng.normal(size=truth.shape), 0.01, 0.99)
    confidences[0, 1] = 0.02  # its only positive asks for a threshold of 0.02
    common, rare = fit_thresholds(confidences, _targets(truth))
    assert abs(rare - common) < 0.3


@given(seed=st.integers(0, 50), n_texts=st.integers(1, 30), n_labels=st.integers(1, 4))
def test_thresholds_are_always_between_0_and_1(seed: int, n_texts: int, n_labels: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.random((n_texts, n_labels)) < 0.3
    thresholds = fit_thresholds(rng.random((n_texts, n_labels)), _targets(truth))
    assert thresholds.shape == (n_labels,)
    assert ((thresholds >= 0) & (thresholds <= 1)).all()


def test_rare_labels_have_cuts_among_them() -> None:
    rng = np.random.default_rng(0)
    n_texts, n_labels = 300, 400

    def drawn() -> tuple[np.ndarray, np.ndarray]:
        truth = np.zeros((n_texts, n_labels), dtype=bool)
        truth[np.arange(n_texts), rng.integers(0, n_labels, n_texts)] = True
        return 1 / (1 + np.exp(-rng.normal(np.where(truth, -1.0, -5.0), 1.0))), truth

    def macro_f1(given: np.ndarray, truth: np.ndarray) -> float:
        hits, total = 2 * (given & truth).sum(axis=0), given.sum(axis=0) + truth.sum(axis=0)
        return float(np.mean((hits / np.maximum(total, 1))[truth.any(axis=0)]))

    confidences, truth = drawn()
    labels = tuple(f"{number:03}" for number in range(n_labels))
    thresholds = fit_thresholds(confidences, Targets("multi", labels, truth))
    others, due = drawn()
    best = max(macro_f1(others >= cut, due) for cut in np.linspace(0.02, 0.6, 30))
    assert macro_f1(others >= thresholds, due) > best - 0.05

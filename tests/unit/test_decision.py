import numpy as np
import pytest
from scipy.special import expit, softmax

from fewfit.decision import Calibration, Decision, Head, probabilities
from fewfit.errors import InputError

LABELS = ("a", "b", "c")


def _decision(kind: str, n_labels: int = 3) -> Decision:
    rng = np.random.default_rng(0)
    head = Head(rng.normal(size=(n_labels, 8)).astype(np.float32), rng.normal(size=n_labels).astype(np.float32))
    calibration = Calibration(np.full(n_labels, 2.0), np.zeros(n_labels))
    if kind == "single":
        return Decision("single", LABELS, head, calibration)
    return Decision("multi", LABELS, head, calibration, np.array([0.2, 0.5, 0.8]))


def test_probabilities_are_the_textbook_ones_and_survive_huge_logits() -> None:
    logits = np.array([[1.0, -2.0, 3.0], [1e4, -1e4, 0.0]])
    np.testing.assert_allclose(probabilities("single", logits), softmax(logits, axis=1))
    np.testing.assert_allclose(probabilities("multi", logits), expit(logits))


def test_an_answer_does_not_depend_on_its_batch() -> None:
    decision = _decision("single")
    embeddings = np.random.default_rng(1).normal(size=(97, 8)).astype(np.float32)
    together = decision.probabilities(embeddings)
    for size in (1, 7, 32):
        parts = [decision.probabilities(embeddings[start : start + size]) for start in range(0, 97, size)]
        np.testing.assert_array_equal(np.concatenate(parts), together)


def test_single_label_answers_are_one_label_a_text() -> None:
    given = _decision("single").matrix(np.array([[0.2, 0.5, 0.3], [0.4, 0.3, 0.3]]))
    assert given.tolist() == [[False, True, False], [True, False, False]]


def test_multilabel_answers_are_every_label_from_its_threshold_on() -> None:
    given = _decision("multi").matrix(np.array([[0.2, 0.49, 0.81], [0.1, 0.1, 0.1]]))
    assert given.tolist() == [[True, False, True], [False, False, False]]


def test_thresholds_can_be_given_for_all_labels_or_for_some() -> None:
    decision = _decision("multi")
    everywhere = decision.with_thresholds(0.3).thresholds
    one = decision.with_thresholds({"b": 0.9}).thresholds
    assert everywhere is not None
    assert one is not None
    assert everywhere.tolist() == [0.3, 0.3, 0.3]
    assert one.tolist() == [0.2, 0.9, 0.8]


@pytest.mark.parametrize(
    ("kind", "thresholds", "fragment"),
    [
        ("single", 0.5, "single-label model"),
        ("multi", {"d": 0.5}, "no label 'd'"),
        ("multi", 1.5, "expected a number from 0 to 1"),
        ("multi", {"a": -0.1}, "The threshold of 'a' is -0.1"),
        ("multi", {"a": "0.5"}, "The threshold of 'a' is '0.5'; expected a number from 0 to 1."),
        ("multi", {"a": None}, "The threshold of 'a' is None; expected"),
        ("multi", [0.1] * 3, "thresholds is [0.1, 0.1, 0.1]; expected a number from 0 to 1 for all labels"),
        ("multi", np.array([0.1, 0.2, 0.3]), "such as {'a': 0.3}"),
        ("multi", "a", "thresholds is 'a'; expected"),
        ("multi", True, "thresholds is True; expected"),
        ("multi", float("nan"), "thresholds is nan; expected"),
    ],
)
def test_thresholds_that_make_no_sense_are_refused(kind: str, thresholds: object, fragment: str) -> None:
    with pytest.raises(InputError) as caught:
        _decision(kind).with_thresholds(thresholds)  # type: ignore[arg-type]
    assert fragment in str(caught.value)


@pytest.mark.parametrize("value", [0, 1, 0.3, np.float32(0.3), np.float64(0.3), np.int64(1)])
def test_a_threshold_is_any_kind_of_number(value: float) -> None:
    changed = _decision("multi").with_thresholds(value).thresholds
    assert changed is not None
    assert changed.tolist() == pytest.approx([float(value)] * 3)

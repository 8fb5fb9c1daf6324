import math

import numpy as np
import pytest

from benchmarks.harness.metrics import METRICS, Answers, expected_calibration_error, score
from benchmarks.harness.tasks import Task

SINGLE = Task("stars", "single", True, ("low", "middle", "high"), ("en",), False)
MULTI = Task("topics", "multi", False, ("cold", "hot", "sweet"), ("en",), False)

TRUTH = [("low",), ("middle",), ("high",), ("high",)]
GIVEN = [("low",), ("high",), ("high",), ("low",)]
COLUMNS = ("high", "low", "middle")
PROBABILITIES = np.array([[0.2, 0.7, 0.1], [0.5, 0.2, 0.3], [0.6, 0.1, 0.3], [0.1, 0.8, 0.1]])


def test_single_label_figures_are_those_worked_out_by_hand() -> None:
    found = score(SINGLE, TRUTH, Answers(GIVEN, COLUMNS, PROBABILITIES))
    right = [0.7, 0.3, 0.6, 0.1]
    squares = [0.04 + 0.09 + 0.01, 0.25 + 0.04 + 0.49, 0.16 + 0.01 + 0.09, 0.81 + 0.64 + 0.01]
    assert found == {
        "accuracy": pytest.approx(2 / 4),
        "macro_f1": pytest.approx((2 / 3 + 0 + 1 / 2) / 3),  # low: p 1/2, r 1; middle: never; high: p 1/2, r 1/2
        "mae": pytest.approx((0 + 1 + 0 + 2) / 4),
        "log_loss": pytest.approx(-sum(map(math.log, right)) / 4),
        "brier": pytest.approx(sum(squares) / 4 / 2),
        # bins at .5 (wrong), .6 (right), .7 (right), .8 (wrong)
        "ece": pytest.approx((0.5 + 0.4 + 0.3 + 0.8) / 4),
    }


def test_two_labels_have_the_usual_brier_score() -> None:
    task = Task("drinks", "single", False, ("coffee", "tea"), ("en",), False)
    answers = Answers([("tea",), ("tea",)], ("coffee", "tea"), np.array([[0.3, 0.7], [0.4, 0.6]]))
    found = score(task, [("tea",), ("coffee",)], answers)
    assert found["brier"] == pytest.approx((0.3**2 + 0.6**2) / 2)
    assert "mae" not in found


def test_a_label_that_was_never_seen_costs_much_but_not_everything() -> None:
    answers = Answers([("low",), ("high",)], ("high", "low"), np.array([[0.0, 1.0], [1.0, 0.0]]))
    found = score(SINGLE, [("low",), ("middle",)], answers)
    assert 10 < found["log_loss"] < 20
    assert found["brier"] == pytest.approx(0.5)


def test_macro_f1_is_over_the_labels_of_the_test_rows_alone() -> None:
    found = score(SINGLE, [("low",), ("high",)], Answers([("low",), ("high",)], ("high", "low")))
    assert found == {"accuracy": 1.0, "macro_f1": 1.0, "mae": 0.0}
    missed = score(SINGLE, [("low",), ("low",)], Answers([("low",), ("middle",)], ("low", "middle")))
    assert missed["macro_f1"] == pytest.approx(2 / 3)  # low alone: precision 1, recall 1/2


def test_multilabel_figures_are_those_worked_out_by_hand() -> None:
    truth = [("cold", "sweet"), ("hot",), (), ("hot",)]
    given = [("cold",), ("hot", "sweet"), (), ()]
    probabilities = np.array([[0.9, 0.1, 0.4], [0.2, 0.8, 0.6], [0.1, 0.2, 0.3], [0.1, 0.4, 0.2]])
    found = score(MULTI, truth, Answers(given, MULTI.labels, probabilities))
    due = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0], [0, 1, 0]])
    assert found["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert found["micro_f1"] == pytest.approx(2 * 2 / (2 * 2 + 1 + 2))
    assert found["subset_accuracy"] == pytest.approx(1 / 4)
    assert found["hamming_score"] == pytest.approx(9 / 12)
    assert found["empty_share"] == pytest.approx(2 / 4)
    assert found["empty_where_due"] == pytest.approx(1 / 3)
    assert found["brier"] == pytest.approx(float(np.mean((probabilities - due) ** 2)))
    assert found["log_loss"] == pytest.approx(float(-np.mean(np.log(np.where(due, probabilities, 1 - probabilities)))))


def test_a_multilabel_column_that_was_not_trained_counts_as_no() -> None:
    answers = Answers([("hot",)], ("hot",), np.array([[0.9]]))
    found = score(MULTI, [("hot",)], answers)
    assert found["brier"] == pytest.approx(0.1**2 / 3)
    assert found["macro_f1"] == 1.0


def test_the_order_of_rows_changes_nothing() -> None:
    order = np.array([2, 0, 3, 1])
    shuffled = Answers([GIVEN[i] for i in order], COLUMNS, PROBABILITIES[order])
    assert score(SINGLE, [TRUTH[i] for i in order], shuffled) == pytest.approx(
        score(SINGLE, TRUTH, Answers(GIVEN, COLUMNS, PROBABILITIES))
    )


def test_calibration_error_agrees_with_a_slow_loop() -> None:
    random = np.random.default_rng(0)
    confidences = np.append(random.random(500), [0.0, 0.1, 1.0])
    right = random.random(503) < confidences
    expected = 0.0
    for low in range(10):
        inside = [i for i, c in enumerate(confidences) if low / 10 <= c < (low + 1) / 10 or (low == 9 and c == 1.0)]
        if inside:
            gap = np.mean([right[i] for i in inside]) - np.mean([confidences[i] for i in inside])
            expected += len(inside) / 503 * abs(gap)
    assert expected_calibration_error(confidences, right) == pytest.approx(expected)


def test_every_figure_can_be_shown() -> None:
    single = score(SINGLE, TRUTH, Answers(GIVEN, COLUMNS, PROBABILITIES))
    multi = score(MULTI, [("hot",)], Answers([("hot",)], ("hot",), np.array([[0.9]])))
    assert set(single) | set(multi) == set(METRICS)

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from fewfit.decision import probabilities
from fewfit.training.heads import INVERSE_PENALTY, TUNED_EVIDENCE, fit_head
from fewfit.training.targets import Targets


@pytest.fixture
def embeddings() -> np.ndarray:
    points = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))


@pytest.mark.parametrize("n_labels", [2, 3, 5])
def test_single_label_heads_answer_as_scikit_learn_does(embeddings: np.ndarray, n_labels: int) -> None:
    names = [f"label {int(row.argmax()) % n_labels}" for row in embeddings]
    targets = Targets.from_labels(names)
    ours = probabilities("single", fit_head(embeddings, targets).logits(embeddings))
    reference = LogisticRegression(C=INVERSE_PENALTY, class_weight="balanced", max_iter=1000).fit(embeddings, names)
    np.testing.assert_allclose(ours, reference.predict_proba(embeddings), atol=2e-4)


def test_multilabel_heads_are_independent_yes_or_no_questions(embeddings: np.ndarray) -> None:
    rows = [[name for name, value in zip("abc", row, strict=False) if value > 0.1] for row in embeddings]
    targets = Targets.from_labels(rows)
    ours = probabilities("multi", fit_head(embeddings, targets).logits(embeddings))
    for column in range(3):
        reference = LogisticRegression(C=INVERSE_PENALTY, class_weight="balanced", max_iter=1000)
        reference.fit(embeddings, targets.matrix[:, column])
        np.testing.assert_allclose(ours[:, column], reference.predict_proba(embeddings)[:, 1], atol=2e-4)


def test_a_label_with_one_positive_is_learnt(embeddings: np.ndarray) -> None:
    rows: list[list[str]] = [["common"] if row[0] > 0 else [] for row in embeddings]
    rows[7] = ["rare"]
    targets = Targets.from_labels(rows)
    logits = fit_head(embeddings, targets).logits(embeddings)
    assert logits[:, targets.labels.index("rare")].argmax() == 7


def test_labels_that_no_row_has_are_never_the_answer(embeddings: np.ndarray) -> None:
    targets = Targets.from_labels(["a", "b"] * 30, known=["a", "b", "missing"])
    assert probabilities("single", fit_head(embeddings, targets).logits(embeddings))[:, 2].max() < 1e-6


def test_labels_on_no_row_or_on_all_get_a_constant_answer(embeddings: np.ndarray) -> None:
    targets = Targets.from_labels([["all"]] * 60, known=["all", "none"])
    answers = probabilities("multi", fit_head(embeddings, targets).logits(embeddings))
    assert (answers[:, 0] > 0.95).all()
    assert (answers[:, 1] < 0.05).all()
    assert np.ptp(answers, axis=0).max() == 0


def test_one_label_alone_is_always_the_answer(embeddings: np.ndarray) -> None:
    targets = Targets.from_labels(["a"] * 60, known=["a", "b"])
    assert (probabilities("single", fit_head(embeddings, targets).logits(embeddings))[:, 0] > 0.999).all()


def test_three_examples_a_label_are_a_classification_problem_without_a_warning() -> None:
    points = np.random.default_rng(0).normal(size=(48, 8)).astype(np.float32)
    head = fit_head(points, Targets.from_labels([f"label {number % 32}" for number in range(48)]))
    assert head.bias.shape == (32,)


def test_on_tuned_embeddings_the_penalty_grows_with_the_texts_a_label(embeddings: np.ndarray) -> None:
    points = np.concatenate([embeddings, -embeddings])
    targets = Targets.from_labels(["yes" if row[0] > 0.1 else "no" for row in points])
    ours = probabilities("single", fit_head(points, targets, tuned=True).logits(points))
    reference = LogisticRegression(C=TUNED_EVIDENCE / 60, class_weight="balanced", max_iter=1000)
    np.testing.assert_allclose(ours, reference.fit(points, targets.index).predict_proba(points), atol=2e-4)
    untuned = probabilities("single", fit_head(points, targets).logits(points))
    assert untuned.max(axis=1).mean() > ours.max(axis=1).mean() + 0.01


def test_of_labels_that_are_asked_one_by_one_the_rarer_answer_counts(embeddings: np.ndarray) -> None:
    points = np.concatenate([embeddings] * 3)
    rows = [["common"] if row[0] > -0.2 else [] for row in points]
    for place in (3, 17, 40):
        rows[place] = [*rows[place], "rare"]
    targets = Targets.from_labels(rows)
    few = min(targets.counts[0], len(points) - targets.counts[0])
    assert few > TUNED_EVIDENCE / INVERSE_PENALTY
    logits, untuned = (fit_head(points, targets, tuned=tuned).logits(points) for tuned in (True, False))
    for column, inverse_penalty in ((0, TUNED_EVIDENCE / few), (1, INVERSE_PENALTY)):
        reference = LogisticRegression(C=inverse_penalty, class_weight="balanced", max_iter=1000)
        reference.fit(points, targets.matrix[:, column])
        np.testing.assert_allclose(logits[:, column], reference.decision_function(points), atol=5e-3)
    np.testing.assert_allclose(logits[:, 1], untuned[:, 1], atol=1e-6)
    assert np.abs(logits[:, 0]).mean() < np.abs(untuned[:, 0]).mean()


def test_with_few_texts_a_label_tuned_embeddings_are_penalised_as_others(embeddings: np.ndarray) -> None:
    targets = Targets.from_labels([f"label {int(row.argmax()) % 3}" for row in embeddings])
    assert len(embeddings) / 3 <= TUNED_EVIDENCE / INVERSE_PENALTY
    tuned, untuned = fit_head(embeddings, targets, tuned=True), fit_head(embeddings, targets)
    np.testing.assert_array_equal(tuned.weight, untuned.weight)

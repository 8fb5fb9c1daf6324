import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from fewfit.decision import probabilities
from fewfit.training.heads import PENALTY_STRENGTH, fit_head
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
    reference = LogisticRegression(C=PENALTY_STRENGTH, class_weight="balanced", max_iter=1000).fit(embeddings, names)
    np.testing.assert_allclose(ours, reference.predict_proba(embeddings), atol=2e-4)


def test_multilabel_heads_are_independent_yes_or_no_questions(embeddings: np.ndarray) -> None:
    rows = [[name for name, value in zip("abc", row, strict=False) if value > 0.1] for row in embeddings]
    targets = Targets.from_labels(rows)
    ours = probabilities("multi", fit_head(embeddings, targets).logits(embeddings))
    for column in range(3):
        reference = LogisticRegression(C=PENALTY_STRENGTH, class_weight="balanced", max_iter=1000)
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

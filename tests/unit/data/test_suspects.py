import cleanlab.rank
import numpy as np
import pytest

from fewfit.data import Dataset, Example
from fewfit.data.suspects import LARGEST_SCORE, HeldOutAnswers, Suspicion

LABELS = ("billing", "delivery", "account")


def _single(n: int = 90, wrong: tuple[int, ...] = (4, 33, 71)) -> tuple[Dataset, HeldOutAnswers, np.ndarray]:
    """Models and embeddings that know the truth, and labels of which some are wrong."""
    rng = np.random.default_rng(0)
    truth = np.arange(n) % 3
    given = truth.copy()
    given[list(wrong)] = (truth[list(wrong)] + 1) % 3
    examples = tuple(Example(f"text {row}", (LABELS[given[row]],), row + 2) for row in range(n))
    probabilities = rng.dirichlet(np.ones(3), size=n) * 0.1 + 0.9 * np.eye(3)[truth]
    embeddings = 3 * np.eye(3)[truth] + 0.3 * rng.normal(size=(n, 3))
    return Dataset(examples, "single"), HeldOutAnswers(LABELS, probabilities, np.eye(3, dtype=bool)[truth]), embeddings


@pytest.mark.parametrize("with_embeddings", [False, True])
def test_wrong_labels_are_found_by_row_with_what_they_should_be(with_embeddings: bool) -> None:
    data, answers, embeddings = _single()
    suspicion = Suspicion(data, answers, embeddings if with_embeddings else None)
    found = suspicion.suspects()
    assert sorted(suspect.row for suspect in found) == [6, 35, 73]
    assert set(suspicion.ranked()[:3].tolist()) == {4, 33, 71}
    by_row = {suspect.row: suspect for suspect in found}
    assert by_row[6].labels == ("account",)
    assert by_row[6].suggested == ("delivery",)
    assert 0 <= by_row[6].score < LARGEST_SCORE
    assert "'delivery'" in by_row[6].reason
    assert ("nearest texts none has its label" in by_row[6].reason) == with_embeddings
    assert by_row[6].to_dict()["suggested"] == ["delivery"]


def test_without_neighbours_scores_are_those_of_cleanlab() -> None:
    data, answers, _ = _single()
    labels = np.array([LABELS.index(example.labels[0]) for example in data.examples])
    wanted = cleanlab.rank.get_label_quality_scores(labels, answers.probabilities, method="normalized_margin")
    assert Suspicion(data, answers).scores == pytest.approx(wanted)


def test_good_labels_are_left_alone() -> None:
    data, answers, embeddings = _single(wrong=())
    assert Suspicion(data, answers, embeddings).suspects() == []


def test_the_order_of_the_rows_changes_nothing() -> None:
    data, answers, embeddings = _single()
    order = np.random.default_rng(3).permutation(len(data))
    shuffled = HeldOutAnswers(LABELS, answers.probabilities[order], answers.given[order])
    found = Suspicion(data.subset(order.tolist()), shuffled, embeddings[order]).suspects()
    assert {s.row: s.suggested for s in found} == {
        s.row: s.suggested for s in Suspicion(data, answers, embeddings).suspects()
    }


def test_a_label_that_no_model_knows_about_and_one_text_are_no_trouble() -> None:
    answers = HeldOutAnswers(("a", "b"), np.array([[0.9, 0.1]]), np.array([[True, False]]))
    assert Suspicion(Dataset((Example("x", ("a",), 1),), "single"), answers, np.ones((1, 4))).suspects() == []


def test_missing_and_superfluous_labels_of_multilabel_texts_are_found() -> None:
    rng = np.random.default_rng(1)
    truth = rng.random((80, 3)) < 0.4
    given = truth.copy()
    given[10] = [True, True, True]
    given[20] = [False, False, False]
    truth[10], truth[20] = [True, False, False], [False, True, True]
    examples = tuple(
        Example(f"text {row}", tuple(LABELS[c] for c in np.flatnonzero(given[row])), row + 1) for row in range(80)
    )
    probabilities = np.clip(0.9 * truth + 0.05 + 0.04 * rng.normal(size=truth.shape), 0.01, 0.99)
    found = Suspicion(
        Dataset(examples, "multi"), HeldOutAnswers(LABELS, probabilities, probabilities >= 0.5)
    ).suspects()
    by_row = {suspect.row: suspect for suspect in found}
    assert set(by_row) == {11, 21}
    assert by_row[11].suggested == ("billing",)
    assert by_row[21].labels == ()
    assert by_row[21].suggested == ("delivery", "account")


@pytest.mark.parametrize("everywhere", [[True, False], [True, True], [False, False]])
def test_labels_that_are_on_every_text_or_on_none_are_no_trouble(everywhere: list[bool]) -> None:
    rng = np.random.default_rng(2)
    truth = np.concatenate([np.tile(everywhere, (30, 1)), rng.random((30, 1)) < 0.5], axis=1)
    for matrix in (truth, truth[:, :2]):
        names = LABELS[: matrix.shape[1]]
        examples = tuple(
            Example(f"text {row}", tuple(names[c] for c in np.flatnonzero(matrix[row])), row + 1) for row in range(30)
        )
        probabilities = np.clip(0.9 * matrix + 0.05, 0.01, 0.99)
        answers = HeldOutAnswers(names, probabilities, matrix)
        assert Suspicion(Dataset(examples, "multi"), answers, rng.normal(size=(30, 8))).suspects() == []

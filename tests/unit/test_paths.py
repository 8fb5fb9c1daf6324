from typing import Any

import numpy as np
import pytest

from fewfit.decision import LabelTree
from fewfit.errors import InputError

_LABELS = ("billing>card", "billing > refund > full", "billing > refund > part", "billing > refund", "shipping")
_CONFIDENCES = np.array([[0.1, 0.3, 0.25, 0.05, 0.3], [0.6, 0.1, 0.1, 0.1, 0.1], [0.0, 0.0, 0.1, 0.15, 0.75]])


@pytest.fixture
def tree() -> LabelTree:
    return LabelTree(_LABELS, " > ")


def test_a_parents_confidence_is_the_sum_of_what_is_below(tree: LabelTree) -> None:
    assert tree.depth == 3
    assert tree.nodes(1) == ("billing", "shipping")
    assert tree.nodes(2) == ("billing>card", "billing > refund", "shipping")
    np.testing.assert_allclose(tree.confidences(_CONFIDENCES, 1), [[0.7, 0.3], [0.9, 0.1], [0.25, 0.75]])
    np.testing.assert_allclose(tree.confidences(_CONFIDENCES, 2)[0], [0.1, 0.6, 0.3])
    for depth in (1, 2, 3):
        np.testing.assert_allclose(tree.confidences(_CONFIDENCES, depth).sum(axis=1), 1)
    np.testing.assert_allclose(tree.confidences(_CONFIDENCES, 3).max(axis=1), _CONFIDENCES.max(axis=1))


@pytest.mark.parametrize(
    ("stop_below", "expected"),
    [
        (0.0, ["billing > refund > full", "billing>card", "shipping"]),
        (0.5, ["billing > refund", "billing>card", "shipping"]),
        (0.65, ["billing", "billing", "shipping"]),
        (1.0, ["billing", "billing", "shipping"]),
    ],
)
def test_an_unsure_text_stops_at_a_parent(tree: LabelTree, stop_below: float, expected: list[str]) -> None:
    assert tree.answers(_CONFIDENCES, stop_below=stop_below) == expected
    alone = [tree.answers(_CONFIDENCES[row : row + 1], stop_below=stop_below)[0] for row in range(3)]
    assert alone == expected


def test_labels_are_cut_alike_whether_known_or_not(tree: LabelTree) -> None:
    assert tree.cut("billing > refund > full", 2) == "billing > refund"
    assert tree.cut("billing>card", 9) == "billing>card"
    given = np.eye(5, dtype=bool)
    assert tree.given(given, 1).tolist() == [[True, False]] * 4 + [[False, True]]


@pytest.mark.parametrize(
    ("labels", "separator", "fragment"),
    [
        (("a", "b"), " ", "The path separator is ' '"),
        (("a > ", "b"), " > ", "'a > ' has an empty part"),
        (("a>b", "a > b"), ">", "is there twice"),
    ],
)
def test_labels_that_make_no_tree_are_refused(labels: tuple[str, ...], separator: str, fragment: str) -> None:
    with pytest.raises(InputError) as caught:
        LabelTree(labels, separator)
    assert fragment in str(caught.value)


def test_depths_and_shares_out_of_range_are_refused(tree: LabelTree) -> None:
    with pytest.raises(InputError, match="1 to 3 parts deep"):
        tree.confidences(_CONFIDENCES, 4)
    with pytest.raises(InputError, match="stop_below is 2"):
        tree.answers(_CONFIDENCES, stop_below=2)


@pytest.mark.parametrize("value", ["a", "", True, None, [0.1, 0.2], np.array([0.1, 0.2]), float("nan")])
def test_what_is_no_confidence_is_refused(tree: LabelTree, value: Any) -> None:
    with pytest.raises(InputError, match=r"stop_below is .*; expected a confidence, a number from 0 to 1"):
        tree.answers(_CONFIDENCES, stop_below=value)

import numpy as np
import pytest

from fewfit.errors import InputError
from fewfit.training import Targets


def test_single_labels_become_one_hot_rows_in_sorted_order() -> None:
    targets = Targets.from_labels(["b", "a", "b"])
    assert targets.kind == "single"
    assert targets.labels == ("a", "b")
    assert targets.index.tolist() == [1, 0, 1]
    assert targets.counts.tolist() == [1, 2]


def test_label_lists_become_an_indicator_matrix_and_may_be_empty() -> None:
    targets = Targets.from_labels([["x", "y"], [], ["y"]])
    assert targets.kind == "multi"
    assert targets.matrix.tolist() == [[True, True], [False, False], [False, True]]


def test_known_labels_fix_the_order_of_the_columns() -> None:
    assert Targets.from_labels(["b"], known=["b", "a"]).labels == ("b", "a")


def test_take_keeps_labels_that_no_row_has() -> None:
    targets = Targets.from_labels(["a", "b", "c"]).take(np.array([0]))
    assert targets.labels == ("a", "b", "c")
    assert targets.counts.tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("labels", "fragment"),
    [
        ([], "list is empty"),
        (["a", ["b"]], "Row 2 has ['b'] while row 1 has 'a'"),
        ([["a"], 3], "Row 2 has labels 3"),
        ([["a", 7]], "Row 1 has labels ['a', 7]"),
        (["a", " "], "Row 2 has an empty label"),
    ],
)
def test_labels_that_cannot_be_read_are_refused_with_their_row(labels: list[object], fragment: str) -> None:
    with pytest.raises(InputError) as caught:
        Targets.from_labels(labels)  # type: ignore[arg-type]
    assert fragment in str(caught.value)


def test_a_label_outside_the_known_ones_is_named_with_its_row() -> None:
    with pytest.raises(InputError, match="Row 2 has the label 'new', which is not one of the 2 known labels"):
        Targets.from_labels(["a", "new"], known=["a", "b"])

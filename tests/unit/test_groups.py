import numpy as np
import pytest

from fewfit.decision import LabelGroups, margins_in
from fewfit.decision.groups import softmax_in, surest_in
from fewfit.errors import InputError

_GROUPS = ((0, 2), (1, 3, 4))
_LOGITS = np.array([[1.0, 5.0, 0.0, 4.0, 0.0], [0.0, 700.0, 3.0, -700.0, 0.0]])


def test_each_group_has_a_softmax_of_its_own() -> None:
    confidences = softmax_in(_GROUPS, _LOGITS)
    for columns in map(list, _GROUPS):
        np.testing.assert_allclose(confidences[:, columns].sum(axis=1), 1.0)
    assert confidences[0, 0] == pytest.approx(1 / (1 + np.exp(-1)))
    assert confidences[1, 1] == pytest.approx(1.0)


def test_the_surest_of_each_group_and_how_near_the_next_is() -> None:
    given = surest_in(_GROUPS, _LOGITS)
    assert [list(np.flatnonzero(row)) for row in given] == [[0, 1], [1, 2]]
    np.testing.assert_allclose(margins_in(_GROUPS, _LOGITS), [1.0, 3.0])


def test_white_space_counts_for_nothing_and_a_choice_may_hold_the_separator() -> None:
    groups = LabelGroups(["a :x", "a: y", "b: at 9:30", "b: later"], ": ")
    assert groups.names == ("a", "b")
    assert groups.columns == ((0, 1), (2, 3))


@pytest.mark.parametrize(
    ("labels", "separator", "message"),
    [
        (("a: x", "a: y"), " ", "The group separator is ' '"),
        (("a: x", "a"), ": ", "'a' is not written as group and choice"),
        (("a: x", ": y"), ": ", "': y' is not written"),
        (("a: x", "a: y", "b: z"), ": ", "'b' has the single label 'b: z'"),
    ],
)
def test_labels_that_are_in_no_groups_are_refused(labels: tuple[str, ...], separator: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        LabelGroups(labels, separator)


def test_rows_are_named_as_the_caller_numbers_them() -> None:
    groups = LabelGroups(["a: x", "a: y"], ": ")
    matrix = np.array([[True, False], [False, False], [True, True]])
    with pytest.raises(
        InputError, match=r"Row 12 has no label of the group 'a'; expected one. Not just one either: row 15\."
    ):
        groups.check(matrix, [10, 12, 15])

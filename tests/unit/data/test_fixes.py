import pytest

from fewfit.data import Dataset, Example
from fewfit.data.fixes import apply_fixes
from fewfit.data.quality import Quality, check_quality
from fewfit.data.suspects import Suspect
from fewfit.errors import InputError

DATA = Dataset(
    tuple(Example(f"text {row}", (label,), row) for row, label in enumerate(["a", "b", "A", "b", "a"], 2)), "single"
)
QUALITY = Quality(suspects=(Suspect(3, "text 3", ("b",), ("a",), 0.1, "because"),), conflicts=(4, 5), leaks=(6,))


def _rows(*fixes: str) -> dict[int, str]:
    fixed = apply_fixes(DATA, QUALITY, fixes)  # type: ignore[arg-type]
    return {example.row: example.labels[0] for example in fixed.examples}


def test_nothing_is_changed_unasked() -> None:
    assert _rows() == {2: "a", 3: "b", 4: "A", 5: "b", 6: "a"}


def test_each_fix_does_its_own() -> None:
    assert _rows("drop-suspects") == {2: "a", 4: "A", 5: "b", 6: "a"}
    assert _rows("relabel-suspects") == {2: "a", 3: "a", 4: "A", 5: "b", 6: "a"}
    assert _rows("drop-conflicts") == {2: "a", 3: "b", 6: "a"}
    assert _rows("drop-leaks") == {2: "a", 3: "b", 4: "A", 5: "b"}
    assert _rows("merge-label-variants") == {2: "a", 3: "b", 4: "a", 5: "b", 6: "a"}


def test_fixes_add_up() -> None:
    assert _rows("relabel-suspects", "drop-leaks", "merge-label-variants") == {2: "a", 3: "a", 4: "a", 5: "b"}


@pytest.mark.parametrize("fixes", [("drop-suspects", "relabel-suspects"), ("polish",)])
def test_fixes_that_make_no_sense_are_refused(fixes: tuple[str, ...]) -> None:
    with pytest.raises(InputError):
        _rows(*fixes)


def test_copies_with_different_labels_are_dropped_without_a_model() -> None:
    rows = [("same", "a"), ("Same ", "b"), ("twice", "a"), ("twice", "a"), ("other", "b")]
    data = Dataset(tuple(Example(text, (label,), row) for row, (text, label) in enumerate(rows, 2)), "single")

    fixed = apply_fixes(data, check_quality(data), ["drop-conflicts"])

    assert fixed.texts == ["twice", "twice", "other"]

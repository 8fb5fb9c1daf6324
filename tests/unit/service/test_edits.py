"""Each edit does what its note says, on rows alone."""

from typing import Any

import pytest

from fewfit.data import Dataset, Example, Finding, Kind, Report
from fewfit.errors import InputError
from fewfit.service.datasets.edits import apply_edit, describe
from fewfit.service.datasets.rows import Rows


def rows(*train: tuple[str, ...], evaluation: list[tuple[str, ...]] | None = None, kind: Kind = "single") -> Rows:
    """Rows from (text, label, ...), numbered from 2 as in a CSV file."""

    def data(given: Any) -> Dataset:
        return Dataset(tuple(Example(text, tuple(labels), row) for row, (text, *labels) in enumerate(given, 2)), kind)

    return Rows(data(train), None if evaluation is None else data(evaluation))


def kept(found: Rows, part: str = "train") -> list[tuple[Any, ...]]:
    return [(e.row, e.text, *e.labels) for e in found.part(part).examples]


BASE = rows(("a", "x"), ("b", "y"), ("A ", "x"), ("a", "z"), evaluation=[("b", "y"), ("c", "x")])


@pytest.mark.parametrize(
    ("edit", "train", "evaluation", "note"),
    [
        (
            {"op": "drop_rows", "rows": [2, 3, 99]},
            [(4, "A ", "x"), (5, "a", "z")],
            [(2, "b", "y"), (3, "c", "x")],
            "Dropped 2 rows",
        ),
        (
            {"op": "drop_rows", "rows": [2], "part": "eval"},
            [(2, "a", "x"), (3, "b", "y"), (4, "A ", "x"), (5, "a", "z")],
            [(3, "c", "x")],
            "Dropped 1 row",
        ),
        (
            {"op": "relabel", "rows": [3, 5], "labels": [" x "]},
            [(2, "a", "x"), (3, "b", "x"), (4, "A ", "x"), (5, "a", "x")],
            [(2, "b", "y"), (3, "c", "x")],
            "Labelled 2 rows ' x '",
        ),
        (
            {"op": "rename", "names": {"z": "x"}},
            [(2, "a", "x"), (3, "b", "y"), (4, "A ", "x"), (5, "a", "x")],
            [(2, "b", "y"), (3, "c", "x")],
            "Renamed 'z' to 'x' in 1 row",
        ),
        (
            {"op": "drop_label", "label": "x"},
            [(3, "b", "y"), (5, "a", "z")],
            [(2, "b", "y")],
            "Dropped the label 'x' (3 rows)",
        ),
        (
            {"op": "drop_copies"},
            [(2, "a", "x"), (3, "b", "y"), (5, "a", "z")],
            [(2, "b", "y"), (3, "c", "x")],
            "Dropped 1 copy",
        ),
        (
            {"op": "drop_conflicts"},
            [(3, "b", "y")],
            [(2, "b", "y"), (3, "c", "x")],
            "Dropped 3 rows with conflicting labels",
        ),
        (
            {"op": "drop_conflicts", "keep": "first"},
            [(2, "a", "x"), (3, "b", "y")],
            [(2, "b", "y"), (3, "c", "x")],
            "Dropped 2 rows with conflicting labels",
        ),
        (
            {"op": "drop_leaked"},
            [(2, "a", "x"), (3, "b", "y"), (4, "A ", "x"), (5, "a", "z")],
            [(3, "c", "x")],
            "Dropped 1 row from the evaluation part that are in the training part too",
        ),
        (
            {"op": "add", "examples": [{"text": "new", "labels": ["y"]}]},
            [(2, "a", "x"), (3, "b", "y"), (4, "A ", "x"), (5, "a", "z"), (6, "new", "y")],
            [(2, "b", "y"), (3, "c", "x")],
            "Added 1 row",
        ),
        (
            {"op": "drop_evaluation"},
            [(2, "a", "x"), (3, "b", "y"), (4, "A ", "x"), (5, "a", "z")],
            [],
            "Dropped the evaluation part (2 rows)",
        ),
    ],
    ids=lambda value: value["op"] if isinstance(value, dict) else "",
)
def test_an_edit(edit: dict[str, Any], train: list[Any], evaluation: list[Any], note: str) -> None:
    after = apply_edit(BASE, edit)
    assert kept(after) == train
    assert kept(after, "eval") == evaluation
    assert describe(BASE, after, edit) == note


def test_in_multilabel_data_a_dropped_label_leaves_its_rows() -> None:
    before = rows(("a", "x", "y"), ("b", "x"), ("c",), kind="multi")
    edit = {"op": "drop_label", "label": "x"}
    after = apply_edit(before, edit)
    assert kept(after) == [(2, "a", "y"), (3, "b"), (4, "c")]
    assert describe(before, after, edit) == "Dropped the label 'x' (2 rows)"
    assert kept(apply_edit(before, {"op": "relabel", "rows": [2], "labels": []}))[0] == (2, "a")


def test_spellings_are_merged_in_both_parts() -> None:
    before = rows(("a", "Card"), ("b", "card"), ("c", "card"), ("d", "x"), evaluation=[("e", "Card")])
    after = apply_edit(before, {"op": "merge_variants"})
    assert [labels for _, _, labels in kept(after)] == ["card", "card", "card", "x"]
    assert kept(after, "eval") == [(2, "e", "card")]


def test_markup_is_taken_out() -> None:
    before = rows(("<b>hi</b> there &amp; see https://example.org/x", "x"), ("plain", "y"))
    after = apply_edit(before, {"op": "clean"})
    assert [text for _, text, _ in kept(after)] == ["hi there & see", "plain"]
    assert describe(before, after, {"op": "clean"}) == "Took markup and URLs out of 1 row"


def test_unreadable_rows_become_a_warning() -> None:
    bad = Finding("bad_json", "error", "1 row is not valid JSON: row 7.", rows=(7,), suggestion="Write one object.")
    missing = Finding("missing_column", "error", "There is no column text.")
    before = Rows(BASE.train, None, Report((bad, missing)))
    after = apply_edit(before, {"op": "leave_out"})
    assert [(finding.code, finding.severity) for finding in after.train_reading] == [
        ("missing_column", "error"),
        ("bad_json", "warning"),
    ]
    assert describe(before, after, {"op": "leave_out"}) == "Left out the rows that cannot be read"


def test_a_set_changes_its_kind_where_it_can() -> None:
    multi = apply_edit(BASE, {"op": "kind", "kind": "multi"})
    assert multi.kind == "multi"
    assert apply_edit(multi, {"op": "kind", "kind": "single"}) == BASE
    none = apply_edit(multi, {"op": "relabel", "rows": [4], "labels": []})
    with pytest.raises(InputError, match="such as row 4"):
        apply_edit(none, {"op": "kind", "kind": "single"})


@pytest.mark.parametrize(
    "edit",
    [
        {},
        {"op": "eval"},
        {"op": "drop_rows"},
        {"op": "drop_rows", "rows": "23"},
        {"op": "drop_rows", "rows": ["2"]},
        {"op": "drop_rows", "rows": [2], "part": "other"},
        {"op": "relabel", "rows": [2], "labels": "x"},
        {"op": "relabel", "rows": [2], "labels": []},
        {"op": "relabel", "rows": [2], "labels": ["x", "y"]},
        {"op": "relabel", "rows": [2], "labels": ["a\0b"]},
        {"op": "relabel", "rows": [2], "labels": ["x" * 2000]},
        {"op": "rename", "names": {}},
        {"op": "rename", "names": {"x": 3}},
        {"op": "drop_label"},
        {"op": "add", "examples": []},
        {"op": "add", "examples": [{"text": " ", "labels": ["x"]}]},
        {"op": "add", "examples": [{"text": "\ud800", "labels": ["x"]}]},
        {"op": "add", "examples": ["x"]},
        {"op": "kind", "kind": "both"},
    ],
    ids=str,
)
def test_an_edit_that_makes_no_sense_is_refused(edit: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        apply_edit(BASE, edit)


def test_an_edit_that_changes_nothing_says_so() -> None:
    edit = {"op": "drop_rows", "rows": [1000]}
    with pytest.raises(InputError, match="change nothing"):
        describe(BASE, apply_edit(BASE, edit), edit)

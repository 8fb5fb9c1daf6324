import time

import pytest

from fewfit.data import Kind, read_dataset


def csv_of(*labels: str) -> bytes:
    return ("text,label\n" + "".join(f'text {n},"{label}"\n' for n, label in enumerate(labels))).encode()


@pytest.mark.parametrize(
    ("labels", "separator"),
    [
        (["crime|drama", "drama", "war", "crime|war"], "|"),
        (["crime|drama", "war|drama", "crime|war"], "|"),
        (["crime; drama", "drama", "war", "crime; war", "crime", ""], ";"),
        (["crime,drama", "drama", "war", "crime,war", "war,drama", "crime"], ","),
        # A comma in the name of a label is no separator ...
        (["Sales, EU", "Sales, US", "Support, EU", "Support, US"], None),
        (["Cards, lost", "Cards", "Transfers"], None),
        (["Terms; conditions", "Other"], None),
        # ... and neither is a bar that shares nothing.
        (["a|b", "c", "d"], None),
        (["billing", "delivery"], None),
    ],
)
def test_a_separator_is_found_where_cells_share_labels(labels: list[str], separator: str | None) -> None:
    dataset, report = read_dataset(csv_of(*labels))

    assert dataset.read_as is not None
    assert dataset.read_as.label_separator == separator
    assert dataset.kind == ("multi" if separator else "single")
    assert ("label_separator_found" in report.codes) == (separator is not None)


@pytest.mark.parametrize(
    ("labels", "unsure"),
    [
        (["crime;drama", "war;drama", "crime;war"], True),
        (["good,bad", "good", "bad"], True),
        (["Sales, EU", "Sales, US", "Support, EU", "Support, US"], True),
        (["Cards, lost", "Cards", "Transfers"], False),
        (["Terms; conditions", "Other"], False),
        (["billing", "delivery"], False),
    ],
)
def test_what_may_be_a_separator_is_told(labels: list[str], unsure: bool) -> None:
    dataset, report = read_dataset(csv_of(*labels))

    assert dataset.kind == "single"
    assert report.codes == (("label_separator_unsure",) if unsure else ())
    assert read_dataset(csv_of(*labels), kind="single")[1].codes == ()


def test_labels_that_are_known_are_not_split() -> None:
    known = ["Sales, EU", "Sales, US", "Support"]
    alone, _ = read_dataset(csv_of("Sales, EU", "Support"), kind="multi", known_labels=known)
    shared, _ = read_dataset(csv_of("Sales, EU", "Sales, US;Support", "Support"), kind="multi", known_labels=known)
    commas, _ = read_dataset(csv_of("Sales, EU", "Support,new"), kind="multi", known_labels=known)

    assert alone.targets == [["Sales, EU"], ["Support"]]
    assert shared.targets == [["Sales, EU"], ["Sales, US", "Support"], ["Support"]]
    assert commas.targets == [["Sales, EU"], ["Support", "new"]]


def test_a_given_separator_splits_and_empty_cells_have_no_labels() -> None:
    dataset, report = read_dataset(csv_of("a + b", "", "b"), label_separator="+")

    assert dataset.targets == [["a", "b"], [], ["b"]]
    assert report.codes == ("label_whitespace",)


def test_kind_single_keeps_the_cell_whole() -> None:
    dataset, _ = read_dataset(csv_of("crime|drama", "drama", "crime"), kind="single")

    assert dataset.targets == ["crime|drama", "drama", "crime"]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [(["a;b", "c"], [["a", "b"], ["c"]]), (["a", "b"], [["a"], ["b"]]), (["a", ""], [["a"], []])],
)
def test_kind_multi_takes_the_separator_that_occurs(labels: list[str], expected: list[list[str]]) -> None:
    dataset, report = read_dataset(csv_of(*labels), kind="multi")

    assert dataset.targets == expected
    assert len(report) == 0


@pytest.mark.parametrize("cells", [("['a', 'b']", "[]"), ('[""a"", ""b""]', "[]"), ("['a','b']", "")])
def test_lists_written_into_cells_are_read(cells: tuple[str, ...]) -> None:
    dataset, report = read_dataset(csv_of(*cells))

    assert dataset.targets == [["a", "b"], []]
    assert len(report) == 0


@pytest.mark.parametrize(
    "cells",
    [
        ("['a' 'b, c']", "['a']", "[]"),  # numpy, as pandas writes what it read from Parquet
        ("['a'\n 'b, c']", "['a']", "[]"),
        ("('a', 'b, c')", "('a',)", ""),
        ("('a', 'b, c')", "('a',)", "()"),
        ("{'a', 'b, c'}", "{'a'}", ""),
        ("{'a', 'b, c'}", "{'a'}", "set()"),
    ],
)
def test_lists_as_numpy_and_python_write_them_are_read(cells: tuple[str, ...]) -> None:
    dataset, report = read_dataset(csv_of(*cells))

    assert dataset.targets == [["a", "b, c"], ["a"], []]
    assert len(report) == 0


def test_quotes_that_python_escapes_in_a_list_are_read() -> None:
    dataset, _ = read_dataset(csv_of(r"""['it\'s ""late""', 'b']""", "['b']"))

    assert dataset.targets == [['it\'s "late"', "b"], ["b"]]


def test_numbers_in_a_written_list_are_labels() -> None:
    dataset, report = read_dataset(csv_of("[0, 12]", "[3]", "[]"))

    assert dataset.targets == [["0", "12"], ["3"], []]
    assert report.codes == ("number_label",)


def test_a_string_among_written_lists_is_one_label() -> None:
    dataset, report = read_dataset(csv_of("['a', 'b']", "a", "['b']"))

    assert dataset.targets == [["a", "b"], ["a"], ["b"]]
    assert report.codes == ("mixed_label_types",)


@pytest.mark.parametrize("label", ["[]", "()", "[1]", "[null]", "[None]", "(None)"])
def test_what_could_be_a_list_of_no_label_among_strings_is_a_label(label: str) -> None:
    dataset, report = read_dataset(csv_of(label, "a"))

    assert dataset.targets == [label, "a"]
    assert len(report) == 0


def test_lists_of_0_and_1_are_no_labels() -> None:
    _, written = read_dataset(csv_of("[0, 1, 1]", "[1, 0, 0]"))
    _, given = read_dataset((["x", "y"], [[0, 1, 1], [1, 0, 0]]))
    _, said = read_dataset((["x", "y"], [[0, 1, 1], [1, 0, 0]]), kind="multi")

    for report in (written, given, said):
        assert "lists of 3 numbers" in report.errors[0].message


def test_a_list_that_is_not_closed_takes_linear_time() -> None:
    started = time.perf_counter()
    for cell in ("[" + " " * 200_000 + "x]", "['a'" + " " * 200_000 + "x]", "['a' " * 50_000 + "]"):
        dataset, _ = read_dataset(csv_of(cell, "b"))
        assert dataset.kind == "single"

    assert time.perf_counter() - started < 10


def test_a_cell_that_only_looks_like_a_list_is_a_label() -> None:
    dataset, _ = read_dataset(csv_of("[urgent]", "[later]"))

    assert dataset.targets == ["[urgent]", "[later]"]


def test_white_space_around_labels_is_removed_and_mentioned() -> None:
    dataset, report = read_dataset(csv_of("billing", " billing", "billing\t"))

    assert dataset.targets == ["billing"] * 3
    assert [(finding.code, finding.rows) for finding in report] == [("label_whitespace", (3, 4))]


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_the_kind_can_be_given_for_an_empty_set(kind: Kind) -> None:
    dataset, _ = read_dataset(b"text,label\n", kind=kind)

    assert dataset.kind == kind

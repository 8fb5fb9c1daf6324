import io
import sys
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewfit.data import Dataset, Example, read_dataset, write_dataset
from fewfit.errors import InputError

# Everything that can be a text: no lone surrogates, no NUL, not only white space.
ANY = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXT = st.text(ANY, min_size=1).filter(lambda text: bool(text.strip()))
LABEL = st.text(ANY, min_size=1, max_size=8).map(str.strip).filter(bool)


def written(data: Dataset, file_format: Literal["csv", "jsonl"], separator: str | None = None) -> bytes:
    buffer = io.StringIO(newline="")
    write_dataset(data, buffer, file_format=file_format, label_separator=separator)
    return buffer.getvalue().encode()


@given(st.lists(st.tuples(TEXT, LABEL), min_size=1, max_size=20), st.sampled_from(["csv", "jsonl"]))
def test_single_label_data_are_read_back_as_they_were(
    rows: list[tuple[str, str]], file_format: Literal["csv", "jsonl"]
) -> None:
    data = Dataset(tuple(Example(text, (label,), n) for n, (text, label) in enumerate(rows)), "single")

    again, report = read_dataset(written(data, file_format), file_format=file_format, kind="single")

    assert (again.texts, again.targets) == (data.texts, data.targets)
    assert report.ok


@given(
    st.lists(st.tuples(TEXT, st.lists(LABEL.filter(lambda x: "|" not in x), max_size=4, unique=True)), min_size=1),
    st.sampled_from(["csv", "jsonl"]),
)
def test_multilabel_data_are_read_back_as_they_were(
    rows: list[tuple[str, list[str]]], file_format: Literal["csv", "jsonl"]
) -> None:
    data = Dataset(tuple(Example(text, tuple(labels), n) for n, (text, labels) in enumerate(rows)), "multi")

    separator = "|" if file_format == "csv" else None
    again, _ = read_dataset(
        written(data, file_format, separator), file_format=file_format, kind="multi", label_separator=separator
    )

    assert again.targets == data.targets
    assert again.texts == data.texts


def test_the_ending_of_the_path_says_the_format(tmp_path: Path) -> None:
    data = Dataset((Example("grüße", ("x",), 1),), "single")

    write_dataset(data, tmp_path / "a.csv")
    write_dataset(data, tmp_path / "a.jsonl")

    assert (tmp_path / "a.csv").read_bytes() == '"text","label"\n"grüße","x"\n'.encode()
    assert (tmp_path / "a.jsonl").read_bytes() == '{"text": "grüße", "label": "x"}\n'.encode()
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(InputError, match="neither CSV nor JSONL"):
        write_dataset(data, tmp_path / "a.xlsx")
    with pytest.raises(InputError, match="Cannot write"):
        write_dataset(data, tmp_path / "no folder" / "a.csv")


def test_a_separator_that_is_in_no_label_is_taken() -> None:
    data = Dataset((Example("x", ("a|b", "c;d"), 1), Example("y", (), 2)), "multi")

    assert b'"a|b,c;d"' in written(data, "csv")
    with pytest.raises(InputError, match="Labels contain the separator"):
        written(data, "csv", "|")


def test_a_file_that_fails_half_way_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")
    broken = Dataset((Example("x", ("a",), 1), Example("\ud800", ("a",), 2)), "single")

    with pytest.raises(UnicodeEncodeError):
        write_dataset(broken, path)

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_others_can_read_the_file_as_any_other_one(tmp_path: Path) -> None:
    (tmp_path / "other").touch()

    write_dataset(Dataset((Example("x", ("a",), 1),), "single"), tmp_path / "a.csv")

    assert (tmp_path / "a.csv").stat().st_mode == (tmp_path / "other").stat().st_mode

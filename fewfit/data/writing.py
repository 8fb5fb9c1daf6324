"""Writes labelled examples to a file that `read_dataset` reads back as they were."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, TextIO

from fewfit.data.dataset import Dataset
from fewfit.data.labels import SEPARATORS
from fewfit.data.whole import whole_file
from fewfit.errors import InputError

WriteFormat = Literal["csv", "jsonl"]


def write_dataset(
    dataset: Dataset,
    target: str | Path | TextIO,
    *,
    file_format: WriteFormat | None = None,
    label_separator: str | None = None,
) -> None:
    """Writes the examples as CSV or JSONL with the columns text and label.

    The format comes from the ending of a path where it is not given. In CSV, several labels share a cell,
    separated by `label_separator` (the first of | ; , that is in no label). A file is written under another name
    and renamed when it is whole. Raises InputError where a label contains the separator.
    """
    if isinstance(target, str | Path):
        path = Path(target)
        lines = dataset_lines(dataset, file_format or format_of(path), label_separator)
        _write_whole(path, lines)
    else:
        target.writelines(dataset_lines(dataset, file_format or "jsonl", label_separator))


def dataset_lines(dataset: Dataset, file_format: WriteFormat, label_separator: str | None = None) -> Iterator[str]:
    """The lines of the file, one record at a time."""
    if file_format == "jsonl":
        return _json_lines(dataset)
    return _csv_lines(dataset, csv_separator(dataset, label_separator))


def _json_lines(dataset: Dataset) -> Iterator[str]:
    for example in dataset.examples:
        label = example.labels[0] if dataset.kind == "single" else list(example.labels)
        yield json.dumps({"text": example.text, "label": label}, ensure_ascii=False) + "\n"


def _csv_lines(dataset: Dataset, separator: str) -> Iterator[str]:
    buffer = io.StringIO(newline="")
    # All fields in quotes: no text can then be taken for something else.
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for record in _csv_records(dataset, separator):
        writer.writerow(record)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def _csv_records(dataset: Dataset, separator: str) -> Iterator[tuple[str, str]]:
    yield "text", "label"
    for example in dataset.examples:
        yield example.text, separator.join(example.labels)


def csv_separator(dataset: Dataset, given: str | None = None) -> str:
    """What stands between the labels of a cell: `given`, or the first of | ; , that is in no label.

    Raises InputError where a label contains it.
    """
    if dataset.kind == "single":
        return ""
    for separator in (given,) if given is not None else SEPARATORS:
        holding = [label for label in dataset.label_names if separator in label]
        if separator and not holding:
            return separator
    tried = repr(given) if given is not None else " ".join(SEPARATORS)
    raise InputError(
        f"Labels contain the separator ({tried}), for example {holding[0]!r}; CSV cannot keep them apart. "
        "Give another label_separator, or write JSONL."
    )


def format_of(path: Path) -> WriteFormat:
    """The format that the ending of a path says. Raises InputError where it says none."""
    ending = path.suffix.lower()
    if ending == ".csv":
        return "csv"
    if ending in (".jsonl", ".ndjson"):
        return "jsonl"
    raise InputError(f"The ending of {path.name} says neither CSV nor JSONL. Call it .csv or .jsonl.")


def _write_whole(path: Path, lines: Iterable[str]) -> None:
    try:
        with whole_file(path) as file:
            file.writelines(line.encode("utf-8") for line in lines)
    except OSError as error:
        raise InputError(f"Cannot write {path}: {error.strerror}.") from error

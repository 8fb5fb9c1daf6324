"""Reads the data of a command and says what was found."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fewfit.cli.console import say, say_findings
from fewfit.cli.options import character
from fewfit.data import Dataset, Example, FileFormat, Kind, Report, clean_text, read_dataset, read_texts
from fewfit.data.report import counted, listed
from fewfit.errors import DataError


@dataclass(frozen=True)
class DataOptions:
    """What was said about a file with labelled texts."""

    text_column: str | None = None
    label_column: str | None = None
    delimiter: str | None = None
    label_separator: str | None = None
    kind: Kind | None = None
    file_format: Literal["csv", "tsv", "jsonl", "parquet"] | None = None
    skip_malformed: bool = False


def read(
    path: Path, options: DataOptions, *, kind: Kind | None = None, known_labels: Iterable[str] = ()
) -> tuple[Dataset, Report]:
    """The labelled texts of a file; `kind` and `known_labels` are those of the model, if there is one already."""
    # A model for single labels stays one, but several labels in a cell may be separated as the user says.
    kind = kind or options.kind
    return read_dataset(
        path,
        file_format=options.file_format,
        text_column=options.text_column,
        label_column=options.label_column,
        delimiter=character(options.delimiter),
        label_separator=options.label_separator,
        kind=kind,
        skip_malformed=options.skip_malformed,
        known_labels=known_labels,
    )


def read_unlabelled(
    paths: Iterable[Path],
    *,
    file_format: FileFormat | None = None,
    text_column: str | None = None,
    delimiter: str | None = None,
    skip_malformed: bool = False,
    where_it_fits: bool = False,
    quiet: bool = False,
) -> list[str]:
    """The texts of files without labels, or whose labels do not count. Raises DataError for a file without any.

    With `where_it_fits`, column and delimiter count for the files that have them.
    """
    texts: list[str] = []
    for path in paths:

        def tell(report: Report, name: str = path.name) -> None:
            if not quiet:
                say_findings(report, source=name)

        rows = read_texts(
            path,
            file_format=file_format,
            text_column=text_column,
            delimiter=character(delimiter),
            on_report=tell,
            skip_malformed=skip_malformed,
            where_it_fits=where_it_fits,
        )
        found = [row.text for row in rows]
        if not found:
            what = "has no texts" if path.stat().st_size else "is empty"
            raise DataError(f"{path.name}: The file {what}. Give a file with a text on each row.")
        texts += found
    return texts


def say_what_was_read(dataset: Dataset) -> None:
    """One line on how a file was understood."""
    say(describe(dataset), style="dim")


def describe(dataset: Dataset) -> str:
    """How a file was understood: rows, kind, labels, columns."""
    how = dataset.read_as
    kind = "one label a text" if dataset.kind == "single" else "multilabel"
    labels = listed(dataset.label_names, shown=8)
    text = f"{dataset.source}: {counted(len(dataset), 'example')}, {kind}; {counted(len(dataset.label_names), 'label')}"
    text += f" ({labels})" if labels else ""
    if how is None:
        return text + "."
    if how.header and (how.text_column, how.label_column) != ("text", "label"):
        text += f"; texts in column {how.text_column!r}, labels in {how.label_column!r}"
    if how.delimiter not in (None, ","):
        text += f"; columns separated by {how.delimiter!r}"
    if how.label_separator:
        text += f"; labels by {how.label_separator!r}"
    return text + "."


def cleaned(dataset: Dataset) -> Dataset:
    """The data set as it is read with --clean."""
    return dataset.with_examples(Example(clean_text(e.text), e.labels, e.row) for e in dataset.examples)

"""Texts without labels, to be classified: read one by one as they come."""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from fewfit.data.delimited import find_delimiter, told_delimiter
from fewfit.data.lines import ByteSource, TextLines
from fewfit.data.problems import Problems
from fewfit.data.reading import (
    FileFormat,
    ReadOptions,
    check_binary,
    is_not_text,
    open_table,
    opened,
    read_text,
    sniff_format,
)
from fewfit.data.report import Report
from fewfit.data.table import LABEL_NAMES, TEXT_NAMES, find_text_column, recognised

# What is found in plain text that was taken for JSON, as it begins with a brace.
_NO_JSON = frozenset(("bad_json", "not_an_object", "json_array"))


@dataclass(frozen=True, slots=True)
class TextRow:
    """A text and where it stands: its line in a text, CSV or JSONL file, else the number of its record."""

    text: str
    row: int


def read_texts(
    source: str | Path | BinaryIO | bytes,
    *,
    file_format: FileFormat | None = None,
    text_column: str | None = None,
    delimiter: str | None = None,
    name: str | None = None,
    on_report: Callable[[Report], None] | None = None,
    skip_malformed: bool = True,
    where_it_fits: bool = False,
) -> Iterator[TextRow]:
    r"""Reads texts one by one, in order and in constant memory (Parquet from a pipe excepted).

    `source` is a path or an open binary file: plain text with one text a line, CSV or TSV with a text
    column (or one column only), JSONL or Parquet. What is not given is found as in `read_dataset`; what has
    no known ending and looks neither like JSON nor like CSV, by a first line such as text,label, is plain text.
    Empty lines are left out.

    At the end `on_report` gets what was wrong; rows that cannot be read are left out. Without it, or with
    skip_malformed=False, the first malformed row raises DataError, after the rows before it have been given. With
    `where_it_fits`, column and delimiter, which were said of another file, count where this one has them, too, and are
    found where it has not.

    >>> [row.text for row in read_texts(b"where is my parcel?\nthank you\n")]
    ['where is my parcel?', 'thank you']
    """
    options = ReadOptions(file_format, text_column=text_column, delimiter=delimiter)
    skips = on_report is not None and skip_malformed
    how = (options, on_report, skips, where_it_fits)
    if isinstance(source, str | Path):
        with opened(Path(source)) as stream:
            yield from _stream_texts(stream, name or Path(source).name, *how)
    elif isinstance(source, bytes):
        yield from _stream_texts(io.BytesIO(source), name or "", *how)
    else:
        check_binary(source)
        yield from _stream_texts(source, name or str(getattr(source, "name", "")), *how)


def _stream_texts(
    stream: BinaryIO,
    name: str,
    options: ReadOptions,
    on_report: Callable[[Report], None] | None,
    skips: bool,
    where_it_fits: bool,
) -> Iterator[TextRow]:
    problems = Problems()
    source = ByteSource(stream)
    if where_it_fits:
        options = _fitting(source, name, options)
    for text_row in _texts(source, name, options, problems):
        if not skips and problems.any_row:
            break
        if text_row is not None:
            yield text_row
    report = problems.report(skip_malformed=skips)
    if options.file_format is None and sniff_format(b"", name) != "jsonl":
        report = _with_remedy(report)
    if on_report is not None:
        on_report(report)
    report.raise_for_errors(name)


def _texts(source: ByteSource, name: str, options: ReadOptions, problems: Problems) -> Iterator[TextRow | None]:
    if _is_plain(source, name, options) and options.text_column is None and options.delimiter is None:
        if not is_not_text(source.head, problems):
            yield from _plain_lines(source, problems)
        return
    table = open_table(source, name, options, problems, one_column=True)
    if table is None:
        return
    column = find_text_column(table, options.text_column, problems)
    if column is None:
        return
    for row, (value,) in table.cells((column,)):
        text = read_text(value, row, problems)
        yield TextRow(text, row) if text is not None else None


def _is_plain(source: ByteSource, name: str, options: ReadOptions) -> bool:
    """Whether a file is one text a line, unless a column or delimiter is named."""
    # What a program happens to have written to a pipe so far must not decide, be it less than a line or no more.
    while b"\n" not in source.head and source.look_further():
        pass
    found = options.file_format or sniff_format(source.head, name)
    if found == "csv" and options.file_format is None and not Path(name).suffix:
        while (named := _names_columns(source.head)) is None and source.look_further():
            pass
        return not named
    return found == "txt"


def _names_columns(head: bytes) -> bool | None:
    """Whether the first line names columns, one of them of texts, and most lines after it have as many fields.

    So does one that names a delimiter (sep=;). A line such as "question, please" may be a text: where none
    comes after it, every name has to be known; None where one is not.
    """
    lines = list(io.StringIO(head.decode("utf-8-sig", errors="replace"), newline=""))
    if told_delimiter(lines):
        return True
    records = [fields for fields in csv.reader(lines, delimiter=find_delimiter(lines)) if fields]
    first, *others = records or [[]]
    if len(first) < 2 or not any(recognised(name, TEXT_NAMES) for name in first):
        return False
    if not others:
        return all(recognised(name, (*TEXT_NAMES, *LABEL_NAMES)) for name in first) or None
    return 2 * sum(len(fields) == len(first) for fields in others) > len(others)


def _with_remedy(report: Report) -> Report:
    """The report of a file that was taken for JSON by its first bytes, with what to do if it is plain text."""
    remedy = "If it is plain text, one text a line, give --file-format txt (file_format='txt' in Python)."
    findings = (
        replace(finding, suggestion=f"{finding.suggestion} {remedy}") if finding.code in _NO_JSON else finding
        for finding in report
    )
    return Report(tuple(findings))


def _fitting(source: ByteSource, name: str, options: ReadOptions) -> ReadOptions:
    """Column and delimiter that were said of another file, as far as this one has them, by its first bytes."""
    if _is_plain(source, name, options):
        return replace(options, text_column=None, delimiter=None)
    found = options.file_format or sniff_format(source.head, name)
    if options.delimiter is not None:
        first = source.head.splitlines()[0] if source.head else b""
        if found != "csv" or options.delimiter.encode() not in first:
            options = replace(options, delimiter=None)
    if options.text_column is not None:
        stream = source.seekable() if found == "parquet" else io.BytesIO(source.head)
        table = open_table(ByteSource(stream), name, options, Problems(), one_column=True)
        if table is None or find_text_column(table, options.text_column, Problems()) is None:
            options = replace(options, text_column=None)
    return options


def _plain_lines(source: ByteSource, problems: Problems) -> Iterator[TextRow | None]:
    lines = TextLines(source, problems)
    for row, line in enumerate(lines, start=1):
        text = line.rstrip("\r\n")
        if row in lines.bad:
            yield None
        elif text.strip():
            yield TextRow(text, row)

"""Reads labelled examples from files, streams and Python objects, with a report of all that is wrong."""

import codecs
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast

from fewfit.data.dataset import Dataset, Example, Kind, ReadAs
from fewfit.data.delimited import DelimitedTable
from fewfit.data.jsonl import JsonLinesTable
from fewfit.data.labels import find_reading, has_lone_surrogate, read_label
from fewfit.data.lines import ByteSource, TextLines
from fewfit.data.memory import table_in_memory
from fewfit.data.parquet import ParquetTable
from fewfit.data.problems import Problems
from fewfit.data.report import Report, quoted
from fewfit.data.table import Columns, Table, find_columns
from fewfit.errors import InputError

FileFormat = Literal["csv", "tsv", "jsonl", "parquet", "txt"]

_BY_ENDING: dict[str, FileFormat] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "txt",
}
# JSON objects looked at to find the names of the fields; texts alone are given on as they come.
_SAMPLE_OBJECTS = 200
# First bytes by which text is told from other files.
_SAMPLE_BYTES = 4096
# Of random bytes, a tenth are control characters; a text in another encoding than UTF-8 has a slip or two.
_CONTROL_SHARE = 0.02
_FEWEST_CONTROL = 3
_WHITE_SPACE = b"\t\n\v\f\r"
_EXPECTED = "Give a file with a text and a label on each row."
_NOT_TEXT: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip archive or an Excel file", "Export the sheet as 'CSV UTF-8', or unpack the archive."),
    (b"\xd0\xcf\x11\xe0", "an old Excel file", "Export the sheet as 'CSV UTF-8'."),
    (b"\x1f\x8b", "compressed with gzip", "Unpack it first: gunzip FILE."),
    (b"%PDF", "a PDF", "Give CSV, JSONL or Parquet."),
    (b"\x89PNG\r\n", "an image (PNG)", "Give CSV, JSONL or Parquet."),
    (b"\xff\xd8\xff", "an image (JPEG)", "Give CSV, JSONL or Parquet."),
    (b"SQLite format 3\0", "an SQLite database", "Export the table as CSV."),
    (b"\xff\xfe", "UTF-16", "Save it as UTF-8 (in Excel: 'CSV UTF-8')."),
    (b"\xfe\xff", "UTF-16", "Save it as UTF-8 (in Excel: 'CSV UTF-8')."),
)


@dataclass(frozen=True)
class ReadOptions:
    """What is known about a source; None is found from the source itself."""

    file_format: FileFormat | None = None
    text_column: str | None = None
    label_column: str | None = None
    delimiter: str | None = None
    label_separator: str | None = None
    kind: Kind | None = None
    known_labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n\0'):
            raise InputError(
                f"The delimiter is {self.delimiter!r}; expected exactly one character that is neither a quote nor a "
                "line end, such as ',', ';' or a tab."
            )
        if self.label_separator is not None and not self.label_separator.strip():
            raise InputError(
                f"The label separator is {self.label_separator!r}; expected something visible, such as '|'."
            )
        if self.kind not in (None, "single", "multi"):
            raise InputError(f"The kind is {self.kind!r}; expected 'single' or 'multi'.")
        if self.kind == "single" and self.label_separator is not None:
            raise InputError("A label separator makes the data multilabel, but the kind is 'single'. Give one of them.")


def read_dataset(
    source: object,
    *,
    file_format: FileFormat | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    delimiter: str | None = None,
    label_separator: str | None = None,
    kind: Kind | None = None,
    name: str | None = None,
    skip_malformed: bool = False,
    known_labels: Iterable[str] = (),
) -> tuple[Dataset, Report]:
    """Reads labelled examples and reports everything that is wrong with them, by row.

    `source` is a path or open binary file (CSV, TSV, JSONL, Parquet), bytes, `(texts, labels)`, a list of
    `{"text": ..., "label": ...}`, a pandas DataFrame or a Hugging Face Dataset. What is not given is found:
    `file_format` (from the ending of the path or of `name`, else from the first bytes), delimiter, columns, kind.
    The data set holds the rows that are in order; the report says what is wrong with the others and with
    the source as a whole: `report.raise_for_errors()` stops there. `skip_malformed` makes warnings of
    errors in single rows. Rows without a text are left out with a warning in any case. Of labels that are known,
    such as those of a model, none is split where its name has what separates labels.

    Raises InputError where there is nothing to read (no such file), MissingExtraError for Parquet without
    pyarrow.

    >>> data, report = read_dataset((["card declined", "hi"], ["billing", "smalltalk"]))
    >>> data.kind, len(data), report.ok
    ('single', 2, True)
    """
    options = ReadOptions(file_format, text_column, label_column, delimiter, label_separator, kind, tuple(known_labels))
    problems = Problems()
    if isinstance(source, str | Path):
        name = name or Path(source).name
        with opened(Path(source)) as stream:
            dataset = _read_stream(stream, name, options, problems)
    elif isinstance(source, bytes | bytearray | memoryview):
        dataset = _read_stream(io.BytesIO(source), name or "data", options, problems)
    elif hasattr(source, "read"):
        check_binary(source)
        name = name or str(getattr(source, "name", "data"))
        dataset = _read_stream(cast(BinaryIO, source), name, options, problems)
    else:
        dataset = _read_table(table_in_memory(source, problems), name or "", options, problems)
    return dataset, problems.report(skip_malformed=skip_malformed)


def open_table(
    source: ByteSource, name: str, options: ReadOptions, problems: Problems, *, one_column: bool = False
) -> Table | None:
    """The rows of a file; None, and an error among the problems, where it holds no rows."""
    expected = "Give a file with a text on each row." if one_column else _EXPECTED
    if not source.head.strip(b"\xef\xbb\xbf \t\r\n"):
        problems.add_error("empty_file", "The file is empty.", expected)
        return None
    found = options.file_format or sniff_format(source.head, name)
    if found != "parquet" and is_not_text(source.head, problems):
        return None
    if found == "parquet":
        table: ParquetTable | JsonLinesTable | DelimitedTable = ParquetTable(source.seekable(), problems)
        return None if problems.any_error else table
    if source.head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[") and found == "jsonl":
        problems.add_error(
            "json_array",
            "The file is one JSON list; expected JSONL, one object a line.",
            "Turn it into JSONL, for example with: jq -c '.[]' in.json > out.jsonl",
        )
        return None
    lines = TextLines(source, problems)
    if found == "jsonl":
        table = JsonLinesTable(lines, problems, sample=1 if one_column else _SAMPLE_OBJECTS)
    else:
        named = options.text_column is not None or options.label_column is not None
        delimiter = options.delimiter or ("\t" if found == "tsv" else None)
        table = DelimitedTable(lines, problems, delimiter=delimiter, named=named, one_column=one_column)
    if not table.empty:
        return table
    # Bad rows are reported by themselves, but then no row is left to find the columns in.
    if problems.report().ok:
        problems.add_error("empty_file", "The file has no rows.", expected)
    return None


def sniff_format(head: bytes, name: str) -> FileFormat:
    """The format from the first bytes and the ending of the name."""
    if head.startswith(b"PAR1"):
        return "parquet"
    ending = _BY_ENDING.get(Path(name).suffix.lower())
    if ending is not None and ending != "txt":
        return ending
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return "jsonl" if start.startswith((b"{", b"[{")) else ending or "csv"


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file at a path. Raises InputError that says what is wrong with it."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; expected a file (CSV, TSV, JSONL or Parquet).")
    try:
        stream = path.open("rb")
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}. Check the path.") from error
    except (OSError, ValueError) as error:
        # ValueError: a NUL in the path.
        raise InputError(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}.") from error
    with stream:
        yield stream


def check_binary(stream: object) -> None:
    """Raises InputError for a file that is open in text mode."""
    if isinstance(stream, io.TextIOBase):
        raise InputError("The file is open in text mode; open it in binary mode: open(path, 'rb').")


def _read_stream(stream: BinaryIO, name: str, options: ReadOptions, problems: Problems) -> Dataset:
    table = open_table(ByteSource(stream), name, options, problems)
    if table is None:
        return Dataset((), options.kind or "single", name)
    return _read_table(table, name, options, problems)


def _read_table(table: Table, name: str, options: ReadOptions, problems: Problems) -> Dataset:
    columns = find_columns(table, options.text_column, options.label_column, problems)
    if columns is None:
        return Dataset((), options.kind or "single", name)
    rows: list[tuple[int, str, object]] = []
    cells: list[object] = []
    # One string object a distinct cell: a column of labels is mostly repetition.
    known: dict[str, str] = {}
    for row, (text, cell) in _cells(table, columns):
        cells.append(cell)
        read = read_text(text, row, problems)
        if read is not None:
            rows.append((row, read, known.setdefault(cell, cell) if isinstance(cell, str) else cell))
    rows.sort(key=lambda found: found[0])
    # In a file, or where a separator is given, several labels share a string.
    written = table.format == "csv" or options.label_separator is not None
    reading = find_reading(
        cells, options.kind, options.label_separator, problems, written=written, known=options.known_labels
    )
    examples = []
    for row, text, cell in rows:
        # JSON says what is a string; in a table a number may be a label all the same.
        labels = read_label(cell, reading, row, problems, written=written, numbers=table.format != "jsonl")
        if labels is not None:
            examples.append(Example(text, labels, row))
    delimited = table if isinstance(table, DelimitedTable) else None
    read_as = ReadAs(
        format=table.format,
        text_column=columns.text,
        label_column=columns.label,
        delimiter=delimited.delimiter if delimited else None,
        label_separator=reading.separator,
        header=delimited.header if delimited else True,
    )
    return Dataset(tuple(examples), reading.kind, name, read_as)


def _cells(table: Table, columns: Columns) -> Iterator[tuple[int, tuple[object, ...]]]:
    """Row number, text and label of each row; rows that a stray quote joined come last, one by one."""
    names = (columns.text, columns.label)
    if not isinstance(table, DelimitedTable):
        yield from table.cells(names)
        return
    whole: dict[int, tuple[object, ...]] = {}
    labels = set[object]()
    for row, values in table.cells(names):
        if row in table.joined:
            whole[row] = values
        else:
            labels.add(values[1])
            yield row, values
    for row, values in whole.items():
        # The lines of a text over several lines have no label of other rows where theirs would be.
        lines = table.joined[row]
        others = Counter(label for _, (_, label) in lines if label.strip()) - Counter([str(values[1])])
        if 2 * sum(count for label, count in others.items() if label in labels) < len(lines):
            yield row, values
        else:
            yield from table.taken_apart(row)


def read_text(value: object, row: int, problems: Problems) -> str | None:
    """A text cell as a text, or None with the problem reported."""
    if value is None or (isinstance(value, str) and not value.strip()):
        problems.add("empty_text", row)
    elif not isinstance(value, str):
        problems.add("wrong_type", row, f"the text is {quoted(str(value), 20)}, of type {type(value).__name__}")
    elif "\0" in value:
        problems.add("nul_byte", row, "in the text")
    elif has_lone_surrogate(value):
        problems.add("bad_unicode", row, "in the text")
    else:
        return value
    return None


def is_not_text(head: bytes, problems: Problems) -> bool:
    """Whether a file is no text at all, by its first bytes; what it is instead is reported."""
    if head.strip() == b"[object Object]":
        problems.add_error(
            "object_object",
            "The file holds only the words '[object Object]': a JavaScript program sent the name of an object instead "
            "of its contents. This happens with the Node SDK when it is given a file stream.",
            "Send a File or a Blob: new File([await fs.promises.readFile(path)], 'data.csv').",
        )
        return True
    for magic, what, suggestion in _NOT_TEXT:
        if head.startswith(magic):
            problems.add_error("not_text", f"The file is {what}, not text in UTF-8.", suggestion)
            return True
    sample = head[:_SAMPLE_BYTES]
    # UTF-16 without a byte-order mark has a NUL in every other byte.
    if len(sample) > 3 and sample.count(0) * 3 > len(sample):
        problems.add_error(
            "not_text",
            "The file is not text in UTF-8: a third of its bytes are NUL.",
            "Save it as UTF-8 (in Excel: 'CSV UTF-8'); give binary data as Parquet.",
        )
        return True
    if _is_binary(sample):
        problems.add_error(
            "not_text",
            "The file is not text in UTF-8: it holds bytes as programs and images do, which no text has.",
            "Check that it is the right file; give CSV, JSONL or Parquet.",
        )
        return True
    return False


def _is_binary(sample: bytes) -> bool:
    """Whether bytes are text in no encoding: neither UTF-8 nor free of control characters."""
    control = sum(byte < 32 and byte not in _WHITE_SPACE for byte in sample)
    if control < max(_FEWEST_CONTROL, _CONTROL_SHARE * len(sample)):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)  # a character may be cut at the end
    except UnicodeDecodeError:
        return True
    return False

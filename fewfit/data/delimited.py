"""CSV and TSV: delimiter, header, and records with the line on which they begin."""

import csv
import itertools
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from fewfit.data.dataset import Format
from fewfit.data.labels import has_lone_surrogate
from fewfit.data.lines import TextLines
from fewfit.data.problems import Problems
from fewfit.data.report import quoted
from fewfit.data.table import LABEL_NAMES, TEXT_NAMES, recognised

DELIMITERS: Final = (",", "\t", ";", "|")
# The csv module stops at 131,072 characters a field, which is less than a long document.
# What is longer than this is a quote that was never closed.
FIELD_LIMIT: Final = 2**24
# Lines and characters looked at to find delimiter and header.
_SAMPLE_LINES = 200
_SAMPLE_CHARACTERS = 1 << 20
# After a broken quote, reading goes on in the line after the one with the quote. This is how many characters
# may be read twice for that, so that a file full of quotes takes linear time.
_REREAD_CHARACTERS = 1 << 26
# A first line by which programs tell Excel the delimiter.
_SEP: Final = re.compile(r'"?sep=([^"])"?', re.IGNORECASE)
# A cell longer than this is no column name.
_NAME_CHARACTERS = 60


class DelimitedTable:
    """The rows of a CSV or TSV file.

    The delimiter is found where none is given. The first record is the header, unless no column was named,
    it has exactly two fields and none of them is a name known for a text or label column. `one_column` says
    that texts are enough: then a file of one column needs no header either.
    """

    def __init__(
        self,
        lines: TextLines,
        problems: Problems,
        *,
        delimiter: str | None,
        named: bool,
        one_column: bool = False,
    ) -> None:
        self._lines = lines
        self._problems = problems
        iterator = iter(lines)
        sample = _take(iterator)
        told = told_delimiter(sample)
        if told is not None:
            sample[0] = "\n"  # still a line, so that the others keep their numbers
        self.delimiter = delimiter or told or find_delimiter(sample)
        dialect = _Dialect(self.delimiter, _spaced(sample, self.delimiter))
        records = _records(itertools.chain(sample, iterator), lines, dialect, problems)
        # Peeked records tell a header from a first row.
        peeked = list(itertools.islice(records, min(len(sample), _SAMPLE_LINES)))
        self._records = itertools.chain(peeked, records)
        self._dialect = dialect
        self._quotes = any(f'"{self.delimiter}"' in line for line in sample)
        # Records that may be several rows: by their row, the number and the values of each of their lines.
        self.joined: dict[int, list[tuple[int, tuple[str, ...]]]] = {}
        self.empty = not peeked
        first = peeked[0].fields if peeked else []
        self.header = named or _has_header(first, [record.fields for record in peeked[1:]], one_column=one_column)
        if self.header:
            self.columns: Sequence[str] = [name.strip() for name in first]
            next(self._records, None)
        elif len(first) == 1:
            self.columns = ["text"]
            problems.add_warning(
                "no_header",
                f"The file has one column and no header that names it: its first row {quoted(first[0])} is read as a "
                "text like the others.",
                "If the first row is a header, give --text-column.",
                rows=[peeked[0].row],
            )
        else:
            self.columns = ["text", "label"]
            self._report_no_header(peeked)
        if not self.header and any("\0" in cell or has_lone_surrogate(cell) for cell in first):
            # Kept in case that it is the header; as an example it is one of the bad rows.
            next(self._records, None)

    @property
    def format(self) -> Format:
        """CSV, whatever the delimiter."""
        return "csv"

    def cells(self, columns: Sequence[str]) -> Iterator[tuple[int, tuple[object, ...]]]:
        """Row number and the values of some columns; rows with another number of fields are reported.

        A record that may be several rows, joined by a stray quote, is in `joined` by the time that it is given. Where
        one column is wanted, without labels to tell by, it is taken apart if it is almost certain: in a TSV file
        without quoted fields, no text of three lines or more has a row's tabs in each.
        """
        indices = [list(self.columns).index(column) for column in columns]
        width = len(self.columns)
        for row, fields, lines in self._records:
            if self.header and self._is_header(fields):
                self._problems.add("repeated_header", row)
            elif len(fields) == width:
                apart = self._dialect.apart(lines)
                if width > 1 and apart and all(len(line) == width for line in apart):
                    values = (tuple(line[index] for index in indices) for line in apart)
                    self.joined[row] = list(enumerate(values, start=row))
                    if len(columns) == 1 and self.delimiter == "\t" and len(apart) > 2 and not self._quotes:
                        yield from self.taken_apart(row)
                        continue
                yield row, tuple(fields[index] for index in indices)
            else:
                self._problems.add("field_count", row, f"{len(fields)} fields instead of {width}")

    def taken_apart(self, row: int) -> list[tuple[int, tuple[str, ...]]]:
        """The rows that a stray quote joined to one, without the first of them, which is reported."""
        first, *others = self.joined.pop(row)
        detail = f"a quote opened here is closed in line {others[-1][0]}, after whole rows"
        self._problems.add("broken_quoting", first[0], detail)
        return others

    def _is_header(self, fields: list[str]) -> bool:
        """Whether a later record is the header again, as where files were joined; a lone word may be a text."""
        again = len(fields) > 1 and fields[-1].strip() == self.columns[-1]
        return again and [name.strip("\ufeff").strip() for name in fields] == self.columns

    def _report_no_header(self, peeked: Sequence["_Record"]) -> None:
        row, (text, label), _ = peeked[0]
        alone = len(peeked) > 1 and all(record.fields[-1].strip() != label.strip() for record in peeked[1:])
        doubt = " No other row near it has that label, so it may be a header after all." if alone else ""
        self._problems.add_warning(
            "no_header",
            "The file has two columns and no header that names a text or label column: it is read as text, label, "
            f"its first row as the example {quoted(text)} with the label {quoted(label)}.{doubt}",
            "Put the line text,label at its top; or, if the first row is a header, give --text-column and "
            "--label-column.",
            rows=[row],
        )


def told_delimiter(lines: Sequence[str]) -> str | None:
    """The delimiter that a first line such as sep=; names."""
    told = _SEP.fullmatch(lines[0].strip("\r\n")) if lines else None
    return told.group(1) if told else None


def find_delimiter(lines: Sequence[str]) -> str:
    """The delimiter that splits the lines into columns: the one whose header is known, else the steadiest."""
    best, best_score = DELIMITERS[0], (False, 0.0)
    for delimiter in DELIMITERS:
        rows = [fields for fields in _tolerant(lines, delimiter) if fields]
        if not rows:
            continue
        width, steady = Counter(map(len, rows)).most_common(1)[0]
        if max(width, len(rows[0])) < 2:
            continue
        known = any(recognised(cell, TEXT_NAMES) or recognised(cell, LABEL_NAMES) for cell in rows[0])
        score = (known and len(rows[0]) > 1, steady / len(rows) if width > 1 else 0.0)
        if score > best_score:
            best, best_score = delimiter, score
    return best


class _Dialect(NamedTuple):
    """What the csv module is told. `spaced` says that spaces follow delimiters: `"a", "b"`."""

    delimiter: str
    spaced: bool

    def reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        return csv.reader(lines, delimiter=self.delimiter, skipinitialspace=self.spaced, strict=True)

    def apart(self, lines: Sequence[str]) -> list[list[str]]:
        """The fields of each line of a record, as if the quote that is open in the first were a letter."""
        if len(lines) < 2:
            return []
        first = csv.reader(lines[:1], delimiter=self.delimiter, quoting=csv.QUOTE_NONE)
        try:
            return [*first, *(next(self.reader([line])) for line in lines[1:])]
        except csv.Error:
            return []


def _spaced(lines: Sequence[str], delimiter: str) -> bool:
    """Whether most lines have spaces between a delimiter and a quote, which would be a part of the field otherwise."""
    spaced = re.compile(f'{re.escape(delimiter)} +"')
    return 2 * sum(spaced.search(line) is not None for line in lines) > len(lines)


def _take(lines: Iterator[str]) -> list[str]:
    sample: list[str] = []
    characters = 0
    for line in lines:
        sample.append(line)
        characters += len(line)
        if len(sample) >= _SAMPLE_LINES or characters >= _SAMPLE_CHARACTERS:
            break
    return sample


def _tolerant(lines: Sequence[str], delimiter: str) -> Iterator[list[str]]:
    _raise_field_limit()
    reader = csv.reader(iter(lines), delimiter=delimiter)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            continue


def _has_header(first: Sequence[str], following: Sequence[Sequence[str]], *, one_column: bool) -> bool:
    """Whether a first record names columns. Only records of two fields, or of one where that is enough, need not."""
    if len(first) == 1 and one_column:
        return recognised(first[0], TEXT_NAMES)
    if len(first) != 2:
        return True
    known = [recognised(cell, TEXT_NAMES) or recognised(cell, LABEL_NAMES) for cell in first]
    if all(known):
        return True
    if not any(known) or any(len(cell.strip()) > _NAME_CHARACTERS for cell in first):
        return False
    # "please look at my pull request,review": a label that is called like a column comes again below.
    column = known.index(True)
    return all(len(fields) <= column or fields[column].strip() != first[column].strip() for fields in following)


class _Record(NamedTuple):
    """The fields of a record, the number of its first line, and its lines."""

    row: int
    fields: list[str]
    lines: list[str]


class _Feed:
    """Lines for the csv module that remembers those of the current record, to go back into it."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._again: deque[str] = deque()
        self.record: list[str] = []
        self._characters_left = _REREAD_CHARACTERS
        self.number = 0

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.record.append(line)
        self.number += 1
        return line

    def begin(self) -> int:
        """Starts a record and returns the number of its first line."""
        self.record = []
        return self.number + 1

    def back_to_second_line(self) -> None:
        """Gives the record's lines after its first one again, as long as that stays cheap."""
        lines = self.record[1:]
        self._characters_left -= sum(map(len, lines))
        if self._characters_left < 0:
            return
        self._again.extendleft(reversed(lines))
        self.number -= len(lines)


def _records(lines: Iterator[str], source: TextLines, dialect: _Dialect, problems: Problems) -> Iterator[_Record]:
    """Records with the line on which they begin. Those with bad bytes or broken quotes are left out."""
    _raise_field_limit()
    feed = _Feed(lines)
    reader = dialect.reader(feed)
    header = True
    while True:
        row = feed.begin()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problems.add("broken_quoting", row, _explain(error, row, feed.number))
            feed.back_to_second_line()
            reader = dialect.reader(feed)
            continue
        # The header is kept even with bad bytes: without it nothing else could be checked.
        bad = bool(source.bad) and any(number in source.bad for number in range(row, feed.number + 1))
        blank = len(fields) < 2 and not "".join(fields).strip()
        if not blank and (header or not bad):
            header = False
            yield _Record(row, fields, feed.record)


def _explain(error: csv.Error, first: int, last: int) -> str:
    message = str(error)
    if "unexpected end of data" in message:
        return "a quote opened here is never closed"
    if "field larger than field limit" in message:
        return f"a quote opened here is not closed within {FIELD_LIMIT:,} characters"
    if "expected after" in message:
        return "text after the closing quote" + (f" in line {last}" if last > first else "")
    return message


def _raise_field_limit() -> None:
    """Lets the csv module read long fields. It is one limit for the whole process, so it is only ever raised."""
    if csv.field_size_limit() < FIELD_LIMIT:
        csv.field_size_limit(FIELD_LIMIT)

"""What every source of rows offers, whatever its format, and which of its columns hold text and label."""

import difflib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from fewfit.data.dataset import Format
from fewfit.data.problems import Problems
from fewfit.data.report import listed, quoted

# Names that people give these columns, best first.
TEXT_NAMES: Final = (
    "text", "texts", "sentence", "utterance", "message", "content", "input", "query", "question",
    "review", "comment", "body", "description", "document", "tweet", "title", "subject",
)  # fmt: skip
LABEL_NAMES: Final = (
    "label", "labels", "category", "categories", "class", "intent", "target", "topic", "topics", "tag", "tags",
    "sentiment", "classes", "genre", "genres", "emotion", "output",
)  # fmt: skip


# A name is shown up to this length: longer ones are no names.
_NAME_CHARACTERS = 60


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


# The value of a field that a JSON object does not have.
MISSING: Final = _Missing()


def is_missing(value: object) -> bool:
    """Whether a value stands for none: None, NaN, and pandas.NA and NaT, without importing pandas."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and math.isnan(value)


class Table(Protocol):
    """Rows with named columns, read once."""

    @property
    def format(self) -> Format:
        """What it was read from."""

    @property
    def columns(self) -> Sequence[str]:
        """The names of the columns, known before the rows are read."""

    def cells(self, columns: Sequence[str]) -> Iterator[tuple[int, tuple[object, ...]]]:
        """Row number and the values of some columns, row by row. Malformed rows are reported, not given."""


@dataclass(frozen=True)
class Columns:
    """Where the text and the label are."""

    text: str
    label: str


def find_columns(table: Table, text_column: str | None, label_column: str | None, problems: Problems) -> Columns | None:
    """The columns that were given, or those that by their names hold text and label.

    None, and an error among the problems, where one is not there or could be any.
    """
    text = _find(table, text_column, TEXT_NAMES, label_column)
    label = _find(table, label_column, LABEL_NAMES, text_column)
    if len(table.columns) == 2:
        # Of two columns, the one that is known tells what the other is.
        text, label = (
            _other(table, label) if text is None and text_column is None else text,
            _other(table, text) if label is None and label_column is None else label,
        )
    if table.format == "jsonl" and (text is None) != (label is None):
        text, label = _told_by_row(table, text, label, text_column, label_column)
    if text is not None and text == label:
        problems.add_error("missing_column", f"Column {text!r} cannot be both text and label.")
        return None
    missing = [
        _missing(role, given, table.columns)
        for role, given, found in (("text", text_column, text), ("label", label_column, label))
        if found is None
    ]
    if missing:
        problems.add_error(
            "missing_column",
            " ".join(missing) + f" Found: {_found(table)}.",
            _how_to_name(table),
        )
        return None
    assert text is not None
    assert label is not None
    if not _there_once(table, (text, label), problems):
        return None
    for role, given, found, names in (
        ("Texts", text_column, text, TEXT_NAMES),
        ("Labels", label_column, label, LABEL_NAMES),
    ):
        _warn_if_ambiguous(table, role, given, found, names, problems)
    return Columns(text, label)


def find_text_column(table: Table, text_column: str | None, problems: Problems) -> str | None:
    """The column with the texts where there are no labels."""
    text = _find(table, text_column, TEXT_NAMES, None)
    if text is None and text_column is None and len(table.columns) == 1:
        return table.columns[0]
    if text is None:
        problems.add_error(
            "missing_column",
            f"{_missing('text', text_column, table.columns)} Found: {_found(table)}.",
            "Rename the column to text, or say which one it is (--text-column; text_column= in Python).",
        )
    return text if text is not None and _there_once(table, (text,), problems) else None


def _there_once(table: Table, names: Sequence[str], problems: Problems) -> bool:
    """Whether no other column has one of the names; else an error is among the problems."""
    twice = [name for name in names if list(table.columns).count(name) > 1]
    if twice:
        problems.add_error(
            "duplicate_column",
            f"There is more than one column {quoted(twice[0], _NAME_CHARACTERS)}.",
            "Rename or remove one of them.",
        )
    return not twice


def _found(table: Table) -> str:
    return listed([quoted(name, _NAME_CHARACTERS) for name in table.columns])


def recognised(name: str, names: Sequence[str]) -> bool:
    """Whether a column of this name is meant by one of `names`."""
    return _plain(name) in names


def _plain(name: str) -> str:
    return name.strip().casefold()


def _candidates(table: Table, names: Sequence[str]) -> list[str]:
    found = [column for column in table.columns if recognised(column, names)]
    return sorted(found, key=lambda column: names.index(_plain(column)))


def _find(table: Table, given: str | None, names: Sequence[str], taken: str | None) -> str | None:
    if given is not None:
        exact = [column for column in table.columns if column == given]
        alike = [column for column in table.columns if _plain(column) == _plain(given)]
        return exact[0] if exact else alike[0] if len(alike) == 1 else None
    return next((column for column in _candidates(table, names) if column != taken), None)


def _told_by_row(
    table: Table, text: str | None, label: str | None, text_column: str | None, label_column: str | None
) -> tuple[str | None, str | None]:
    """Text and label column of JSONL whose first objects lack one of them: then each object that does is told.

    Not where another name was given, or another field could be meant: then it is one mistake, not many.
    """
    name, given = (TEXT_NAMES[0], text_column) if text is None else (LABEL_NAMES[0], label_column)
    if given != name and (given is not None or len(set(table.columns)) > 1):
        return text, label
    return text or name, label or name


def _how_to_name(table: Table) -> str:
    split = [character for character in ",;\t|" if len(table.columns) == 1 and character in table.columns[0]]
    if split and table.format == "csv":
        return f"This looks like several columns with {split[0]!r} between them: give that delimiter, or none."
    return (
        "Rename the columns to text and label, or say which ones they are "
        "(--text-column and --label-column; text_column= and label_column= in Python)."
    )


def _other(table: Table, known: str | None) -> str | None:
    if known is None:
        return None
    return next((column for column in table.columns if column != known), None)


def _missing(role: str, given: str | None, columns: Sequence[str]) -> str:
    if given is None:
        return f"No column is called {role!r}, nor by a name that is known for one."
    close = difflib.get_close_matches(given, columns, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"There is no column {given!r}.{hint}"


def _warn_if_ambiguous(
    table: Table, role: str, given: str | None, found: str, names: Sequence[str], problems: Problems
) -> None:
    candidates = _candidates(table, names)
    # A column that is called exactly "text" or "label" leaves no doubt, unless another one is, too ("Text").
    doubtless = [_plain(name) for name in candidates].count(names[0]) == 1
    if given is not None or len(candidates) < 2 or (_plain(found) == names[0] and doubtless):
        return
    others = listed([repr(name) for name in candidates if name != found])
    problems.add_warning(
        "ambiguous_column",
        f"{role} are read from column {found!r}; they could also be in {others}.",
        f"If that is wrong, give --{role.lower().removesuffix('s')}-column.",
    )

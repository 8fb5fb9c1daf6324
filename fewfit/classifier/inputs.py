"""What the caller hands in, in any of the usual forms: texts, labels, whole numbers."""

import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fewfit.data import Dataset, Report, read_dataset
from fewfit.errors import InputError

Labels = Sequence[str] | Sequence[Sequence[str]] | np.ndarray

# The largest seed, as scikit-learn has it.
LARGEST_NUMBER = 2**32 - 1


def whole_number(name: str, value: Any, largest: int = LARGEST_NUMBER) -> int:
    """A parameter that is a whole number from 0 on; those of numpy become Python's, which JSON can hold."""
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if not 0 <= number <= largest:
        raise InputError(f"{name} is {value!r}; expected a whole number from 0 to {largest:,}.")
    return number


def one_of(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Raises InputError for a parameter that is none of its choices."""
    if value not in choices:
        raise InputError(f"{name} is {value!r}; expected one of: {', '.join(map(str, choices))}.")


def text_rows(texts: Iterable[str]) -> list[str]:
    """Texts as a list; raises InputError for one string, for other things than strings, with their row."""
    rows = _listed("texts", texts)
    for number, text in enumerate(rows, start=1):
        if not isinstance(text, str):
            raise InputError(f"Row {number} has {text!r} ({type(text).__name__}); expected a string.")
    return [str(text) for text in rows]


def labelled(texts: Iterable[str], names: list[Any]) -> tuple[Dataset, Report]:
    """The rows that are in order, and what is wrong with the others."""
    rows = _listed("texts", texts)
    if len(rows) != len(names):
        raise InputError(f"There are {len(rows):,} texts and {len(names):,} labels; expected one label a text.")
    return read_dataset((rows, names))


def _listed(what: str, values: Any) -> list[Any]:
    if isinstance(values, str | bytes):
        raise InputError(f"Got one string; expected a list of {what}. For one text, give a list with one string.")
    if what == "texts" and getattr(values, "ndim", 1) != 1:
        shape = " x ".join(map(str, np.shape(values)))
        raise InputError(
            f"The texts are a {type(values).__name__} of {shape}; expected a list with one entry a text, such as one "
            "column of a table: table['text']."
        )
    if isinstance(values, set | frozenset):
        raise InputError(f"The {what} are a set, which has no order; expected a list with one entry a text.")
    if isinstance(values, Mapping) or not isinstance(values, Iterable):
        raise InputError(f"The {what} are a {type(values).__name__}; expected a list with one entry a text.")
    return list(values)


def label_names(labels: Labels) -> tuple[list[Any], list[str] | None]:
    """Labels as they were given, or of an indicator matrix as lists of column numbers, with all of these."""
    matrix = _matrix(labels)
    if matrix is None:
        return _listed("labels", labels), None
    _check_indicator(matrix, labels)
    width = len(str(max(0, matrix.shape[1] - 1)))
    columns = [str(column).zfill(width) for column in range(matrix.shape[1])]
    return [[columns[column] for column in np.flatnonzero(row)] for row in matrix], columns


def _check_indicator(matrix: np.ndarray, labels: Any) -> None:
    wrong = ~np.isin(matrix, (0, 1))
    if not wrong.any():
        return
    found = f"such as {matrix[wrong].tolist()[0]!r}"
    if matrix.shape[1] == 1:
        columns = getattr(labels, "columns", None)
        column = "labels[:, 0]" if columns is None else f"df[{columns[0]!r}]"
        raise InputError(
            f"The labels are a table of one column with values {found}; a table of labels holds only 0 and 1. Give the "
            f"column itself, {column}."
        )
    raise InputError(
        f"An indicator matrix holds only 0 and 1; this one holds other values too, {found}. Give a matrix of 0 and 1 "
        "with a column a label, or a list with the label, or the labels, of each text."
    )


def _matrix(labels: Any) -> np.ndarray | None:
    """An indicator matrix: an array, sparse or not, a DataFrame, or lists of 0 and 1 that are equally long."""
    if hasattr(labels, "toarray"):
        return np.asarray(labels.toarray())
    if getattr(labels, "ndim", None) == 2:
        return np.asarray(labels)
    if not isinstance(labels, list | tuple):
        return None
    widths = {len(row) if isinstance(row, list | tuple) else 0 for row in labels}
    if len(widths) != 1 or max(widths) < 2:
        return None
    # Label lists hold strings; the numbers 0 and 1 in lists of one length are how scikit-learn writes a matrix.
    cells = (cell for row in labels for cell in row)
    return np.asarray(labels) if all(isinstance(cell, int | np.integer) and cell in (0, 1) for cell in cells) else None


def as_kept(label: Any) -> Any:
    """A label as reading the training data leaves it: without white space around it, a number as a string."""
    if isinstance(label, str):
        return label.strip()
    if isinstance(label, int | np.integer) and not isinstance(label, bool):
        return str(label)
    if isinstance(label, list | tuple | set | frozenset):
        return [as_kept(name) for name in label]
    return label

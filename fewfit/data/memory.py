"""Data that is in Python already: lists, records, pandas and Hugging Face data sets."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fewfit.data.dataset import Format
from fewfit.data.problems import Problems
from fewfit.data.report import counted, listed
from fewfit.data.table import MISSING, is_missing
from fewfit.errors import InputError

_BATCH_ROWS = 1000


class ListsTable:
    """Texts and their labels in two lists, numbered from 1."""

    format: Format = "lists"
    columns: Sequence[str] = ("text", "label")
    empty = False

    def __init__(self, texts: Iterable[object], labels: Iterable[object], problems: Problems) -> None:
        self._texts = _listed("texts", texts)
        self._labels = _listed("labels", labels)
        if len(self._texts) != len(self._labels):
            problems.add_error(
                "length_mismatch",
                f"There are {counted(len(self._texts), 'text')} and {counted(len(self._labels), 'label')}.",
                "Give one label (or one list of labels) for each text, in the same order.",
            )

    def cells(self, columns: Sequence[str]) -> Iterator[tuple[int, tuple[object, ...]]]:
        """Number and the values of `text`, `label` or both; what pandas calls missing is None."""
        vectors = [self._texts if column == "text" else self._labels for column in columns]
        yield from enumerate((_given(values) for values in zip(*vectors, strict=False)), start=1)


class RecordsTable:
    """A sequence of mappings such as {"text": ..., "label": ...}, numbered from 1."""

    format: Format = "records"

    def __init__(self, records: Sequence[Mapping[str, object]], problems: Problems) -> None:
        self._records = records
        self._problems = problems
        self.empty = not records
        self.columns: Sequence[str] = list(dict.fromkeys(name for record in records for name in record))

    def cells(self, columns: Sequence[str]) -> Iterator[tuple[int, tuple[object, ...]]]:
        """Number and the values of some keys; what pandas calls missing is None."""
        for row, record in enumerate(self._records, start=1):
            values = tuple(record.get(column, MISSING) for column in columns)
            if any(value is MISSING for value in values):
                lacking = [repr(column) for column in columns if column not in record]
                self._problems.add("missing_field", row, f"no {' and no '.join(lacking)}")
            else:
                yield row, _given(values)


class PandasTable:
    """The rows of a pandas DataFrame, numbered from 1 whatever its index."""

    format: Format = "pandas"
    empty = False

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self.columns: Sequence[str] = [str(name) for name in frame.columns]

    def cells(self, columns: Sequence[str]) -> Iterator[tuple[int, tuple[object, ...]]]:
        """Number and the values of some columns; what pandas calls missing is None."""
        vectors = [self._values(list(self.columns).index(column)) for column in columns]
        yield from enumerate(zip(*vectors, strict=True), start=1)

    def _values(self, index: int) -> Iterator[object]:
        column = self._frame.iloc[:, index]
        for value, missing in zip(column.tolist(), column.isna().tolist(), strict=True):
            yield None if missing is True else value


class HubTable:
    """The rows of a Hugging Face `Dataset`, numbered from 1. Its class labels become their names."""

    format: Format = "datasets"
    empty = False

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self.columns: Sequence[str] = list(dataset.column_names)

    def cells(self, columns: Sequence[str]) -> Iterator[tuple[int, tuple[object, ...]]]:
        """Number and the values of some columns."""
        names = [_class_names(self._dataset.features[column]) for column in columns]
        row = 0
        for batch in self._dataset.select_columns(list(columns)).iter(batch_size=_BATCH_ROWS):
            for values in zip(*(batch[column] for column in columns), strict=True):
                row += 1
                yield row, tuple(_named(value, known) for value, known in zip(values, names, strict=True))


def table_in_memory(source: object, problems: Problems) -> ListsTable | RecordsTable | PandasTable | HubTable:
    """The table of something that is in Python already. Raises InputError where it is nothing known."""
    package = type(source).__module__.partition(".")[0]
    if package == "pandas" and hasattr(source, "iloc") and hasattr(source, "columns"):
        return PandasTable(source)
    if package == "datasets":
        return _hub_table(source)
    if isinstance(source, tuple) and len(source) == 2:
        return ListsTable(source[0], source[1], problems)
    if isinstance(source, Sequence) and all(isinstance(record, Mapping) for record in source):
        return RecordsTable(source, problems)
    raise InputError(
        f"Cannot read examples from a {type(source).__name__}. Give a path (CSV, TSV, JSONL, Parquet), an open "
        "binary file, (texts, labels), a list of {'text': ..., 'label': ...}, a pandas DataFrame or a "
        "Hugging Face Dataset."
    )


def _hub_table(source: Any) -> HubTable:
    if isinstance(source, Mapping):
        raise InputError(
            f"This is a DatasetDict with the splits {listed(map(repr, source))}. Give one of them: "
            f"dataset[{next(iter(source), 'train')!r}]."
        )
    if not hasattr(source, "select_columns") or not hasattr(source, "__len__"):
        raise InputError(
            f"Cannot read examples from a {type(source).__name__}. Give a datasets.Dataset; a streamed one can be "
            "turned into one with Dataset.from_list(list(dataset))."
        )
    return HubTable(source)


def _class_names(feature: Any) -> list[str] | None:
    # ClassLabel, or a list of them.
    names = getattr(feature, "names", None) or getattr(getattr(feature, "feature", None), "names", None)
    return list(names) if names else None


def _named(value: object, names: list[str] | None) -> object:
    if names is None:
        return value
    if isinstance(value, list):
        return [_named(item, names) for item in value]
    # -1 is how Hugging Face data sets mark a row without a label.
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else None


def _given(values: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(None if is_missing(value) else value for value in values)


def _listed(what: str, values: Iterable[object]) -> Sequence[object]:
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise InputError(f"The {what} are a {type(values).__name__}; expected a list with one entry a text.")
    tolist = getattr(values, "tolist", None)
    found = tolist() if tolist is not None else list(values)
    assert isinstance(found, list)
    return found

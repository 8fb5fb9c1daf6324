"""Parquet files, read with pyarrow batch by batch."""

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from fewfit.data.dataset import Format
from fewfit.data.problems import Problems
from fewfit.errors import MissingExtraError

_BATCH_ROWS = 4096


class ParquetTable:
    """The rows of a Parquet file, numbered from 1. The stream must be able to seek."""

    def __init__(self, stream: BinaryIO, problems: Problems) -> None:
        self._problems = problems
        self._pyarrow = _pyarrow()
        self._file: Any = None
        self.columns: Sequence[str] = []
        self.empty = False
        try:
            self._file = self._pyarrow.parquet.ParquetFile(stream)
            self.columns = list(self._file.schema_arrow.names)
        except (self._pyarrow.ArrowException, OSError, ValueError) as error:
            self._report(error)

    @property
    def format(self) -> Format:
        """Parquet."""
        return "parquet"

    def cells(self, columns: Sequence[str]) -> Iterator[tuple[int, tuple[object, ...]]]:
        """Row number, from 1, and the values of some columns."""
        row = 0
        try:
            for batch in self._file.iter_batches(batch_size=_BATCH_ROWS, columns=list(columns)):
                vectors = [self._values(batch.column(column), row) for column in columns]
                for values in zip(*vectors, strict=True):
                    row += 1
                    if not any(value is _UNDECODABLE for value in values):
                        yield row, values
        except (self._pyarrow.ArrowException, OSError, ValueError) as error:
            self._report(error)

    def _values(self, column: Any, first: int) -> list[object]:
        try:
            values: list[object] = column.to_pylist()
        except UnicodeDecodeError:
            values = [self._value(item, first + number) for number, item in enumerate(column, start=1)]
        return values

    def _value(self, item: Any, row: int) -> object:
        try:
            value: object = item.as_py()
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            self._problems.add("bad_utf8", row, f"byte 0x{byte:02X} at byte {error.start} of the text")
            return _UNDECODABLE
        return value

    def _report(self, error: Exception) -> None:
        reason = str(error).strip().partition("\n")[0]
        self._problems.add_error(
            "bad_parquet", f"The Parquet file cannot be read: {reason}", "Write it again, or give CSV or JSONL."
        )


_UNDECODABLE = object()


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError(
            'Reading Parquet needs pyarrow. Install it with pip install "fewfit[train]", or give CSV or JSONL.'
        ) from error
    return pyarrow

"""JSONL: one JSON object a line."""

import itertools
import json
from collections.abc import Iterator, Sequence

from fewfit.data.dataset import Format
from fewfit.data.lines import TextLines
from fewfit.data.problems import Problems
from fewfit.data.report import listed, quoted
from fewfit.data.table import MISSING


class JsonLinesTable:
    """The objects of a JSONL file. Its columns are the fields that occur in the first `sample` objects."""

    def __init__(self, lines: TextLines, problems: Problems, *, sample: int) -> None:
        self._problems = problems
        objects = _objects(lines, problems)
        peeked = list(itertools.islice(objects, sample))
        self._objects = itertools.chain(peeked, objects)
        self.empty = not peeked
        self.columns: Sequence[str] = list(dict.fromkeys(name for _, fields in peeked for name in fields))

    @property
    def format(self) -> Format:
        """JSONL."""
        return "jsonl"

    def cells(self, columns: Sequence[str]) -> Iterator[tuple[int, tuple[object, ...]]]:
        """Line number and the values of some fields; objects that lack one are reported."""
        for row, fields in self._objects:
            values = tuple(fields.get(column, MISSING) for column in columns)
            lacking = [column for column, value in zip(columns, values, strict=True) if value is MISSING]
            if lacking:
                has = listed([quoted(name, 30) for name in fields]) or "nothing"
                self._problems.add("missing_field", row, f"no {' and no '.join(map(repr, lacking))}; it has {has}")
            else:
                yield row, values


def _objects(lines: TextLines, problems: Problems) -> Iterator[tuple[int, dict[str, object]]]:
    for row, line in enumerate(lines, start=1):
        if row in lines.bad or not line.strip():
            continue
        try:
            value = json.loads(line.rstrip("\r\n"))
        except json.JSONDecodeError as error:
            problems.add("bad_json", row, f"column {error.colno}: {error.msg}")
        except (ValueError, RecursionError) as error:
            # Numbers of thousands of digits; brackets nested thousands deep.
            problems.add("bad_json", row, str(error).partition(";")[0])
        else:
            if isinstance(value, dict):
                yield row, value
            else:
                problems.add("not_an_object", row, quoted(line.strip(), 30))

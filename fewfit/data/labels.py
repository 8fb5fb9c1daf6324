"""Label cells as labels: single-label or multilabel, found or given."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from fewfit.data.dataset import Kind
from fewfit.data.problems import Problems
from fewfit.data.report import counted, quoted

# What separates labels in a cell, most telling first.
SEPARATORS: Final = ("|", ";", ",")
# A list of strings as Python writes it; JSON is tried first.
_WRITTEN_ITEM: Final = re.compile(r"""'[^'\\]*'|"[^"\\]*\"""")
_WRITTEN_LIST: Final = re.compile(rf"\[\s*(?:(?:{_WRITTEN_ITEM.pattern})(?:\s*,\s*(?:{_WRITTEN_ITEM.pattern}))*)?\s*\]")


@dataclass(frozen=True)
class LabelReading:
    """How label cells are read. `separator` is None in single-label data and where cells are lists."""

    kind: Kind
    separator: str | None = None


def find_reading(
    cells: Iterable[object], kind: Kind | None, separator: str | None, problems: Problems, *, written: bool
) -> LabelReading:
    """Kind and separator from what is given and what the label cells look like.

    `written` says that cells are strings in a file (CSV), where several labels share a cell; elsewhere a
    list is a list.
    """
    if not written:
        return LabelReading(kind or _kind_of_values(cells, problems))
    if kind == "single":
        return LabelReading("single")
    counts = Counter(cell.strip() for cell in cells if isinstance(cell, str))
    if separator is not None:
        return LabelReading("multi", separator)
    if _are_lists(counts):
        return LabelReading("multi")
    found = _find_separator(counts)
    if found is not None and kind is None:
        example = next(cell for cell in counts if found in cell)
        problems.add_warning(
            "label_separator_found",
            f"Label cells such as {quoted(example)} are read as several labels, separated by {found!r}.",
            "If each cell is one label, give --kind single (kind='single' in Python).",
        )
    if found is not None:
        return LabelReading("multi", found)
    if kind == "multi":
        # No cell shows it, so take the one that occurs; without any, every cell is one label.
        used = next((mark for mark in SEPARATORS if any(mark in cell for cell in counts)), None)
        return LabelReading("multi", used or SEPARATORS[0])
    return LabelReading("single")


def read_label(
    cell: object, reading: LabelReading, row: int, problems: Problems, *, written: bool, numbers: bool
) -> tuple[str, ...] | None:
    """The labels of a cell, or None with the problem reported. `numbers` says that numbers are taken as names."""
    if cell is None and not (written and reading.kind == "multi"):
        problems.add("empty_label", row)
        return None
    items = _split(cell, reading) if written and isinstance(cell, str) else _as_list(cell)
    if reading.kind == "single" and isinstance(items, list):
        problems.add("wrong_type", row, "the label is a list, the data are single-label")
        return None
    labels: list[str] = []
    for item in items if isinstance(items, list) else [items]:
        label = _name(item, row, problems, numbers=numbers)
        if label is None:
            return None
        labels.append(label)
    if len(set(labels)) < len(labels):
        problems.add("repeated_label", row)
    return tuple(dict.fromkeys(labels))


def _kind_of_values(cells: Iterable[object], problems: Problems) -> Kind:
    lists = strings = 0
    for cell in cells:
        if isinstance(_as_list(cell), list):
            lists += 1
        elif isinstance(cell, str):
            strings += 1
    if lists and strings:
        problems.add_warning(
            "mixed_label_types",
            f"{counted(lists, 'row')} with a list of labels and {counted(strings, 'row')} with a string: the data "
            "are read as multilabel, a string as one label.",
            "Write lists everywhere; or, if each text has exactly one label, strings.",
        )
    return "multi" if lists else "single"


def _as_list(cell: object) -> object:
    if isinstance(cell, list):
        return cell
    if isinstance(cell, tuple | set | frozenset):
        return sorted(cell, key=str) if isinstance(cell, set | frozenset) else list(cell)
    tolist = getattr(cell, "tolist", None)
    return tolist() if tolist is not None else cell


def _split(cell: str, reading: LabelReading) -> object:
    if reading.kind == "single":
        return cell
    if reading.separator is None:
        found = _list_in(cell.strip()) if cell.strip() else []
        return cell if found is None else found
    return [part for part in cell.split(reading.separator) if part.strip()]


def _name(item: object, row: int, problems: Problems, *, numbers: bool) -> str | None:
    if isinstance(item, str):
        name = item.strip()
        if not name:
            problems.add("empty_label", row)
        elif "\0" in name:
            problems.add("nul_byte", row, "in the label")
        elif has_lone_surrogate(name):
            problems.add("bad_unicode", row, "in the label")
        else:
            if name != item:
                problems.add("label_whitespace", row, quoted(item))
            return name
        return None
    if item is None:
        problems.add("empty_label", row)
        return None
    if isinstance(item, int) and not isinstance(item, bool) and numbers:
        problems.add("number_label", row, str(item))
        return str(item)
    problems.add("wrong_type", row, f"the label is {_described(item)}")
    return None


def has_lone_surrogate(text: str) -> bool:
    """Whether a string cannot be written as UTF-8."""
    if text.isascii():
        return False
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _described(item: object) -> str:
    return f"{quoted(str(item), 20)}, of type {type(item).__name__}"


def _are_lists(counts: Counter[str]) -> bool:
    """Whether cells are lists written out, as pandas writes them: "['a', 'b']"."""
    cells = [cell for cell in counts if cell]
    return bool(cells) and all(_list_in(cell) is not None for cell in cells)


def _list_in(cell: str) -> list[str] | None:
    if not (cell.startswith("[") and cell.endswith("]")):
        return None
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        if _WRITTEN_LIST.fullmatch(cell):
            return [item[1:-1] for item in _WRITTEN_ITEM.findall(cell)]
        return None
    return value if isinstance(value, list) and all(isinstance(item, str) for item in value) else None


def _find_separator(counts: Counter[str]) -> str | None:
    """The separator that makes label sets out of cells, if one does.

    Label sets differ in size and share their members: of the cells "crime|drama", "drama" and "crime|war|drama",
    fewer labels than cells remain once they are split. One label with a comma in it ("Sales, EU") does not do that.
    """
    cells = [cell for cell in counts if cell]
    for separator in SEPARATORS:
        sets = [_parts(cell, separator) for cell in cells]
        several = [parts for parts in sets if len(parts) > 1]
        members = {part for parts in several for part in parts}
        in_cells = Counter(part for parts in sets for part in set(parts))
        if not several or 2 * sum(in_cells[part] > 1 for part in members) < len(members):
            continue
        # Nobody writes "|" in the name of a label; commas and semicolons need the stronger evidence.
        differ = len({len(parts) for parts in sets}) > 1
        if separator == "|" or (len(several) > 1 and differ and len(in_cells) < len(cells)):
            return separator
    return None


def _parts(cell: str, separator: str) -> Sequence[str]:
    return [part.strip() for part in cell.split(separator) if part.strip()]

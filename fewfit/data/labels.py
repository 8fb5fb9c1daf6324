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
# Strings as Python writes a list, a tuple or a set of them, and numpy an array; JSON is tried first.
_WRITTEN_ITEM: Final = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|None""", re.DOTALL)
_ITEMS: Final = rf"\s*(?:{_WRITTEN_ITEM.pattern})(?:(?:\s*,\s*|\s+)(?:{_WRITTEN_ITEM.pattern}))*\s*(?:,\s*)?"
_WRITTEN_LIST: Final = re.compile(rf"\[(?:{_ITEMS}|\s*)\]|\((?:{_ITEMS})?\)|\{{{_ITEMS}\}}|set\(\)", re.DOTALL)
_ESCAPED: Final = re.compile(r"""\\([\\'"])""")


@dataclass(frozen=True)
class LabelReading:
    """How label cells are read. `separator` is None in single-label data and where cells are lists.

    Cells that are one of the labels in `whole` are not split.
    """

    kind: Kind
    separator: str | None = None
    whole: frozenset[str] = frozenset()


def find_reading(
    cells: Iterable[object],
    kind: Kind | None,
    separator: str | None,
    problems: Problems,
    *,
    written: bool,
    known: Iterable[str] = (),
) -> LabelReading:
    """Kind and separator from what is given and what the label cells look like.

    `written` says that cells are strings in a file (CSV), where several labels share a cell; elsewhere a
    list is a list. Labels that are `known` may have what separates labels elsewhere in their names.
    """
    if not written:
        return LabelReading("single" if kind == "single" else _kind_of_values(cells, kind, problems))
    if kind == "single":
        return LabelReading("single")
    counts = Counter(cell.strip() for cell in cells if isinstance(cell, str))
    whole = frozenset(label for label in known if any(mark in label for mark in (separator, *SEPARATORS) if mark))
    for label in whole:
        del counts[label]
    if separator is not None:
        return LabelReading("multi", separator, whole)
    if _are_lists(counts, problems):
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
        return LabelReading("multi", found, whole)
    if kind == "multi":
        # No cell shows it, so take the one that occurs; without any, every cell is one label.
        used = next((mark for mark in SEPARATORS if any(mark in cell for cell in counts)), None)
        return LabelReading("multi", used or SEPARATORS[0], whole)
    _warn_if_unsure(counts, problems)
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


def _kind_of_values(cells: Iterable[object], kind: Kind | None, problems: Problems) -> Kind:
    lists = strings = 0
    widths = set[int]()
    for cell in cells:
        items = _as_list(cell)
        if isinstance(items, list):
            lists += 1
            widths.add(_indicator_width(items))
        elif isinstance(cell, str):
            strings += 1
    _report_lists(lists, strings if kind is None else 0, widths, problems)
    return kind or ("multi" if lists else "single")


def _indicator_width(items: list[object]) -> int:
    """How many labels a list of 0 and 1 is about; 0 for a list of labels."""
    return len(items) if all(isinstance(item, int) and item in (0, 1) for item in items) else 0


def _report_lists(lists: int, strings: int, widths: set[int], problems: Problems) -> None:
    """What is wrong with lists as labels, of the given indicator widths."""
    width = max(widths, default=0)
    if len(widths) == 1 and width > 1:
        problems.add_error(
            "wrong_type",
            f"The labels are lists of {width} numbers, 0 and 1, as if for one label each; their names are not there.",
            'Write the names of those that are 1: ["billing", "urgent"].',
        )
    elif lists and strings:
        problems.add_warning(
            "mixed_label_types",
            f"{counted(lists, 'row')} with a list of labels and {counted(strings, 'row')} with a string: the data "
            "are read as multilabel, a string as one label.",
            "Write lists everywhere; or, if each text has exactly one label, strings.",
        )


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
    if cell.strip() in reading.whole:
        return cell
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


def _are_lists(counts: Counter[str], problems: Problems) -> bool:
    """Whether cells are lists written out, as pandas writes them: "['a', 'b']". One that is not is a label."""
    cells = {cell: _list_in(cell) for cell in counts if cell}
    found = {cell: items for cell, items in cells.items() if items is not None}
    # "[]", "[1]" or "(None)" among others that are no lists may be the name of a label.
    telling = any(len(items) > 1 or (items and isinstance(items[0], str)) for items in found.values())
    if not found or (len(found) < len(cells) and not telling):
        return False
    lists = sum(counts[cell] for cell in found)
    _report_lists(
        lists, sum(counts[cell] for cell in cells) - lists, set(map(_indicator_width, found.values())), problems
    )
    return True


def _list_in(cell: str) -> list[object] | None:
    try:
        value = json.loads(cell) if cell.startswith("[") else None
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, list) and all(isinstance(item, str | int | None) for item in value):
        return value
    if _WRITTEN_LIST.fullmatch(cell):
        return [None if item == "None" else _ESCAPED.sub(r"\1", item[1:-1]) for item in _WRITTEN_ITEM.findall(cell)]
    return None


def _find_separator(counts: Counter[str]) -> str | None:
    """The separator that makes label sets out of cells, if one does.

    Label sets differ in size and share their members: of the cells "crime|drama", "drama" and "crime|war|drama",
    fewer labels than cells remain once they are split. One label with a comma in it ("Sales, EU") does not do that.
    """
    for separator in SEPARATORS:
        sets, in_cells = _label_sets(counts, separator)
        several = [parts for parts in sets if len(parts) > 1]
        members = {part for parts in several for part in parts}
        if not several or 2 * sum(in_cells[part] > 1 for part in members) < len(members):
            continue
        # Nobody writes "|" in the name of a label; commas and semicolons need the stronger evidence.
        differ = len({len(parts) for parts in sets}) > 1
        if separator == "|" or (len(several) > 1 and differ and len(in_cells) < len(sets)):
            return separator
    return None


def _warn_if_unsure(counts: Counter[str], problems: Problems) -> None:
    """Tells that cells may be label sets after all, where every part of those with a separator comes again."""
    for separator in SEPARATORS:
        sets, in_cells = _label_sets(counts, separator)
        members = {part for parts in sets if len(parts) > 1 for part in parts}
        if members and all(in_cells[part] > 1 for part in members):
            example = next(cell for cell in counts if len(_parts(cell, separator)) > 1)
            problems.add_warning(
                "label_separator_unsure",
                f"Label cells such as {quoted(example)} are read as one label each, though their parts come again in "
                "other cells.",
                f"If they are several labels, give --label-separator {separator!r} (label_separator={separator!r} in "
                "Python); if each is one, --kind single (kind='single').",
            )
            return


def _label_sets(counts: Counter[str], separator: str) -> tuple[list[Sequence[str]], Counter[str]]:
    """The parts of each distinct cell, and in how many of these cells each part is."""
    sets = [_parts(cell, separator) for cell in counts if cell]
    return sets, Counter(part for parts in sets for part in set(parts))


def _parts(cell: str, separator: str) -> Sequence[str]:
    return [part.strip() for part in cell.split(separator) if part.strip()]

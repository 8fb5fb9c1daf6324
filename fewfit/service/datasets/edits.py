"""Edits of a dataset's rows: each a small piece of JSON, applied to the rows whenever they are read.

An edit says what to do, not what came of it, so a version is its parent and one edit, and undoing is going back.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from fewfit.data import (
    Dataset,
    Example,
    Kind,
    Report,
    clean_text,
    merge_label_variants,
    rename_labels,
    text_key,
)
from fewfit.data.labels import has_lone_surrogate
from fewfit.data.report import counted, listed, quoted
from fewfit.errors import InputError
from fewfit.service.datasets.rows import Rows
from fewfit.service.names import check_name

Edit = Mapping[str, Any]

PARTS = ("train", "eval")
_LONGEST_LABEL = 1000
_LONGEST_TEXT = 100_000
# Rows of an added piece are kept in the database; whole files come as an upload.
MOST_ADDED = 2000
# A row that could not be read: it is in no file of ours, and can only be left out.
UNREADABLE = frozenset(
    (
        *("bad_utf8", "nul_byte", "bad_unicode", "broken_quoting", "field_count"),
        *("bad_json", "not_an_object", "missing_field", "wrong_type", "empty_label"),
    )
)


class UnchangedError(InputError):
    """The edit would change nothing."""


def apply_edit(rows: Rows, edit: Edit) -> Rows:
    """The rows after an edit. Raises InputError for one that cannot be understood or fits nothing."""
    operation = _OPERATIONS.get(str(edit.get("op")))
    if operation is None:
        raise InputError(f"There is no edit {str(edit.get('op'))[:40]!r}; expected one of {', '.join(_OPERATIONS)}.")
    return operation(rows, edit)


def describe(before: Rows, after: Rows, edit: Edit) -> str:
    """What an edit has done, for people. Raises InputError where it has done nothing."""
    dropped = added = changed = 0
    for name in PARTS:
        old = {example.row: example for example in before.part(name).examples}
        new = {example.row: example for example in after.part(name).examples}
        dropped += len(old.keys() - new.keys())
        added += len(new.keys() - old.keys())
        changed += sum(old[row] != new[row] for row in old.keys() & new.keys())
    readings = (before.train_reading, before.eval_reading) != (after.train_reading, after.eval_reading)
    if not (dropped or added or changed or readings or before.kind != after.kind):
        raise UnchangedError("This would change nothing; perhaps it was done already.")
    op = edit["op"]
    rows = counted(dropped + added + changed, "row")
    words = {
        "drop_rows": f"Dropped {rows}",
        "drop_copies": f"Dropped {counted(dropped, 'copy', 'copies')}",
        "drop_conflicts": f"Dropped {rows} with conflicting labels",
        "drop_leaked": f"Dropped {rows} from the evaluation part that are in the training part too",
        "drop_evaluation": f"Dropped the evaluation part ({rows})",
        "merge_variants": f"Merged spellings of labels in {rows}",
        "clean": f"Took markup and URLs out of {rows}",
        "add": f"Added {rows}",
        "correct": f"Corrected {counted(changed, 'row')} and added {counted(added, 'row')}",
        "leave_out": "Left out the rows that cannot be read",
        "kind": f"Made it {'multilabel' if after.kind == 'multi' else 'single-label'}",
    }
    if op == "relabel":
        names = listed(map(quoted, edit["labels"])) or "none"
        return f"Labelled {rows} {names}"
    if op == "rename":
        return f"Renamed {listed(f'{quoted(old)} to {quoted(new)}' for old, new in edit['names'].items())} in {rows}"
    if op == "drop_label":
        return f"Dropped the label {quoted(edit['label'])} ({rows})"
    return words[op]


def _drop_rows(rows: Rows, edit: Edit) -> Rows:
    wanted = set(_row_numbers(edit))
    return _on_part(rows, edit, lambda data: data.with_examples(e for e in data.examples if e.row not in wanted))


def _relabel(rows: Rows, edit: Edit) -> Rows:
    wanted, labels = set(_row_numbers(edit)), _labels(edit.get("labels"), rows.kind)

    def change(data: Dataset) -> Dataset:
        return data.with_examples(replace(e, labels=labels) if e.row in wanted else e for e in data.examples)

    return _on_part(rows, edit, change)


def _rename(rows: Rows, edit: Edit) -> Rows:
    names = edit.get("names")
    if not isinstance(names, Mapping) or not names:
        raise InputError("names is missing; expected an object from old to new labels.")
    checked = {str(old): _label(new) for old, new in names.items()}
    return _on_both(rows, lambda data: rename_labels(data, checked))


def _drop_label(rows: Rows, edit: Edit) -> Rows:
    label = edit.get("label")
    if not isinstance(label, str):
        raise InputError("label is missing; expected the label to drop.")
    if rows.kind == "single":
        return _on_both(rows, lambda data: data.with_examples(e for e in data.examples if label not in e.labels))

    def take_off(data: Dataset) -> Dataset:
        return data.with_examples(replace(e, labels=tuple(x for x in e.labels if x != label)) for e in data.examples)

    return _on_both(rows, take_off)


def _merge_variants(rows: Rows, edit: Edit) -> Rows:
    del edit
    merged = merge_label_variants(rows.train)
    names = {
        old: new
        for before, after in zip(rows.train.examples, merged.examples, strict=True)
        for old, new in zip(before.labels, after.labels, strict=False)
        if len(before.labels) == len(after.labels)
    }
    evaluation = None if rows.evaluation is None else rename_labels(rows.evaluation, names)
    return replace(rows, train=merged, evaluation=evaluation)


def _drop_copies(rows: Rows, edit: Edit) -> Rows:
    """Without later rows of a text that is there already with the same labels, by `text_key`."""
    del edit

    def without(data: Dataset) -> Dataset:
        seen: set[tuple[str, frozenset[str]]] = set()
        kept = []
        for example in data.examples:
            key = (text_key(example.text), frozenset(example.labels))
            if key not in seen:
                seen.add(key)
                kept.append(example)
        return data.with_examples(kept)

    return _on_both(rows, without)


def _drop_conflicts(rows: Rows, edit: Edit) -> Rows:
    """Without texts that have different labels in different rows; with `keep` "first", the first row stays."""
    keep_first = edit.get("keep") == "first"

    def without(data: Dataset) -> Dataset:
        labels: dict[str, set[frozenset[str]]] = defaultdict(set)
        for example in data.examples:
            labels[text_key(example.text)].add(frozenset(example.labels))
        seen: set[str] = set()
        kept = []
        for example in data.examples:
            key = text_key(example.text)
            if len(labels[key]) == 1 or (keep_first and key not in seen):
                kept.append(example)
            seen.add(key)
        return data.with_examples(kept)

    return _on_both(rows, without)


def _drop_leaked(rows: Rows, edit: Edit) -> Rows:
    del edit
    if rows.evaluation is None:
        return rows
    known = {text_key(text) for text in rows.train.texts}
    kept = rows.evaluation.with_examples(e for e in rows.evaluation.examples if text_key(e.text) not in known)
    return replace(rows, evaluation=kept)


def _drop_evaluation(rows: Rows, edit: Edit) -> Rows:
    del edit
    return replace(rows, evaluation=None, eval_reading=Report())


def _clean(rows: Rows, edit: Edit) -> Rows:
    del edit
    return _on_both(rows, lambda data: data.with_examples(replace(e, text=clean_text(e.text)) for e in data.examples))


def _add(rows: Rows, edit: Edit) -> Rows:
    def more(data: Dataset) -> Dataset:
        last = max((example.row for example in data.examples), default=0)
        return data.with_examples((*data.examples, *_checked_examples(edit, rows.kind, last)))

    return _on_part(rows, edit, more)


def _correct(rows: Rows, edit: Edit) -> Rows:
    """Other labels for every copy of some texts, by `text_key` and in both parts; a text that is new is added.

    An added text goes to the training part.
    """
    added = _checked_examples(edit, rows.kind, 0)
    labels = {text_key(one.text): one.labels for one in added}

    def change(data: Dataset) -> Dataset:
        return data.with_examples(
            replace(e, labels=labels[key]) if (key := text_key(e.text)) in labels else e for e in data.examples
        )

    known = {text_key(example.text) for name in PARTS for example in rows.part(name).examples}
    last = max((example.row for example in rows.train.examples), default=0)
    fresh = [one for key, one in {text_key(one.text): one for one in added}.items() if key not in known]
    changed = _on_both(rows, change)
    numbered = (replace(one, row=last + place) for place, one in enumerate(fresh, 1))
    return replace(changed, train=changed.train.with_examples((*changed.train.examples, *numbered)))


def _leave_out(rows: Rows, edit: Edit) -> Rows:
    del edit
    return replace(rows, train_reading=_forgiven(rows.train_reading), eval_reading=_forgiven(rows.eval_reading))


def _kind(rows: Rows, edit: Edit) -> Rows:
    kind = edit.get("kind")
    if kind not in ("single", "multi"):
        raise InputError(f"kind is {kind!r}; expected 'single' or 'multi'.")
    if kind == "single":
        parts = [(name, example) for name in PARTS for example in rows.part(name).examples]
        wrong = [(name, example.row) for name, example in parts if len(example.labels) != 1]
        if wrong:
            raise InputError(
                f"{counted(len(wrong), 'row')} with none or several labels, such as row {wrong[0][1]}; in single-label "
                "data each text has exactly one. Relabel or drop them first."
            )
    return _on_both(rows, lambda data: replace(data, kind=cast(Kind, kind)))


_OPERATIONS: dict[str, Callable[[Rows, Edit], Rows]] = {
    "drop_rows": _drop_rows,
    "relabel": _relabel,
    "rename": _rename,
    "drop_label": _drop_label,
    "merge_variants": _merge_variants,
    "drop_copies": _drop_copies,
    "drop_conflicts": _drop_conflicts,
    "drop_leaked": _drop_leaked,
    "drop_evaluation": _drop_evaluation,
    "clean": _clean,
    "add": _add,
    "correct": _correct,
    "leave_out": _leave_out,
    "kind": _kind,
}


def _on_both(rows: Rows, change: Callable[[Dataset], Dataset]) -> Rows:
    evaluation = None if rows.evaluation is None else change(rows.evaluation)
    return replace(rows, train=change(rows.train), evaluation=evaluation)


def _on_part(rows: Rows, edit: Edit, change: Callable[[Dataset], Dataset]) -> Rows:
    part = edit.get("part", "train")
    if part == "train":
        return replace(rows, train=change(rows.train))
    if part != "eval" or rows.evaluation is None:
        raise InputError(f"The dataset has no part {str(part)[:20]!r}.")
    return replace(rows, evaluation=change(rows.evaluation))


def _forgiven(report: Report) -> Report:
    """With rows that cannot be read as warnings instead of errors."""
    return Report(
        tuple(
            replace(finding, severity="warning", suggestion="They are left out.")
            if finding.severity == "error" and finding.code in UNREADABLE
            else finding
            for finding in report
        )
    )


def _checked_examples(edit: Edit, kind: Kind, last_row: int) -> list[Example]:
    examples = edit.get("examples")
    if not isinstance(examples, Sequence) or isinstance(examples, str) or not 0 < len(examples) <= MOST_ADDED:
        raise InputError(f"examples is missing; expected 1 to {MOST_ADDED:,} objects with text and labels.")
    return [_example(one, last_row + place, kind) for place, one in enumerate(examples, 1)]


def _row_numbers(edit: Edit) -> Iterable[int]:
    numbers = edit.get("rows")
    if not isinstance(numbers, Sequence) or not numbers or not all(isinstance(one, int) for one in numbers):
        raise InputError("rows is missing; expected a list of row numbers.")
    return cast(Sequence[int], numbers)


def _label(value: object) -> str:
    if not isinstance(value, str):
        raise InputError(f"A label is {str(value)[:40]!r}; expected a text.")
    return check_name(value, "label", longest=_LONGEST_LABEL)


def _labels(values: object, kind: Kind) -> tuple[str, ...]:
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise InputError("labels is missing; expected a list of labels.")
    labels = tuple(dict.fromkeys(_label(value) for value in values))
    if kind == "single" and len(labels) != 1:
        raise InputError(f"{counted(len(labels), 'label')} given; in single-label data each text has exactly one.")
    return labels


def _example(value: object, row: int, kind: Kind) -> Example:
    text = value.get("text") if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or not isinstance(text, str) or not text.strip():
        raise InputError("An example has no text; expected an object with text and labels.")
    if len(text) > _LONGEST_TEXT:
        raise InputError(f"A text has {len(text):,} characters; at most {_LONGEST_TEXT:,} are allowed.")
    if "\0" in text or has_lone_surrogate(text):
        raise InputError(f"The text {quoted(text)} has a NUL or half of a surrogate pair. Remove it.")
    return Example(text, _labels(value.get("labels"), kind), row)

"""Stratified splits in which copies of a text stay together.

The order of the rows does not matter: texts are drawn by a hash of the text and the seed, so the same
rows in another order split in the same way, on every machine.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from fewfit.data.dataset import Dataset
from fewfit.data.keys import text_key
from fewfit.errors import InputError

# Texts without any label are shared out like those of a label; no label is called this.
_NO_LABEL = ""

Targets = Sequence[str] | Sequence[Sequence[str]]


def stratified_split(dataset: Dataset, *, eval_fraction: float = 0.2, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Splits off a part for evaluation: returns (training part, evaluation part), each in row order.

    Every label keeps its share of the texts in both parts, single-label and multilabel, and at least one
    text in the training part; from two texts on also one in the evaluation part, as far as texts with several
    labels allow. Copies of a text (also in other case or white space) are on the same side.
    """
    if not 0 < eval_fraction < 1:
        raise InputError(f"eval_fraction is {eval_fraction}; expected a number between 0 and 1, such as 0.2.")
    texts = [example.text for example in dataset.examples]
    groups = _groups(texts, [example.labels for example in dataset.examples], seed)
    totals = Counter(label for group in groups for label in group.labels)
    wanted = {label: _eval_count(count, eval_fraction) for label, count in totals.items()}
    wish = [
        {label: float(count - wanted[label]) for label, count in totals.items()},
        {label: float(count) for label, count in wanted.items()},
    ]
    held_out = _eval_count(len(groups), eval_fraction)
    sides = _distribute(groups, wish, [float(len(groups) - held_out), float(held_out)])
    _keep_labels_in_training(groups, sides, totals)
    in_eval = {row for group, side in zip(groups, sides, strict=True) if side == 1 for row in group.rows}
    everything = range(len(dataset))
    return (
        dataset.subset(row for row in everything if row not in in_eval),
        dataset.subset(row for row in everything if row in in_eval),
    )


def stratified_folds(texts: Sequence[str], targets: Targets, *, n_folds: int, seed: int = 0) -> list[np.ndarray]:
    """Splits into `n_folds` parts of about the same size and the same shares of labels.

    Returns the sorted positions (from 0) of each part; together they are all positions. Copies of a text are
    in the same part, so there are fewer parts where there are fewer different texts, and none where there is
    but one.
    """
    if n_folds < 2:
        raise InputError(f"n_folds is {n_folds}; expected at least 2.")
    if len(texts) != len(targets):
        raise InputError(f"There are {len(texts)} texts and {len(targets)} labels; expected one label a text.")
    labels = [(target,) if isinstance(target, str) else tuple(target) for target in targets]
    groups = _groups(texts, labels, seed)
    n_folds = min(n_folds, len(groups))
    if n_folds < 2:
        return []
    totals = Counter(label for group in groups for label in group.labels)
    wish = [{label: count / n_folds for label, count in totals.items()} for _ in range(n_folds)]
    parts = _distribute(groups, wish, [len(groups) / n_folds] * n_folds)
    rows: list[list[int]] = [[] for _ in range(n_folds)]
    for group, part in zip(groups, parts, strict=True):
        rows[part].extend(group.rows)
    return [np.array(sorted(part), dtype=np.intp) for part in rows if part]


class _Group:
    """The rows of one text, with the labels that any of them has."""

    __slots__ = ("labels", "rows")

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.labels: set[str] = set()


def _groups(texts: Sequence[str], labels: Sequence[Sequence[str]], seed: int) -> list[_Group]:
    found: dict[str, _Group] = defaultdict(_Group)
    for row, (text, row_labels) in enumerate(zip(texts, labels, strict=True)):
        group = found[text_key(text)]
        group.rows.append(row)
        group.labels.update(row_labels)
    salt = str(seed).encode()
    order = sorted(found, key=lambda key: hashlib.blake2b(key.encode("utf-8", "replace"), key=salt[:64]).digest())
    for group in found.values():
        group.labels = group.labels or {_NO_LABEL}
    return [found[key] for key in order]


def _eval_count(count: int, fraction: float) -> int:
    return min(max(round(count * fraction), 1), count - 1) if count > 1 else 0


def _distribute(groups: Sequence[_Group], wish: list[dict[str, float]], room: list[float]) -> list[int]:
    """The part of each group, by iterative stratification.

    The rarest label is served first, each of its groups going to the part that still wants most of it (after
    Sechidis, Tsoumakas and Vlahavas, "On the stratification of multi-label data", 2011). `wish` is how many groups
    of a label each part wants, `room` how many groups.
    """
    parts = [-1] * len(groups)
    by_label: dict[str, list[int]] = defaultdict(list)
    for number, group in enumerate(groups):
        for label in group.labels:
            by_label[label].append(number)

    def put(number: int, best: int) -> None:
        parts[number] = best
        room[best] -= 1
        for label in groups[number].labels:
            wish[best][label] -= 1

    # Texts without a label come last: they are shared out and make up for what the others left uneven.
    unlabelled = by_label.pop(_NO_LABEL, [])
    for label in sorted(by_label, key=lambda label: (len(by_label[label]), label)):
        for number in by_label[label]:
            if parts[number] < 0:
                put(number, max(range(len(room)), key=lambda part: (wish[part][label], room[part])))
    for number in unlabelled:
        put(number, max(range(len(room)), key=lambda part: wish[part][_NO_LABEL] + room[part]))
    return parts


def _keep_labels_in_training(groups: Sequence[_Group], sides: list[int], totals: Counter[str]) -> None:
    """Moves a group to training for each label that has none there, then one to evaluation if training can spare it."""
    count = [Counter[str](), Counter[str]()]
    for group, side in zip(groups, sides, strict=True):
        count[side].update(group.labels)

    def move(number: int, side: int) -> None:
        count[sides[number]].subtract(groups[number].labels)
        count[side].update(groups[number].labels)
        sides[number] = side

    for side in (0, 1):
        lacking = sorted(label for label in totals if count[side][label] < 1)
        for label in lacking:
            for number, group in enumerate(groups):
                if label not in group.labels or sides[number] == side or count[side][label] > 0:
                    continue
                if side == 0 or all(count[0][other] > 1 for other in group.labels):
                    move(number, side)

"""Labels in groups of which one applies each, such as `topic: billing` and `tone: angry`."""

from collections.abc import Sequence

import numpy as np

from fewfit.data.report import row_list
from fewfit.errors import InputError

Groups = tuple[tuple[int, ...], ...]


class LabelGroups:
    """The groups that labels are in when each is written as group and choice.

    >>> groups = LabelGroups(("tone: angry", "tone: calm", "topic: billing", "topic: delivery"), ": ")
    >>> groups.names
    ('tone', 'topic')
    >>> groups.columns
    ((0, 1), (2, 3))

    White space around group and choice counts for nothing, and a choice may contain the separator. Raises InputError
    for an empty separator, for labels without a group or choice, and for a group with a single label.
    """

    def __init__(self, labels: Sequence[str], separator: str) -> None:
        if not isinstance(separator, str) or not separator.strip():
            raise InputError(
                f"The group separator is {separator!r}; expected what stands between group and choice, such as ': '."
            )
        members: dict[str, list[int]] = {}
        for column, label in enumerate(labels):
            group, _, choice = label.partition(separator.strip())
            if not group.strip() or not choice.strip():
                raise InputError(
                    f"The label {label!r} is not written as group and choice with {separator!r} between them, "
                    f"such as 'tone{separator}angry'."
                )
            members.setdefault(group.strip(), []).append(column)
        self.labels = tuple(labels)
        self.names = tuple(members)
        self.columns: Groups = tuple(map(tuple, members.values()))
        for name, columns in members.items():
            if len(columns) < 2:
                raise InputError(
                    f"The group {name!r} has the single label {labels[columns[0]]!r}; a choice needs at least two."
                )

    def check(self, matrix: np.ndarray, rows: Sequence[int], *, partly: bool = False) -> None:
        """Raises InputError where a text, boolean (n_texts, n_labels), has not just one label of every group.

        `rows` are the numbers by which the error names them. With `partly` a text may have none of a group.
        """
        for name, columns in zip(self.names, self.columns, strict=True):
            counts = matrix[:, columns].sum(axis=1)
            wrong = np.flatnonzero(counts > 1 if partly else counts != 1)
            if not len(wrong):
                continue
            row = int(wrong[0])
            others = [rows[number] for number in wrong[1:]]
            more = f" Not just one either: {row_list(others)}." if others else ""
            found = [self.labels[column] for column in columns if matrix[row, column]]
            raise InputError(
                f"Row {rows[row]} has {', '.join(map(repr, found)) if found else 'no label'} of the group {name!r}; "
                f"expected one.{more}"
            )


def softmax_in(groups: Groups, logits: np.ndarray) -> np.ndarray:
    """Softmax over the labels of each group, float64 (n_texts, n_labels)."""
    logits = np.asarray(logits, dtype=np.float64)
    out = np.zeros_like(logits)
    for columns in map(list, groups):
        shifted = np.exp(logits[:, columns] - logits[:, columns].max(axis=1, keepdims=True))
        out[:, columns] = shifted / shifted.sum(axis=1, keepdims=True)
    return out


def surest_in(groups: Groups, scores: np.ndarray) -> np.ndarray:
    """Which label of each group has the highest score, boolean (n_texts, n_labels)."""
    best = np.zeros(scores.shape, dtype=bool)
    for columns in map(np.array, groups):
        best[np.arange(len(scores)), columns[scores[:, columns].argmax(axis=1)]] = True
    return best


def margins_in(groups: Groups, scores: np.ndarray) -> np.ndarray:
    """How far the best label is from the next, in the group where they are nearest, (n_texts,)."""
    nearest = np.full(len(scores), np.inf)
    for columns in map(list, groups):
        ordered = np.sort(scores[:, columns], axis=1)
        nearest = np.minimum(nearest, ordered[:, -1] - ordered[:, -2])
    return nearest

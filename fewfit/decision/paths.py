"""Labels that form a path, such as `billing > refund`: what the confidences of labels say of their parents."""

from collections.abc import Sequence

import numpy as np

from fewfit.decision.shares import is_share
from fewfit.errors import InputError

Path = tuple[str, ...]


def check_stop_below(value: object) -> None:
    """Raises InputError where `stop_below` is no confidence."""
    if not is_share(value):
        raise InputError(f"stop_below is {value!r}; expected a confidence, a number from 0 to 1, such as 0.7.")


class LabelTree:
    """The tree that labels span when each is a path; a label may stand above others.

    >>> tree = LabelTree(("billing > card", "billing > refund", "shipping"), " > ")
    >>> tree.nodes(1)
    ('billing', 'shipping')
    >>> confidences = np.array([[0.4, 0.35, 0.25]])
    >>> tree.confidences(confidences, 1).round(2).tolist()
    [[0.75, 0.25]]
    >>> tree.answers(confidences), tree.answers(confidences, stop_below=0.6)
    (['billing > card'], ['billing'])

    White space around the parts counts for nothing. Raises InputError for an empty separator or part, and for
    labels that are the same path.
    """

    def __init__(self, labels: Sequence[str], separator: str) -> None:
        if not separator.strip():
            raise InputError(
                f"The path separator is {separator!r}; expected what stands between the parts, such as ' > '."
            )
        self.labels = tuple(labels)
        self.separator = separator
        self._paths = [self._parts(label) for label in self.labels]
        self._label_of = dict(zip(self._paths, self.labels, strict=True))
        if len(self._label_of) < len(self.labels):
            twice = sorted(set(self.labels) - set(self._label_of.values()))
            raise InputError(f"The label {twice[0]!r} is there twice, written in two ways. Write it in one.")

    @property
    def depth(self) -> int:
        """The number of parts of the longest path."""
        return max(map(len, self._paths))

    def nodes(self, depth: int) -> tuple[str, ...]:
        """The paths down to `depth` parts, sorted; a shorter label stands for itself."""
        return tuple(self._name(path) for path in self._cut_paths(depth))

    def cut(self, label: str, depth: int) -> str:
        """A label down to `depth` parts."""
        return self._name(self._parts(label)[:depth])

    def confidences(self, confidences: np.ndarray, depth: int) -> np.ndarray:
        """Confidences of the nodes at a depth (n_texts, n_nodes): the sums over the labels at or below them."""
        return np.asarray(confidences @ self._members(depth))

    def given(self, given: np.ndarray, depth: int) -> np.ndarray:
        """Which nodes at a depth the given labels (boolean, n_texts × n_labels) belong to."""
        return np.asarray(given.astype(float) @ self._members(depth) > 0)

    def answers(self, confidences: np.ndarray, *, stop_below: float = 0.0) -> list[str]:
        """The surest label of each text, or its nearest parent whose confidence is at least `stop_below`.

        Confidences are those of the labels, (n_texts, n_labels). The first part of a path is always answered.
        """
        check_stop_below(stop_below)
        best = np.asarray(confidences).argmax(axis=1)
        answers = [self._paths[column] for column in best]
        for depth in range(self.depth, 1, -1):
            sure = self.confidences(confidences, depth)
            place = {path: number for number, path in enumerate(self._cut_paths(depth))}
            for row, path in enumerate(answers):
                if len(path) == depth and sure[row, place[path]] < stop_below:
                    answers[row] = path[:-1]
        return [self._name(path) for path in answers]

    def _parts(self, label: str) -> Path:
        path = tuple(part.strip() for part in label.split(self.separator.strip()))
        if not all(path):
            raise InputError(f"The label {label!r} has an empty part beside {self.separator.strip()!r}.")
        return path

    def _name(self, path: Path) -> str:
        """A label as it was given; a parent that is no label, joined by the separator."""
        return self._label_of.get(path, self.separator.join(path))

    def _cut_paths(self, depth: int) -> list[Path]:
        return sorted({path[:depth] for path in self._paths})

    def _members(self, depth: int) -> np.ndarray:
        """Which label is at or below which node at a depth, (n_labels, n_nodes)."""
        if not 1 <= depth <= self.depth:
            raise InputError(f"depth is {depth}; the labels are 1 to {self.depth} parts deep.")
        place = {path: number for number, path in enumerate(self._cut_paths(depth))}
        members = np.zeros((len(self._paths), len(place)))
        for column, path in enumerate(self._paths):
            members[column, place[path[:depth]]] = 1.0
        return members

"""Labels as numbers: what the loss and the head work on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fewfit.decision import Groups, Kind
from fewfit.errors import InputError


@dataclass(frozen=True)
class Targets:
    """The labels of `n_texts` texts.

    `matrix` is boolean, (n_texts, n_labels), its columns as in `labels`; in a single-label task every
    row has exactly one True. `weights` says how much a text of each label counts in the head, (n_labels,);
    None: labels count alike, however many texts they have (in multilabel tasks: a label's positives as
    much as its negatives). `groups` are the columns of labels of which every row has one each, where there are such.
    """

    kind: Kind
    labels: tuple[str, ...]
    matrix: np.ndarray  # bool, (n_texts, n_labels)
    weights: np.ndarray | None = None
    groups: Groups = ()

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    @property
    def n_labels(self) -> int:
        """How many labels there are."""
        return len(self.labels)

    @property
    def index(self) -> np.ndarray:
        """The column of each row's label, (n_texts,); single-label tasks only."""
        if self.kind != "single":
            raise ValueError("only single-label targets have one index a row")
        return np.asarray(self.matrix.argmax(axis=1))

    @property
    def exclusive(self) -> Groups:
        """The columns of labels that exclude each other: all of them, those of each group, or none."""
        return (tuple(range(self.n_labels)),) if self.kind == "single" else self.groups

    @property
    def counts(self) -> np.ndarray:
        """How many rows carry each label, (n_labels,)."""
        return np.asarray(self.matrix.sum(axis=0))

    def take(self, rows: np.ndarray) -> "Targets":
        """The targets of some of the rows, with the same labels."""
        return replace(self, matrix=self.matrix[rows])

    def of_group(self, columns: Sequence[int]) -> "Targets":
        """The labels of one group as a single-label task."""
        chosen = list(columns)
        labels = tuple(self.labels[column] for column in chosen)
        weights = None if self.weights is None else self.weights[chosen]
        return Targets("single", labels, self.matrix[:, chosen], weights)

    def as_labels(self) -> list[str] | list[list[str]]:
        """The labels as `from_labels` takes them: a string a row, or a list of strings."""
        if self.kind == "single":
            return [self.labels[column] for column in self.index]
        return [[self.labels[column] for column in np.flatnonzero(row)] for row in self.matrix]

    @classmethod
    def from_labels(
        cls, labels: Sequence[str] | Sequence[Sequence[str]], known: Sequence[str] | None = None
    ) -> "Targets":
        """Reads one string a row (single-label) or one list of strings a row (multilabel).

        The label names are sorted, or taken from `known` in its order. Raises InputError for a mixture
        of both, for empty names and for names that are not in `known`, with the row, counted from 1.
        """
        rows = list(labels)
        if not rows:
            raise InputError("There are no labels: the list is empty. Give one label (or list of labels) a text.")
        strings = [isinstance(row, str) for row in rows]
        if all(strings):
            kind: Kind = "single"
            sets: list[list[str]] = [[str(row)] for row in rows]
        elif any(strings):
            first = strings.index(not strings[0])
            raise InputError(
                f"Row {first + 1} has {rows[first]!r} while row 1 has {rows[0]!r}: labels are either all strings "
                "(single-label) or all lists of strings (multilabel)."
            )
        else:
            kind = "multi"
            sets = [_label_list(row, number) for number, row in enumerate(rows)]
        names = tuple(known) if known is not None else tuple(sorted({name for row in sets for name in row}))
        column = {name: number for number, name in enumerate(names)}
        matrix = np.zeros((len(rows), len(names)), dtype=bool)
        for number, row in enumerate(sets):
            for name in row:
                if not name.strip():
                    raise InputError(f"Row {number + 1} has an empty label. Give it a name, or leave the row out.")
                if name not in column:
                    raise InputError(
                        f"Row {number + 1} has the label {name!r}, which is not one of the {len(names)} known labels: "
                        f"{', '.join(map(repr, names[:20]))}{' ...' if len(names) > 20 else ''}."
                    )
                matrix[number, column[name]] = True
        return cls(kind, names, matrix)


def _label_list(row: object, number: int) -> list[str]:
    if isinstance(row, Sequence) or (hasattr(row, "__iter__") and not isinstance(row, bytes)):
        names = list(row)
        if all(isinstance(name, str) for name in names):
            return names
    raise InputError(
        f"Row {number + 1} has labels {row!r}: expected a string (single-label) or a list of strings (multilabel)."
    )

"""Whether labels can be read as groups of which one applies each."""

from collections.abc import Sequence

import numpy as np

from fewfit.data import Dataset
from fewfit.decision import Groups, Kind, LabelGroups
from fewfit.errors import InputError


def label_groups(
    separator: str | None, kind: Kind, labels: tuple[str, ...], matrix: np.ndarray, rows: Sequence[int]
) -> Groups:
    """The columns of each group; none without a separator.

    Raises InputError for single-label data, for labels that are not written as group and choice, and for texts
    (boolean, (n_texts, n_labels)) that have not just one label of every group, by their number in `rows`.
    """
    if separator is None:
        return ()
    if kind == "single":
        raise InputError(
            f"Each text has one label, such as {labels[0]!r}; expected a list with one label of each group a text. "
            "Give lists of strings, or have the labels of a file read as several (--kind multi or --label-separator; "
            "kind= or label_separator= in Python)."
        )
    groups = LabelGroups(labels, separator)
    groups.check(matrix, rows)
    return groups.columns


def check_groups(dataset: Dataset, separator: str | None, *, known: Sequence[str] = ()) -> None:
    """Raises InputError as `label_groups` does, with the source and its own rows.

    `known` are the labels that a model has already.
    """
    labels = (*known, *(label for label in dataset.label_names if label not in set(known)))
    column = {label: number for number, label in enumerate(labels)}
    matrix = np.zeros((len(dataset), len(labels)), dtype=bool)
    for number, example in enumerate(dataset.examples):
        matrix[number, [column[label] for label in example.labels]] = True
    try:
        label_groups(separator, dataset.kind, labels, matrix, dataset.rows)
    except InputError as error:
        raise InputError(f"{dataset.source}: {error}") from None

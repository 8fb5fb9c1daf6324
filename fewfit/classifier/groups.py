"""Whether labels can be read as groups of which one applies each."""

from collections.abc import Sequence

import numpy as np

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
        raise InputError("group_separator is for lists of labels: one of each group a text.")
    groups = LabelGroups(labels, separator)
    groups.check(matrix, rows)
    return groups.columns

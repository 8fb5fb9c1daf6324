"""How much each label counts: scikit-learn's `class_weight`."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from fewfit.errors import InputError

ClassWeight = Mapping[Any, float] | Literal["balanced"] | None


def label_weights(class_weight: ClassWeight, labels: tuple[str, ...]) -> np.ndarray | None:
    """The weight of each label (n_labels,); None stands for "balanced".

    Labels that a mapping does not name weigh 1. Raises InputError for labels that are not there and for
    weights that are not above 0.
    """
    if class_weight is None:
        return np.ones(len(labels))
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise InputError(f"class_weight is {class_weight!r}; expected 'balanced', None or a weight for each label.")
        return None
    if not isinstance(class_weight, Mapping):
        raise InputError(f"class_weight is {class_weight!r}; expected 'balanced', None or a weight for each label.")
    weights = np.ones(len(labels))
    column = {label: number for number, label in enumerate(labels)}
    for label, weight in class_weight.items():
        name = label if isinstance(label, str) else str(label)
        if name not in column:
            raise InputError(
                f"A class weight is for the label {label!r}, which the data do not have. The labels are: "
                f"{', '.join(map(repr, labels[:20]))}{' ...' if len(labels) > 20 else ''}."
            )
        if isinstance(weight, bool) or not isinstance(weight, int | float | np.number) or not 0 < weight < np.inf:
            raise InputError(f"The class weight of {label!r} is {weight!r}; expected a number above 0.")
        weights[column[name]] = float(weight)
    return weights


def by_column(class_weight: Mapping[Any, float], columns: Sequence[str]) -> dict[Any, float]:
    """The weights of an indicator matrix's columns by the names that stand for them, where numbers were given."""
    numbers = dict(enumerate(columns))
    return {numbers.get(label, label): weight for label, weight in class_weight.items()}


def kept_weights(class_weight: ClassWeight) -> dict[str, float] | str | None:
    """A class weight as JSON keeps it."""
    if isinstance(class_weight, Mapping):
        return {str(label): float(weight) for label, weight in class_weight.items()}
    return class_weight

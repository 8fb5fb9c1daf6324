"""What options of `fewfit train` ask for, checked before anything takes time and in the words of the command line."""

from collections.abc import Sequence

import typer

from fewfit.classifier import ClassWeight
from fewfit.classifier.groups import check_groups
from fewfit.classifier.weights import label_weights
from fewfit.data import Dataset
from fewfit.errors import InputError


def class_weight(values: Sequence[str]) -> ClassWeight:
    """Reads "LABEL=2", perhaps more than once, or "none"."""
    if not values:
        return "balanced"
    if list(values) == ["none"]:
        return None
    weights: dict[str, float] = {}
    for value in values:
        if value == "none":
            raise typer.BadParameter("--class-weight none stands alone; leave it out, or the others.")
        name, _, number = value.rpartition("=")
        try:
            weight = float(number)
        except ValueError:
            name, weight = "", 0.0
        if not name:
            raise typer.BadParameter(f"--class-weight is {value!r}; expected LABEL=NUMBER, or none.")
        if name in weights:
            raise typer.BadParameter(f"--class-weight is given more than once for the label {name!r}; give one.")
        weights[name] = weight
    return weights


def check_reject(reject: float | None, effort: str) -> None:
    """Raises InputError for a share that makes no sense, and for an effort that holds no texts out."""
    if reject is None:
        return
    if not 0 < reject < 1:
        raise InputError(f"--reject is {reject:g}; expected a share between 0 and 1, such as 0.05.")
    if effort == "quick":
        raise InputError(
            "--reject needs texts that were held out, and --effort quick holds none out. Take --effort balanced."
        )


def check_asked(
    dataset: Dataset,
    *,
    weights: ClassWeight,
    reject: float | None,
    unlabelled: bool,
    path_separator: str | None,
    group_separator: str | None,
) -> None:
    """Raises InputError for what the data do not allow."""
    if not len(dataset):
        return  # said elsewhere
    check_groups(dataset, group_separator)
    try:
        label_weights(weights, tuple(dataset.label_names))
    except InputError as error:
        raise InputError(f"--class-weight: {error}") from None
    if dataset.kind == "single":
        return
    asked = {"--reject": reject is not None, "--unlabelled": unlabelled, "--path-separator": path_separator is not None}
    for option, given in asked.items():
        if given:
            raise InputError(
                f"{option} is for data with one label a text; {dataset.source} is read as multilabel. Leave it out, "
                "or give --kind single if each cell is one label."
            )

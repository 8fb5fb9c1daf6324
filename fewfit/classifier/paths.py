"""Whether labels can be read as paths."""

from fewfit.decision import Kind, LabelTree
from fewfit.errors import InputError


def check_paths(separator: str, kind: Kind, labels: tuple[str, ...]) -> None:
    """Raises InputError for labels that make no tree or a flat one, and for multilabel data.

    There, confidences do not add up.
    """
    if not isinstance(separator, str):
        raise InputError(f"path_separator is {separator!r}; expected a string, such as ' > ', or None.")
    if kind == "multi":
        raise InputError(
            "A path separator is for single-label models, one path a text, but these texts have lists of labels. "
            "Leave it out."
        )
    tree = LabelTree(labels, separator)
    if tree.depth == 1:
        raise InputError(
            f"No label has {separator!r} in it, such as {labels[0]!r}; expected paths, such as "
            f"'billing{separator}refund'. Give the separator that the labels have, or leave it out."
        )

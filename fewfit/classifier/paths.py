"""Whether labels can be read as paths."""

from fewfit.decision import Kind, LabelTree
from fewfit.errors import InputError


def check_paths(separator: str, kind: Kind, labels: tuple[str, ...]) -> None:
    """Raises InputError for labels that make no tree, and for multilabel data, where confidences do not add up."""
    if not isinstance(separator, str):
        raise InputError(f"path_separator is {separator!r}; expected a string, such as ' > ', or None.")
    if kind == "multi":
        raise InputError("path_separator is for single-label models: one path a text.")
    LabelTree(labels, separator)

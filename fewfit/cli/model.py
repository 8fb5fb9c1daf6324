"""Opens saved models for commands, and finds out where they can be saved."""

import tempfile
from pathlib import Path

from fewfit.artifact import check_replaceable
from fewfit.classifier import Classifier
from fewfit.cli.base import base_argument
from fewfit.cli.console import fetch_progress
from fewfit.encoders.weights import locate
from fewfit.errors import ArtifactError


def open_model(folder: Path, base: str | None, *, quiet: bool) -> Classifier:
    """The model in a folder. `base` says where its base is, if not where it was; it is fetched if need be."""
    if base is None:
        return Classifier.load(folder)
    with fetch_progress(quiet=quiet) as on_progress:
        locate(base_argument(base), on_progress=on_progress)
    return Classifier.load(folder, base=base_argument(base))


def check_output(folder: Path) -> None:
    """Finds out before training that the model cannot be saved afterwards."""
    check_replaceable(folder)
    check_place(folder)


def check_place(path: Path) -> None:
    """Finds out before the work that a file or folder cannot be made afterwards."""
    parent = next(parent for parent in path.absolute().parents if parent.exists())
    try:
        with tempfile.TemporaryDirectory(dir=parent, prefix=f".{path.name}-"):
            pass
    except OSError as error:
        raise ArtifactError(f"{path} cannot be made: {parent} is no folder that can be written to.") from error

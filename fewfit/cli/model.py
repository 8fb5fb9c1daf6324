"""Opens a saved model for a command."""

from pathlib import Path

from fewfit.classifier import Classifier
from fewfit.cli.base import base_argument
from fewfit.cli.console import fetch_progress
from fewfit.encoders.weights import locate


def open_model(folder: Path, base: str | None, *, quiet: bool) -> Classifier:
    """The model in a folder. `base` says where its base is, if not where it was; it is fetched if need be."""
    if base is None:
        return Classifier.load(folder)
    with fetch_progress(quiet=quiet) as on_progress:
        locate(base_argument(base), on_progress=on_progress)
    return Classifier.load(folder, base=base_argument(base))

"""Opens a saved model for a command."""

from pathlib import Path

from fewfit.artifact import read_manifest
from fewfit.classifier import Classifier
from fewfit.cli.base import base_argument
from fewfit.cli.console import fetch_progress
from fewfit.encoders.weights import locate


def open_model(folder: Path, base: str | None, *, quiet: bool) -> Classifier:
    """The model in a folder. Its base is fetched if need be; `base` says where it is, if elsewhere."""
    source = base or read_manifest(folder).base.source
    with fetch_progress(quiet=quiet) as on_progress:
        locate(base_argument(source), on_progress=on_progress)
    return Classifier.load(folder, base=base_argument(source))

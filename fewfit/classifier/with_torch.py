"""The parts of a classifier that need the training extra, behind functions: importing this needs nothing."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fewfit.artifact import Artifact, Manifest
from fewfit.errors import InputError, MissingExtraError
from fewfit.serving.runtime import Runtime

if TYPE_CHECKING:
    from fewfit.encoders.encoder import Encoder


def missing(what: str, error: ImportError) -> MissingExtraError:
    """The error that says what needs the training extra, and how to install it."""
    return MissingExtraError(
        f"{what} needs packages that the plain install leaves out ({error.name} is missing). "
        'Install them with: pip install "fewfit[train]"'
    )


def training() -> Any:
    """The package fewfit.training. Raises MissingExtraError where it cannot be imported."""
    try:
        import fewfit.training as package
    except ImportError as error:
        raise missing("Training", error) from error
    return package


def load_encoder(base: str | Path, device: str) -> "Encoder":
    """The encoder of a base, on a device that is there."""
    training()
    from fewfit.encoders.encoder import Encoder

    _check_device(device)
    return Encoder.load(base, device=device)


def torch_runtime(
    encoder: "Encoder", tail_layers: int, arrays: Mapping[str, np.ndarray], manifest: Manifest
) -> Runtime:
    """Embeds with torch: the base's trunk, and its tail with these parameters (its own where there are none).

    Texts are read as the model of the manifest reads them.
    """
    from fewfit.serving.torch_runtime import TorchRuntime

    trunk = encoder.trunk(tail_layers)
    tail = encoder.tail_of(tail_layers, arrays) if arrays else encoder.split(tail_layers)[1]
    return TorchRuntime(
        trunk,
        tail,
        encoder.tokenizer,
        max_length=manifest.max_length,
        windows=manifest.windows,
        clean=manifest.clean,
        device=encoder.device,
    )


def portable(artifact: Artifact, encoder: "Encoder", runtime: Runtime, texts: Sequence[str]) -> Artifact:
    """The artifact with what a plain install needs to classify; `runtime` answers like the trained model.

    `texts` are training texts, from which those are made that the two are compared on.
    """
    try:
        from fewfit.serving.preparing import make_portable
    except ImportError as error:
        raise missing("Saving a trained model", error) from error
    return make_portable(artifact, encoder, runtime.embed, texts)


def _check_device(device: str) -> None:
    if device == "auto":
        return
    import torch

    try:
        torch.empty(0, device=torch.device(device))  # empty alone takes None
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"device is {device!r}, which torch cannot use here: {reason}. Give 'auto' or 'cpu'."
        ) from error

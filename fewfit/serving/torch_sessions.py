"""Trunks and tails that torch computes, on a GPU or another device. Needs the training extra and the base."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fewfit.artifact import Artifact
from fewfit.encoders.encoder import Encoder
from fewfit.encoders.split import Tail, Trunk
from fewfit.errors import ArtifactError
from fewfit.serving.parity import ServedPrecision

_DTYPES: dict[ServedPrecision, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}


class TorchTrunk:
    """A base's lower layers on a device; what they make of texts stays there for the tail."""

    on_host = False

    def __init__(self, trunk: Trunk, device: torch.device, precision: ServedPrecision) -> None:
        self._trunk = trunk
        self._device = device
        self._precision = precision
        self.size_bytes = _size_bytes(trunk)

    def run(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> torch.Tensor:
        """Ids and mask (n_texts, longest) to hidden states (n_texts, longest, hidden), on the device."""
        with torch.inference_mode(), _autocast(self._device, self._precision):
            hidden: torch.Tensor = self._trunk(_there(ids, self._device), _there(mask, self._device))
            return hidden


class TorchTail:
    """A model's upper layers and pooling on a device."""

    def __init__(self, tail: Tail, device: torch.device, precision: ServedPrecision) -> None:
        self.shared = None
        self._tail = tail.eval()
        self._device = device
        self._precision = precision
        self.size_bytes = _size_bytes(tail)

    def run(self, hidden: Any, mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """The trunk's output (n_texts, longest, hidden) and its mask to embeddings (n_texts, embedding)."""
        with torch.inference_mode(), _autocast(self._device, self._precision):
            embeddings = self._tail(hidden, _there(mask, self._device))
        return np.asarray(embeddings.float().cpu().numpy())


def half_precision(device: torch.device) -> ServedPrecision:
    """The half precision that a device computes in: bf16, or fp16 on GPUs that have no bf16."""
    if device.type == "cuda" and not torch.cuda.is_bf16_supported():
        return "fp16"
    return "bf16"


def load_base(artifact: Artifact, device: str) -> Encoder:
    """The base of a model on a device. Raises ArtifactError where another base is found at its place."""
    reference = artifact.manifest.base
    encoder = Encoder.load(reference.source, device=device)
    if encoder.weights.digest != reference.digest:
        raise ArtifactError(
            f"The model was trained on the base {reference.name} with digest {reference.digest[:12]}..., but "
            f"{reference.source} has {encoder.weights.digest[:12]}.... Its answers would be others; it was not loaded."
        )
    return encoder


def tail_on_device(encoder: Encoder, artifact: Artifact, precision: ServedPrecision) -> TorchTail:
    """A model's own tail. Raises ArtifactError where it does not fit the base."""
    tail = encoder.tail_of(artifact.manifest.base.tail_layers, artifact.tail)
    return TorchTail(tail, encoder.device, precision)


def trunk_on_device(encoder: Encoder, artifact: Artifact, precision: ServedPrecision) -> TorchTrunk:
    """The base's trunk, which shares the encoder's weights."""
    trunk = encoder.trunk(artifact.manifest.base.tail_layers)
    return TorchTrunk(trunk, encoder.device, precision)


def _autocast(device: torch.device, precision: ServedPrecision) -> torch.autocast:
    return torch.autocast(device.type, dtype=_DTYPES.get(precision, torch.bfloat16), enabled=precision in _DTYPES)


def _there(array: NDArray[np.int64], device: torch.device) -> torch.Tensor:
    return torch.from_numpy(array).to(device)


def _size_bytes(module: torch.nn.Module) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())

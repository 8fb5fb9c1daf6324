"""Smoothing: a few channels of activations are far larger than the others, and would waste the range of eight bits.

They are divided by a factor each, which the weights that they meet are multiplied by: the product is the same, and
what is hard to round is shared between both sides (SmoothQuant, Xiao et al. 2022, arXiv:2211.10438). The factors are
powers of two, so that in float nothing changes. They come from what a base itself does with some texts; its fine-tuned
models are near enough to it. Needs the training extra (torch).
"""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save
from torch import Tensor, nn

from fewfit.encoders.cache import cache_folder, write_bytes_atomically
from fewfit.encoders.encoder import Encoder
from fewfit.encoders.portable import SharedPart

# How much of the range is taken from activations and given to weights. Of 0.5, 0.6 and 0.7, the middle one had the
# smallest errors on all three bases.
_SHARE = 0.6
_VERSION = 1
_LEAST = 1e-3  # of the median of a layer's channels: quieter ones count as that
_SMALLEST = 1e-6

Smoothing = dict[SharedPart, dict[str, NDArray[np.float32]]]


def smoothing_of(encoder: Encoder, tail_layers: int, texts: Sequence[str]) -> Smoothing:
    """The factors (inputs,) of each linear map in the layers of trunk and tail, by the name of its weight.

    Made from `texts` once and kept in fewfit's cache folder: models share a trunk only while it is the very same.
    """
    about = json.dumps([_VERSION, encoder.weights.digest, tail_layers, list(texts)])
    kept = cache_folder() / "smoothing" / f"{hashlib.sha256(about.encode()).hexdigest()[:32]}.safetensors"
    try:
        arrays = load(kept.read_bytes())
    except (OSError, SafetensorError):
        arrays = _measure(encoder, tail_layers, texts)
        with suppress(OSError):  # a cache that cannot be written to costs time, and perhaps a trunk more in memory
            write_bytes_atomically(kept, save(arrays))
    return {
        part: {name.removeprefix(f"{part}."): value for name, value in arrays.items() if name.startswith(f"{part}.")}
        for part in ("trunk", "tail")
    }


def _measure(encoder: Encoder, tail_layers: int, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    both = nn.ModuleDict(dict(zip(("trunk", "tail"), encoder.split(tail_layers), strict=True))).eval()
    linears = {
        f"{name}.weight": module
        for name, module in both.named_modules()
        if isinstance(module, nn.Linear) and name.split(".")[1] == "body"
    }
    seen = _Seen()
    hooks = [linear.register_forward_pre_hook(partial(seen.see, name)) for name, linear in linears.items()]
    try:
        with torch.inference_mode():
            for ids in encoder.tokenizer.encode(texts):
                given = torch.tensor([ids], device=encoder.device)  # one at a time: nothing is padded
                mask = torch.ones_like(given)
                both["tail"](both["trunk"](given, mask), mask)
    finally:
        for hook in hooks:
            hook.remove()
    found: dict[str, NDArray[np.float32]] = {}
    for names in seen.groups():
        largest = torch.stack([linears[name].weight.detach().abs().amax(0) for name in names]).amax(0)
        found |= dict.fromkeys(names, _factors(seen.largest[names[0]], largest).cpu().numpy())
    return found


class _Seen:
    """The largest value of each channel that a linear map read, (inputs,), and which maps read the same."""

    def __init__(self) -> None:
        self.largest: dict[str, Tensor] = {}
        self._first: dict[str, str] = {}
        self._last: tuple[str, Tensor] | None = None

    def see(self, name: str, _: nn.Module, given: tuple[Tensor, ...]) -> None:
        read = given[0]
        if self._last is None or self._last[1] is not read:
            self._last = (name, read)
        self._first[name] = self._last[0]
        largest = read.detach().float().abs().flatten(0, -2).amax(0)
        known = self.largest.get(name)
        self.largest[name] = largest if known is None else torch.maximum(known, largest)

    def groups(self) -> list[list[str]]:
        """The names of maps that read the same, together."""
        found: dict[str, list[str]] = {}
        for name, first in self._first.items():
            found.setdefault(first, []).append(name)
        return list(found.values())


def _factors(activations: Tensor, weights: Tensor) -> Tensor:
    """Powers of two around 1 from the largest values of channels (inputs,) of both."""
    activations, weights = (
        torch.clamp(values, min=max(_SMALLEST, _LEAST * float(values.median()))) for values in (activations, weights)
    )
    wanted = _SHARE * activations.log2() - (1 - _SHARE) * weights.log2()
    return torch.exp2((wanted - wanted.mean()).round())

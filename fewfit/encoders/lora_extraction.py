"""Low-rank tails out of tuned ones: the change of each layer's attention, in the few directions that it mostly has."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fewfit.encoders.layer_names import LAYER_NAMES
from fewfit.encoders.split import Layers, Tail

# Of a layer: what is changed together, by its name in a low-rank tail.
_Changed = dict[str, list[nn.Linear]]
# Directions beyond the rank, and passes over the matrix, of the randomised decomposition (Halko et al. 2009,
# arXiv:0909.4061): with these it is as good as the exact one.
_MORE = 8
_PASSES = 4


def freeze_all_but_attention(tail: Tail) -> None:
    """Leaves only what a low-rank tail can change to be tuned: the weights of each layer's attention."""
    tail.requires_grad_(False)
    for layer in _layers(tail):
        for linears in layer.values():
            for linear in linears:
                linear.weight.requires_grad_(True)


def extract_lora(tail: Tail, base: Tail, rank: int) -> dict[str, NDArray[np.float32]]:
    """The best change of rank `rank` from the attention of `base`, the untuned tail, to that of `tail`.

    `lora.N.qkv.lora_a` (rank, inputs) and `lora_b` (queries, keys and values one below the other, rank), and
    `lora.N.out.lora_a` and `lora_b`, for each layer N.
    """
    found: dict[str, NDArray[np.float32]] = {}
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # the decomposition draws where it starts
        for number, (tuned, own) in enumerate(zip(_layers(tail), _layers(base), strict=True)):
            for name, linears in tuned.items():
                change = _stacked(linears) - _stacked(own[name])
                most = min(change.shape)
                left, sizes, right = torch.svd_lowrank(change, q=min(most, rank + _MORE), niter=_PASSES)
                kept = min(rank, most)
                root = sizes[:kept].sqrt()
                found[f"lora.{number}.{name}.lora_a"] = _array((right[:, :kept] * root).T)
                found[f"lora.{number}.{name}.lora_b"] = _array(left[:, :kept] * root)
    return found


def _layers(tail: Tail) -> list[_Changed]:
    if not isinstance(tail.body, Layers):
        return []
    names = LAYER_NAMES[tail.config.architecture]
    return [
        {
            "qkv": [_linear(layer, name) for name in (names.query, names.key, names.value)],
            "out": [_linear(layer, names.out)],
        }
        for layer in tail.body.layers
    ]


def _linear(layer: nn.Module, name: str) -> nn.Linear:
    linear = layer.get_submodule(name)
    assert isinstance(linear, nn.Linear)
    return linear


def _stacked(linears: Sequence[nn.Linear]) -> Tensor:
    return torch.cat([linear.weight for linear in linears]).float().cpu()


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(tensor.numpy())

"""The low-rank matrices of a tail as torch modules, added to the base's own linear maps. See `lora`."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fewfit.encoders.layer_names import LayerNames


class LowRank(nn.Module):
    """B A x for one or more linear maps that read the same x. Zero at first, as B is.

    `lora_a` (rank, inputs) is drawn with a variance of 1 / inputs, `lora_b` is (outputs, rank).
    """

    def __init__(self, linears: Sequence[nn.Linear], rank: int, generator: torch.Generator) -> None:
        super().__init__()
        like = linears[0].weight
        n_inputs, n_outputs = linears[0].in_features, sum(linear.out_features for linear in linears)
        drawn = torch.randn((rank, n_inputs), generator=generator) * n_inputs**-0.5
        self.lora_a = nn.Parameter(drawn.to(like))
        self.lora_b = nn.Parameter(torch.zeros((n_outputs, rank)).to(like))
        start = 0
        for linear in linears:
            stop = start + linear.out_features
            linear.register_forward_hook(self._adder(start, stop))
            start = stop

    def _adder(self, start: int, stop: int) -> Any:
        def add(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            low = functional.linear(inputs[0], self.lora_a)
            return output + functional.linear(low, self.lora_b[start:stop])

        return add


def low_rank_layers(layers: Sequence[nn.Module], names: LayerNames, rank: int, seed: int) -> nn.ModuleList:
    """Low-rank matrices for the attention of each of these layers, which add to it from now on."""
    generator = torch.Generator().manual_seed(seed)
    modules = nn.ModuleList()
    for layer in layers:
        readers = [_linear(layer, name) for name in (names.query, names.key, names.value)]
        out = [_linear(layer, names.out)]
        parts = {"qkv": LowRank(readers, rank, generator), "out": LowRank(out, rank, generator)}
        modules.append(nn.ModuleDict(parts))
    return modules


def _linear(layer: nn.Module, name: str) -> nn.Linear:
    linear = layer.get_submodule(name)
    assert isinstance(linear, nn.Linear)
    return linear

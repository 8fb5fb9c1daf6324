"""Low-rank tails: what a model adds to its base's own tail, small enough to be kept by the hundred.

LoRA (Hu et al. 2021, arXiv:2106.09685) on the attention of each layer of the tail: W x + B A x, where W is the base's
and A and B are the model's. Queries, keys and values read the same vectors and share one A. Since every model on a
base has the same W, texts for different models go through one product with it; only A and B differ from text to text.

This module knows the arrays and needs no torch; see `lora_modules` for training them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

LORA_INPUT = "lora"  # of a tail's graph: the vectors of the texts' models
_PREFIX = "lora."


def is_lora(names: Iterable[str]) -> bool:
    """Whether parameters with these names are those of a low-rank tail."""
    return any(name.startswith(_PREFIX) for name in names)


def lora_arrays(parameters: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Of a tail's parameters those that belong to the model: the low-rank ones, or all where there are none."""
    if not is_lora(parameters):
        return dict(parameters)
    return {name: value for name, value in parameters.items() if name.startswith(_PREFIX)}


def lora_rank(parameters: Mapping[str, Any]) -> int | None:
    """The rank of a low-rank tail, None for another tail."""
    first = parameters.get("lora.0.qkv.lora_a")
    return None if first is None else int(first.shape[0])


def lora_parts(n_layers: int, width: int, rank: int) -> dict[str, tuple[int, int]]:
    """The matrices in a model's vector by name, in their order, and their shapes: inputs times outputs."""
    parts = {}
    for number in range(n_layers):
        layer = f"{_PREFIX}{number}"
        parts[f"{layer}.qkv.a"] = (width, rank)
        parts |= {f"{layer}.{name}.b": (rank, width) for name in ("query", "key", "value")}
        parts |= {f"{layer}.out.a": (width, rank), f"{layer}.out.b": (rank, width)}
    return parts


def lora_vector(parameters: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """A low-rank tail as the one vector (1, size) that the tail's graph reads.

    Raises KeyError where a parameter is missing, ValueError where one has another shape than the first tells.
    """
    n_layers = sum(name.endswith(".qkv.lora_a") for name in parameters)
    rank, width = np.shape(parameters[f"{_PREFIX}0.qkv.lora_a"])
    values = []
    for name, shape in lora_parts(n_layers, width, rank).items():
        layer, part, matrix = name.rsplit(".", 2)
        where = "out" if part == "out" else "qkv"
        value = np.asarray(parameters[f"{layer}.{where}.lora_{matrix}"], dtype=np.float32)
        if part in ("query", "key", "value"):
            start = ("query", "key", "value").index(part) * width
            value = value[start : start + width]
        if value.T.shape != shape:
            raise ValueError(f"{name} has shape {value.T.shape}, expected {shape}")
        values.append(value.T.ravel())
    return np.concatenate(values)[None]

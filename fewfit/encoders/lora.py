"""Low-rank tails: what a model adds to its base's own tail, small enough to be kept by the hundred.

As with LoRA (Hu et al. 2021, arXiv:2106.09685) the attention of each layer computes W x + B A x, where W is the base's
and A and B are the model's. Queries, keys and values read the same vectors and share one A. Since every model on a
base has the same W, texts for different models go through one product with it; only A and B differ from text to text.

This module knows the arrays and needs no torch; see `lora_extraction` for how they come about.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewfit.encoders.layer_names import LAYER_NAMES
from fewfit.encoders.quantize import int8_name, plain_array, scale_name

LORA_INPUT = "lora"  # of a tail's graph: the low-rank matrices of any number of models
LORA_FIRST = "lora_first"  # and the row where those of each text's model begin
_PREFIX = "lora."
_READERS = ("query", "key", "value")

# Of each matrix: its rows of as many values as the encoder is wide, and its shape, inputs times outputs.
LoraParts = dict[str, tuple[range, tuple[int, int]]]


def is_lora(names: Iterable[str]) -> bool:
    """Whether parameters with these names are those of a low-rank tail."""
    return any(name.startswith(_PREFIX) for name in names)


def lora_rank(parameters: Mapping[str, Any]) -> int | None:
    """The rank of a low-rank tail, None for another tail."""
    first = parameters.get("lora.0.qkv.lora_a")
    return None if first is None else int(first.shape[0])


def lora_parts(n_layers: int, width: int, rank: int) -> LoraParts:
    """The matrices of a model by name, in their order, and where they stand in what `lora_rows` gives."""
    shapes = {}
    for number in range(n_layers):
        layer = f"{_PREFIX}{number}"
        shapes[f"{layer}.qkv.a"] = (width, rank)
        shapes |= {f"{layer}.{name}.b": (rank, width) for name in _READERS}
        shapes |= {f"{layer}.out.a": (width, rank), f"{layer}.out.b": (rank, width)}
    return {
        name: (range(place * rank, (place + 1) * rank), shape) for place, (name, shape) in enumerate(shapes.items())
    }


def lora_rows(parameters: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """A low-rank tail as the rows (n_rows, width) that the tail's graph reads.

    Raises KeyError where a parameter is missing, ValueError where one has another shape than the first tells.
    """
    n_layers = sum(name.endswith(".qkv.lora_a") for name in parameters)
    rank, width = np.shape(parameters[f"{_PREFIX}0.qkv.lora_a"])
    values = []
    for name, (_, shape) in lora_parts(n_layers, width, rank).items():
        layer, part, matrix = name.rsplit(".", 2)
        where = "qkv" if part in _READERS else part
        value = np.asarray(parameters[f"{layer}.{where}.lora_{matrix}"], dtype=np.float32)
        if part in _READERS:
            start = _READERS.index(part) * width
            value = value[start : start + width]
        if value.T.shape != shape:
            raise ValueError(f"{name} has shape {value.T.shape}, expected {shape}")
        values.append(value.T.reshape(-1, width))
    return np.concatenate(values)


def changed_weights(n_layers: int, architecture: str) -> set[str]:
    """The names of a tail's parameters that a low-rank change is added to."""
    names = LAYER_NAMES[architecture]
    linears = (names.query, names.key, names.value, names.out)
    return {f"body.layers.{number}.{linear}.weight" for number in range(n_layers) for linear in linears}


def merged(
    base: Mapping[str, NDArray[Any]], parameters: Mapping[str, NDArray[Any]], architecture: str
) -> dict[str, Any]:
    """The whole tail of a low-rank model: the base's own parameters, rounded or not, with what the model adds to them.

    Raises KeyError where a parameter is missing, ValueError where one has another shape or belongs to no layer.
    """
    names = LAYER_NAMES[architecture]
    whole = dict(base)
    n_layers = sum(name.endswith(f".{names.query}.bias") for name in base)
    expected = {
        f"{_PREFIX}{number}.{part}.lora_{matrix}"
        for number in range(n_layers)
        for part in ("qkv", "out")
        for matrix in "ab"
    }
    if unknown := sorted(set(parameters) - expected):
        raise ValueError(f"it has {unknown[0]}, which this tail of {n_layers} layers does not have")
    for number in range(n_layers):
        for part, linears in (("qkv", (names.query, names.key, names.value)), ("out", (names.out,))):
            low, high = (np.asarray(parameters[f"{_PREFIX}{number}.{part}.lora_{matrix}"]) for matrix in "ab")
            changes = np.split(high.astype(np.float32) @ low.astype(np.float32), len(linears))
            for linear, change in zip(linears, changes, strict=True):
                weight = f"body.layers.{number}.{linear}.weight"
                own = plain_array(base, weight)
                if own.shape != change.shape:
                    raise ValueError(f"{weight} has shape {own.shape}, and {change.shape} is added to it")
                whole[weight] = own + change
                whole.pop(int8_name(weight), None)
                whole.pop(scale_name(weight), None)
    return whole

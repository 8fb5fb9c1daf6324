"""Computation graphs of trunk and tail without their weights, and the weights put into them.

A graph depends on the base's architecture alone, so it is exported once; every model's weights come from
its safetensors file. Reading and running one needs neither torch nor the onnx package.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fewfit.encoders.quantize import Rounded, plain_array, rounded_array, smooth_name

# "mixed" is int8 with what follows a Gelu, a third of all products, in float32 (see `int8_graph`).
Precision = Literal["int8", "mixed", "fp32"]
PRECISIONS: tuple[Precision, ...] = ("int8", "mixed", "fp32")  # fastest first
Form = Literal[
    "plain", "transposed", "int8", "int8-transposed", "scale", "smooth-int8-transposed", "smooth-scale", "smoothing"
]

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Binding:
    """Which weight stands where: initializer `name` of a graph is parameter `weight`, in this `form`.

    Parameters are kept as torch has them, a row for each output. "plain" and "transposed" are float32;
    "int8" and "int8-transposed" are its rounded rows, "scale" what each row is multiplied by. "smooth-..." are
    those of the smoothed parameter (see `smoothing`), "smoothing" is what activations are multiplied by to meet it.
    """

    name: str
    weight: str
    form: Form


@dataclass(frozen=True)
class Graph:
    """An ONNX model whose large weights are left out, and where they go.

    `model` is a serialised ModelProto; `bindings` name every initializer that it lacks.
    """

    model: bytes
    bindings: tuple[Binding, ...]

    def weights(self, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """The missing initializers by name, made from a base's or a model's parameters.

        `arrays` may hold a parameter as it is or rounded to int8 (see `quantize`); either serves every
        form. Raises KeyError where a parameter is missing altogether.
        """
        # A parameter's rows and scales follow each other: both come of rounding it once.
        multiplied = {binding.weight for binding in self.bindings if binding.form.endswith("int8-transposed")}

        @lru_cache(maxsize=1)
        def rounded(name: str, *, smoothed: bool) -> Rounded:
            return rounded_array(arrays, name, smoothed=smoothed, multiplied=name in multiplied)

        return {binding.name: _resolve(binding, arrays, rounded) for binding in self.bindings}

    def bindings_json(self) -> list[list[str]]:
        """The bindings as plain JSON: [initializer, parameter, form] each."""
        return [[binding.name, binding.weight, binding.form] for binding in self.bindings]

    @classmethod
    def from_parts(cls, model: bytes, bindings: Sequence[Sequence[str]]) -> "Graph":
        """The graph of a serialised model and what `bindings_json` gave. Raises ValueError for other content."""
        forms: dict[str, Form] = {form: form for form in get_args(Form)}
        read = []
        for name, weight, form in bindings:
            if form not in forms:
                raise ValueError(f"the binding of {name!r} has the form {form!r}")
            read.append(Binding(str(name), str(weight), forms[form]))
        return cls(model, tuple(read))


def _resolve(binding: Binding, arrays: Arrays, rounded: Callable[..., Rounded]) -> NDArray[Any]:
    weight, form = binding.weight, binding.form
    value: NDArray[Any]
    if form in ("plain", "transposed"):
        value = plain_array(arrays, weight)
    elif form == "smoothing":
        smooth = arrays.get(smooth_name(weight))
        value = np.ones(plain_array(arrays, weight).shape[1], dtype=np.float32) if smooth is None else 1 / smooth
    else:
        rows, scale = rounded(weight, smoothed=form.startswith("smooth-"))
        value = scale if form.endswith("scale") else rows
    return np.ascontiguousarray(value.T if form.endswith("transposed") else value)

"""Rewrites a float graph so that its large matrix products run on 8-bit integers.

Each token's activations get a scale of their own, so what a text gets never depends on what else is in
its batch; onnxruntime's own dynamic quantisation takes one scale for the whole batch. A scale is wasted where a
few channels are far larger than the others: activations are smoothed first (see `smoothing`), all but those after a
Gelu. The rounding of a weight's rows is `quantize_rows`. Needs the onnx package.

Where a few values are hundreds of times as large as the others, which no smoothing mends, it is in what follows a Gelu:
a product with that may stay in float32 (`after_gelu`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fewfit.encoders.graphs import Binding, Form, Graph

_ORT = "com.microsoft"  # fused operators that every onnxruntime for CPUs has
_MIDDLE = 128  # the uint8 that stands for 0
# Gelu's values go from -0.17 up: with 32 levels below 0 there are 223 above instead of 127.
_GELU_MIDDLE = 32
_LEAST_GELU = 0.17


def to_int8(graph: Graph, *, after_gelu: bool = True) -> Graph:
    """The same computation with int8 matrix products over tokens and an int8 vocabulary.

    Without `after_gelu` the products of what follows a Gelu, a third of all, stay in float32.
    """
    return _Rewriting(graph, after_gelu).run()


@dataclass
class _Linear:
    """A matrix product with a weight, what is added to it (`delta`), its bias, and what directly follows."""

    product: onnx.NodeProto
    weight: str
    output: str
    delta: str | None = None
    bias: str | None = None
    gelu: bool = False


@dataclass
class _Rounded:
    """Activations in eight bits: the names of their scales (tokens, 1) and of the integers."""

    column: str
    middle: int
    integers: str


class _Rewriting:
    def __init__(self, graph: Graph, after_gelu: bool) -> None:
        self.after_gelu = after_gelu
        self.gelus: set[str] = set()
        self.model = onnx.load_model_from_string(graph.model)
        self.bindings = {binding.name: binding for binding in graph.bindings}
        self.out: list[onnx.NodeProto] = []
        self.new_bindings: dict[str, Binding] = {}
        self.constants: dict[str, onnx.TensorProto] = {}
        self.weights: dict[str, onnx.TensorProto] = {}
        self.shapes: set[str] = set()
        self.middles: set[str] = set()
        self.absorbed: set[int] = set()
        self.users: dict[str, list[onnx.NodeProto]] = {}
        self.rounded: dict[str, _Rounded] = {}  # by activation
        for node in self.model.graph.node:
            for name in node.input:
                self.users.setdefault(name, []).append(node)
        for value in self.model.graph.output:
            self.users.setdefault(value.name, []).append(onnx.NodeProto())
        self.initializers = {tensor.name: tensor for tensor in self.model.graph.initializer}
        self.matrices = _matrices(self.model)

    def run(self) -> Graph:
        for node in self.model.graph.node:
            if id(node) in self.absorbed:
                continue
            linear = self._linear(node)
            if linear is not None:
                self._write(linear)
            elif self._is_vocabulary(node):
                self._vocabulary(node)
            else:
                self.out.append(node)
        graph = self.model.graph
        nodes = _needed(self.out, [value.name for value in graph.output])
        read = {name for node in nodes for name in node.input}
        kept = [tensor for name, tensor in self.initializers.items() if name in read]
        kept += [tensor for name, tensor in {**self.constants, **self.weights}.items() if name in read]
        bindings = [binding for name, binding in self.bindings.items() if name in read]
        bindings += list(self.new_bindings.values())
        del graph.node[:]
        graph.node.extend(nodes)
        del graph.initializer[:]
        graph.initializer.extend(kept)
        self.model.opset_import.append(helper.make_opsetid(_ORT, 1))
        return Graph(self.model.SerializeToString(), tuple(bindings))

    # Finding ------------------------------------------------------------------------------------

    def _linear(self, node: onnx.NodeProto) -> _Linear | None:
        """The node as a product of token vectors and a layer's weight, with what can be fused into it."""
        if node.op_type != "MatMul" or (node.input[0] in self.gelus and not self.after_gelu):
            return None
        binding = self.bindings.get(node.input[1])
        if binding is None or binding.form != "transposed" or not binding.weight.startswith("body."):
            return None
        linear = _Linear(node, binding.name, output=node.output[0])
        adding = self._only_user(linear.output, "Add")
        then = adding and self._only_user(adding.output[0], "Add")
        if adding is not None and then is not None and self._bound_vector(then, adding.output[0]):
            linear.delta, linear.output = _other_input(adding, linear.output), adding.output[0]
            self.absorbed.add(id(adding))
            adding = then
        if adding is not None and (bias := self._bound_vector(adding, linear.output)):
            linear.bias, linear.output = bias, adding.output[0]
            self.absorbed.add(id(adding))
        if linear.bias is None:
            return linear
        gelu = self._only_user(linear.output, "Gelu")
        if gelu is not None and not any(a.name == "approximate" and a.s == b"tanh" for a in gelu.attribute):
            linear.gelu, linear.output = True, gelu.output[0]
            self.gelus.add(linear.output)
            self.absorbed.add(id(gelu))
        return linear

    def _only_user(self, name: str, op_type: str) -> onnx.NodeProto | None:
        users = self.users.get(name, [])
        return users[0] if len(users) == 1 and users[0].op_type == op_type else None

    def _bound_vector(self, node: onnx.NodeProto, other: str) -> str | None:
        name = _other_input(node, other)
        if name not in self.bindings:
            return None
        return name if len(self.initializers[name].dims) == 1 else None

    def _is_vocabulary(self, node: onnx.NodeProto) -> bool:
        return node.op_type == "Gather" and node.input[0] in self.bindings and node.input[1] == "input_ids"

    # Writing ------------------------------------------------------------------------------------

    def _write(self, linear: _Linear) -> None:
        rounded = self._rounded(linear.product.input[0])
        prefix = linear.product.output[0]
        parameter = self.bindings[linear.weight].weight
        rows, columns = self.initializers[linear.weight].dims
        forms: tuple[Form, Form] = ("smooth-int8-transposed", "smooth-scale")
        if linear.product.input[0] in self.gelus:
            forms = ("int8-transposed", "scale")
        weight = self._weight(f"{prefix}.int8", Binding(f"{prefix}.int8", parameter, forms[0]), [rows, columns])
        scale = self._weight(f"{prefix}.scale", Binding(f"{prefix}.scale", parameter, forms[1]), [columns])
        # The kernel multiplies by the column's scale, then, broadcast, by the token's: (tokens, 1) as well as a number.
        # SkipLayerNormalization would take bias and residual too, but is slower than the plain operators.
        middle = self._constant(f"int8.middle.{rounded.middle}", np.array(rounded.middle, dtype=np.uint8))
        inputs = [rounded.integers, weight, rounded.column, scale, middle]
        flat = self._node("MatMulIntegerToFloat", inputs, f"{prefix}.product", _ORT)
        if linear.delta is not None:
            delta = self._to_matrix(linear.delta, columns, f"{prefix}.delta")
            flat = self._node("Add", [flat, delta], f"{prefix}.changed")
        if linear.bias is not None and linear.gelu:
            flat = self._node("BiasGelu", [flat, linear.bias], f"{prefix}.gelu", _ORT)
        elif linear.bias is not None:
            flat = self._node("Add", [flat, linear.bias], f"{prefix}.biased")
        self._from_matrix(flat, columns, linear.output)

    def _rounded(self, name: str) -> _Rounded:
        """The activations (batch, seq, width) or (tokens, width) as uint8 (tokens, width), one scale a token."""
        if name in self.rounded:
            return self.rounded[name]
        prefix = f"int8.{len(self.rounded)}"
        axis = self._constant("int8.axis", np.array([1]))
        width = self._width(name)
        tokens = largest = self._to_matrix(name, width, f"{prefix}.flat")
        middle, least = _GELU_MIDDLE, _LEAST_GELU / _GELU_MIDDLE
        if name not in self.gelus:
            middle, least = _MIDDLE, 1e-20
            # All weights that the activation is multiplied with are smoothed alike.
            parameter = self.bindings[self._product(name).input[1]].weight
            smoothing = Binding(f"{prefix}.smoothing", parameter, "smoothing")
            factors = self._weight(smoothing.name, smoothing, [width])
            tokens = self._node("Mul", [tokens, factors], f"{prefix}.tokens")
            largest = self._node("Abs", [tokens], f"{prefix}.abs")
        self._node("ReduceMax", [largest, axis], f"{prefix}.largest", keepdims=0)
        level = self._constant(f"int8.level.{middle}", np.array(1 / (255 - middle), dtype=np.float32))
        self._node("Mul", [f"{prefix}.largest", level], f"{prefix}.step")
        smallest = self._constant(f"int8.least.{middle}", np.array(least, dtype=np.float32))
        self._node("Max", [f"{prefix}.step", smallest], f"{prefix}.scale")
        inputs = [tokens, f"{prefix}.scale", self._middles(middle, f"{prefix}.scale")]
        self._node("QuantizeLinear", inputs, f"{prefix}.int8", axis=0)
        self._node("Unsqueeze", [f"{prefix}.scale", axis], f"{prefix}.column")
        rounded = self.rounded[name] = _Rounded(f"{prefix}.column", middle, f"{prefix}.int8")
        return rounded

    def _middles(self, middle: int, scale: str) -> str:
        """The integer that stands for 0, once for every token: the same for all activations of the graph."""
        name = f"int8.middles.{middle}"
        if name not in self.middles:
            self.middles.add(name)
            self._node("Shape", [scale], f"{name}.count")
            zero = helper.make_tensor("value", TensorProto.UINT8, [1], [middle])
            self._node("ConstantOfShape", [f"{name}.count"], name, value=zero)
        return name

    def _width(self, name: str) -> int:
        return int(self.initializers[self._product(name).input[1]].dims[0])

    def _product(self, name: str) -> onnx.NodeProto:
        """One of the products that read the activation."""
        return next(user for user in self.users[name] if self._is_product(user))

    def _is_product(self, node: onnx.NodeProto) -> bool:
        return node.op_type == "MatMul" and node.input[1] in self.bindings

    def _to_matrix(self, name: str, columns: int, output: str) -> str:
        """(batch, seq, columns) as (tokens, columns), unless it is that already."""
        if name in self.matrices:
            return name
        return self._node("Reshape", [name, self._constant(f"int8.flat.{columns}", np.array([-1, columns]))], output)

    def _from_matrix(self, flat: str, columns: int, output: str) -> None:
        """(tokens, columns) as what `output` is in the float graph."""
        if output in self.matrices:
            self._node("Identity", [flat], output)
            return
        shape = f"int8.shape.{columns}"
        if shape not in self.shapes:
            self.shapes.add(shape)
            width = self._constant(f"int8.width.{columns}", np.array([columns]))
            self._node("Shape", ["attention_mask"], f"{shape}.batch")
            self._node("Concat", [f"{shape}.batch", width], shape, axis=0)
        self._node("Reshape", [flat, shape], output)

    def _vocabulary(self, node: onnx.NodeProto) -> None:
        """A table of int8 rows and their scales: a quarter of the memory of the largest weight there is."""
        table, output = node.input[0], node.output[0]
        parameter = self.bindings[table].weight
        dims = list(self.initializers[table].dims)
        rows = self._weight(f"{table}.int8", Binding(f"{table}.int8", parameter, "int8"), dims)
        scales = self._weight(f"{table}.scale", Binding(f"{table}.scale", parameter, "scale"), dims[:1])
        self._node("Gather", [rows, node.input[1]], f"{output}.int8", axis=0)
        self._node("Cast", [f"{output}.int8"], f"{output}.rows", to=TensorProto.FLOAT)
        self._node("Gather", [scales, node.input[1]], f"{output}.scales", axis=0)
        last = self._constant("int8.last", np.array([-1]))
        self._node("Unsqueeze", [f"{output}.scales", last], f"{output}.scale")
        self._node("Mul", [f"{output}.rows", f"{output}.scale"], output)

    def _node(self, op_type: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: Any) -> str:
        self.out.append(helper.make_node(op_type, list(inputs), [output], domain=domain, **attributes))
        return output

    def _constant(self, name: str, value: np.ndarray) -> str:
        self.constants.setdefault(name, numpy_helper.from_array(value, name))
        return name

    def _weight(self, name: str, binding: Binding, dims: Sequence[int]) -> str:
        """An initializer whose values are handed over when a session is made."""
        kind = TensorProto.INT8 if "int8" in binding.form else TensorProto.FLOAT
        self.weights[name] = missing_tensor(name, kind, dims)
        self.new_bindings[name] = binding
        return name


def _other_input(node: onnx.NodeProto, name: str) -> str:
    """What a node with two inputs reads beside `name`."""
    first, second = node.input
    return str(second if first == name else first)


def _matrices(model: onnx.ModelProto) -> set[str]:
    """The names of values that have two dimensions, such as (tokens, width)."""
    values = onnx.shape_inference.infer_shapes(model).graph.value_info
    return {value.name for value in values if len(value.type.tensor_type.shape.dim) == 2}


def missing_tensor(name: str, kind: int, dims: Sequence[int]) -> onnx.TensorProto:
    """An initializer without values: they are handed over when a session is made."""
    tensor = TensorProto(name=name, data_type=kind, dims=dims, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="weights")
    return tensor


def _needed(nodes: Sequence[onnx.NodeProto], outputs: Sequence[str]) -> list[onnx.NodeProto]:
    """The nodes that the outputs depend on, in the order given."""
    wanted = set(outputs)
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]

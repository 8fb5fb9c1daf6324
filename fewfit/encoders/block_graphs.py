"""The graphs of BERT and its kin, written operator by operator.

Tracing a model with torch.onnx takes many seconds; these encoders are so alike that their graphs can be
written down in milliseconds. Other architectures are traced (see `export`). Needs the onnx package.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fewfit.encoders.block_model import BlockModel
from fewfit.encoders.config import EncoderConfig
from fewfit.encoders.graphs import Binding, Form, Graph
from fewfit.encoders.int8_graph import missing_tensor
from fewfit.encoders.layer_names import LAYER_NAMES
from fewfit.encoders.lora import LORA_FIRST, LORA_INPUT, LoraParts, lora_parts

OPSET = 20  # the first with Gelu; onnxruntime 1.18 and later run it
_MASKED = 1e30  # taken from the score of a padded position: its weight becomes exactly 0


_OFFSET_POSITIONS = ("camembert", "mpnet", "roberta", "xlm-roberta")


def block_graphs(model: BlockModel, tail_layers: int) -> tuple[Graph, Graph]:
    """The graphs of trunk and tail, in float32."""
    trunk = _Writer(model)
    trunk.layers(trunk.embeddings(), model.config.n_layers - tail_layers, "trunk_output")
    hidden = ["batch", "seq", model.config.hidden_size]
    return trunk.graph({"input_ids": ["batch", "seq"]}, "trunk_output", hidden), _tail(_Writer(model), tail_layers)


def low_rank_tail_graph(model: BlockModel, tail_layers: int, rank: int) -> Graph:
    """The tail's graph for many low-rank models at once, in float32. Its weights are the base's own.

    It has two more inputs: `LORA_INPUT`, float32 (n_rows, hidden), the low-rank matrices of any number of models, and
    `LORA_FIRST`, int64 (n_texts or 1,), the row where those of each text's model, or of all texts' model, begin (see
    `fewfit.encoders.lora`).
    """
    writer = _Writer(model)
    writer.read_lora(tail_layers, rank)
    return _tail(writer, tail_layers)


def _tail(writer: "_Writer", tail_layers: int) -> Graph:
    config = writer.config
    writer.pooled(writer.layers("trunk_output", tail_layers, "last_hidden"))
    hidden = {"trunk_output": ["batch", "seq", config.hidden_size]}
    return writer.graph(hidden, "sentence_embedding", ["batch", config.embedding_size])


class _Writer:
    def __init__(self, model: BlockModel) -> None:
        self.model = model
        self.names = LAYER_NAMES[model.config.architecture]
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self.weights: dict[str, onnx.TensorProto] = {}
        self.bindings: list[Binding] = []
        self.lora_inputs: dict[str, tuple[int, list[Any]]] = {}
        self.lora_parts: LoraParts = {}

    # Parts of an encoder ------------------------------------------------------------------------

    def embeddings(self) -> str:
        config, model = self.config, self.model
        width = config.hidden_size
        word = self._weight("embeddings.word_embeddings.weight", [config.vocab_size, width])
        table = self._weight("embeddings.position_embeddings.weight", [model.positions, width])
        total = self._node("Gather", [word, "input_ids"], "words", axis=0)
        if config.architecture in _OFFSET_POSITIONS:
            # Positions count the tokens that are not padding, from the padding id on.
            pad = self._constant("pad", np.array(config.pad_id))
            same = self._node("Equal", ["input_ids", pad], "is_pad")
            real = self._node("Cast", [self._node("Not", [same], "is_real")], "real", to=TensorProto.INT64)
            axis = self._constant("axis_1", np.array(1))
            counted = self._node("Mul", [self._node("CumSum", [real, axis], "count"), real], "counted")
            places = self._node("Add", [counted, pad], "places")
            at = self._node("Gather", [table, places], "at", axis=0)
        else:
            length = self._node("Shape", ["input_ids"], "n_tokens", start=1, end=2)
            zero, first = self._constant("zeros", np.array([0])), self._constant("axes_0", np.array([0]))
            at = self._node("Slice", [table, zero, length, first], "at")
        total = self._node("Add", [total, at], "placed")
        if model.token_types:
            types = self._weight("embeddings.token_type_embeddings.weight", [model.token_types, width])
            row = self._node("Gather", [types, self._constant("zero", np.array(0))], "type", axis=0)
            total = self._node("Add", [total, row], "typed")
        return self._norm(total, "embeddings.LayerNorm", "embedded")

    def read_lora(self, n_layers: int, rank: int) -> None:
        """Has the low-rank matrices of each text's model at hand, taken out of those of all models as they are used."""
        width = self.config.hidden_size
        self.lora_parts = lora_parts(n_layers, width, rank)
        self.lora_inputs = {
            LORA_INPUT: (TensorProto.FLOAT, ["rows", width]),
            LORA_FIRST: (TensorProto.INT64, ["models"]),
        }
        self._node("Unsqueeze", [LORA_FIRST, self._constant("axes_1", np.array([1]))], "lora.first")

    def _lora(self, name: str) -> str:
        """One of the low-rank matrices, for each text that of its model: (models, inputs, outputs)."""
        rows, shape = self.lora_parts[name]
        places = self._constant(f"{name}.places", np.arange(rows.start, rows.stop))
        own = self._node("Add", ["lora.first", places], f"{name}.rows")
        taken = self._node("Gather", [LORA_INPUT, own], f"{name}.flat", axis=0)
        wanted = self._constant(f"lora.shape.{shape}", np.array([-1, *shape]))
        return self._node("Reshape", [taken, wanted], name)

    def layers(self, hidden: str, count: int, output: str) -> str:
        """`count` layers, the last of which gives `output`. Between them hidden states are (tokens, hidden)."""
        if not count:
            return self._node("Identity", [hidden], output)
        bias = self._score_bias()
        self._node("Shape", ["attention_mask"], "mask_shape")
        self._shape("shape.tokens", self.config.hidden_size)
        self._shape("shape.heads", self.model.heads, self.config.hidden_size // self.model.heads)
        hidden = self._flat(hidden, f"{hidden}.flat")
        for number in range(count):
            hidden = self._layer(hidden, number, bias)
        return self._node("Reshape", [hidden, "shape.tokens"], output)

    def _shape(self, output: str, *widths: int) -> None:
        """The shape (batch, seq, *widths) as a vector."""
        more = self._constant(output, np.array(widths))
        self._node("Concat", ["mask_shape", more], output, axis=0)

    def _flat(self, x: str, output: str) -> str:
        """(batch, seq, ...) as (tokens, hidden)."""
        return self._node("Reshape", [x, self._constant("flat", np.array([-1, self.config.hidden_size]))], output)

    def pooled(self, hidden: str) -> str:
        if self.config.pooling == ("cls",):
            pooled = self._node("Gather", [hidden, self._constant("zero", np.array(0))], "pooled", axis=1)
        else:
            axes = self._constant("axes_1", np.array([1]))
            mask = self._node("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
            weights = self._node("Unsqueeze", [mask, self._constant("axes_2", np.array([2]))], "weights")
            total = self._node("ReduceSum", [self._node("Mul", [hidden, weights], "masked"), axes], "sum", keepdims=0)
            count = self._node("ReduceSum", [mask, axes], "tokens", keepdims=1)
            one = self._constant("one", np.array(1, dtype=np.float32))
            pooled = self._node("Div", [total, self._node("Max", [count, one], "n_pooled")], "pooled")
        if not self.config.normalize:
            return self._node("Identity", [pooled], "sentence_embedding")
        last = self._constant("axes_1", np.array([1]))
        least = self._constant("least_norm", np.array(1e-12, dtype=np.float32))
        norm = self._node("ReduceL2", [pooled, last], "norm", keepdims=1)
        return self._node("Div", [pooled, self._node("Max", [norm, least], "nonzero_norm")], "sentence_embedding")

    def _layer(self, hidden: str, number: int, bias: str) -> str:
        names, width, prefix = self.names, self.config.hidden_size, f"body.layers.{number}"
        attended = self._attention(hidden, number, bias)
        summed = self._node("Add", [attended, hidden], f"{prefix}.first_sum")
        middle = self._norm(summed, f"{prefix}.{names.first_norm}", f"{prefix}.middle")
        up = self._linear(middle, f"{prefix}.{names.up}", width, self.model.intermediate)
        active = self._node("Gelu", [up], f"{prefix}.active")
        down = self._linear(active, f"{prefix}.{names.down}", self.model.intermediate, width)
        summed = self._node("Add", [down, middle], f"{prefix}.second_sum")
        return self._norm(summed, f"{prefix}.{names.second_norm}", f"{prefix}.output")

    def _attention(self, hidden: str, number: int, bias: str) -> str:
        names, width, heads = self.names, self.config.hidden_size, self.model.heads
        prefix = f"body.layers.{number}"
        low = self._low(hidden, f"lora.{number}.qkv")
        parts = []
        for name, part, order in (
            (names.query, "query", [0, 2, 1, 3]),
            (names.key, "key", [0, 2, 3, 1]),
            (names.value, "value", [0, 2, 1, 3]),
        ):
            linear = self._linear(hidden, f"{prefix}.{name}", width, width, low, f"lora.{number}.{part}")
            separate = self._node("Reshape", [linear, "shape.heads"], f"{linear}.heads")
            parts.append(self._node("Transpose", [separate], f"{linear}.turned", perm=order))
        query, key, value = parts
        scale = self._constant("scale", np.array((width // heads) ** -0.5, dtype=np.float32))
        scores = self._node("Mul", [self._node("MatMul", [query, key], f"{prefix}.raw"), scale], f"{prefix}.scores")
        biased = self._node("Add", [scores, bias], f"{prefix}.biased")
        shares = self._node("Softmax", [biased], f"{prefix}.shares", axis=-1)
        mixed = self._node("MatMul", [shares, value], f"{prefix}.mixed")
        turned = self._node("Transpose", [mixed], f"{prefix}.mixed_turned", perm=[0, 2, 1, 3])
        merged = self._flat(turned, f"{prefix}.merged")
        low = self._low(merged, f"lora.{number}.out")
        return self._linear(merged, f"{prefix}.{names.out}", width, width, low, f"lora.{number}.out")

    def _low(self, x: str, name: str) -> str:
        """What a layer reads, in the few directions of its low-rank matrices; "" where there are none."""
        if not self.lora_inputs:
            return ""
        tokens = self._node("Reshape", [x, "shape.tokens"], f"{name}.tokens")
        return self._node("MatMul", [tokens, self._lora(f"{name}.a")], f"{name}.low")

    def _score_bias(self) -> str:
        """What is added to the scores: nothing for a token, a very small number for padding, places (MPNet)."""
        one = self._constant("one", np.array(1, dtype=np.float32))
        masked = self._constant("masked", np.array(_MASKED, dtype=np.float32))
        axes = self._constant("axes_1_2", np.array([1, 2]))
        mask = self._node("Cast", ["attention_mask"], "mask_values", to=TensorProto.FLOAT)
        less = self._node("Sub", [mask, one], "mask_less")
        wide = self._node("Unsqueeze", [self._node("Mul", [less, masked], "mask_bias"), axes], "mask_wide")
        if not self.model.buckets:
            return wide
        return self._node("Add", [wide, self._relative_bias()], "score_bias")

    def _relative_bias(self) -> str:
        """MPNet's bias of relative positions, (1, heads, seq, seq)."""
        model = self.model
        reach = model.positions
        distances = np.arange(-reach, reach + 1)
        table = self._constant("bucket_of", relative_buckets(distances, model.buckets))
        values = self._weight("body.positions.relative_attention_bias.weight", [model.buckets, model.heads])
        zero, one = self._constant("zero", np.array(0)), self._constant("step", np.array(1))
        length = self._node("Squeeze", [self._node("Shape", ["attention_mask"], "shape", start=1, end=2)], "length")
        places = self._node("Range", [zero, length, one], "from_0")
        rows = self._node("Unsqueeze", [places, self._constant("axes_1", np.array([1]))], "to_place")
        columns = self._node("Unsqueeze", [places, self._constant("axes_0", np.array([0]))], "from_place")
        distance = self._node("Sub", [columns, rows], "distance")
        index = self._node("Add", [distance, self._constant("reach", np.array(reach))], "distance_index")
        buckets = self._node("Gather", [table, index], "buckets", axis=0)
        chosen = self._node("Gather", [values, buckets], "bias_values", axis=0)
        turned = self._node("Transpose", [chosen], "bias_turned", perm=[2, 0, 1])
        return self._node("Unsqueeze", [turned, self._constant("axes_0", np.array([0]))], "relative_bias")

    # Operators ----------------------------------------------------------------------------------

    @property
    def config(self) -> EncoderConfig:
        return self.model.config

    def _linear(self, x: str, name: str, n_in: int, n_out: int, low: str = "", lora: str = "") -> str:
        """A linear map of `x`, with what the low-rank matrices `lora` make of `low` where they are read."""
        weight = self._weight(f"{name}.weight", [n_in, n_out], "transposed")
        bias = self._weight(f"{name}.bias", [n_out])
        if low:
            delta = self._node("MatMul", [low, self._lora(f"{lora}.b")], f"{lora}.delta")
            delta = self._flat(delta, f"{lora}.flat")
        product = self._node("MatMul", [x, weight], f"{name}.product")
        if low:
            product = self._node("Add", [product, delta], f"{lora}.sum")
        return self._node("Add", [product, bias], f"{name}.out")

    def _norm(self, x: str, name: str, output: str) -> str:
        width = [self.config.hidden_size]
        inputs = [x, self._weight(f"{name}.weight", width), self._weight(f"{name}.bias", width)]
        return self._node("LayerNormalization", inputs, output, axis=-1, epsilon=self.model.eps)

    def _node(self, op_type: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op_type, list(inputs), [output], **attributes))
        return output

    def _constant(self, name: str, value: np.ndarray) -> str:
        name = f"constant.{name}"
        self.constants.setdefault(name, numpy_helper.from_array(np.asarray(value), name))
        return name

    def _weight(self, parameter: str, dims: Sequence[int], form: Form = "plain") -> str:
        self.weights[parameter] = missing_tensor(parameter, TensorProto.FLOAT, dims)
        self.bindings.append(Binding(parameter, parameter, form))
        return parameter

    def graph(self, inputs: dict[str, list[Any]], output: str, shape: list[Any]) -> Graph:
        kinds = {"input_ids": TensorProto.INT64}
        described = {name: (kinds.get(name, TensorProto.FLOAT), dims) for name, dims in inputs.items()}
        values = [
            helper.make_tensor_value_info(name, kind, dims)
            for name, (kind, dims) in {**described, **self.lora_inputs}.items()
        ]
        values.append(helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch", "seq"]))
        result = helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)
        initializers = [*self.constants.values(), *self.weights.values()]
        graph = helper.make_graph(self.nodes, "encoder", values, [result], initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
        return Graph(model.SerializeToString(), tuple(self.bindings))


def relative_buckets(distances: np.ndarray, n_buckets: int, furthest: int = 128) -> np.ndarray:
    """The bucket of each distance to another position, as T5 and MPNet have it.

    Half of the buckets are for positions before, half for those after; in each half the first half is
    exact and the rest grows with the logarithm of the distance, up to `furthest`.
    """
    half = n_buckets // 2
    exact = half // 2
    ahead = np.where(distances > 0, half, 0)
    away = np.abs(distances).astype(np.float32)
    with np.errstate(divide="ignore"):
        growth = np.log(away / np.float32(exact)) / np.float32(np.log(furthest / exact))
    far = np.minimum(exact + np.nan_to_num(growth * (half - exact), neginf=0).astype(np.int64), half - 1)
    return np.asarray(ahead + np.where(away < exact, away.astype(np.int64), far))

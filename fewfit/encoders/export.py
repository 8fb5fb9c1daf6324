"""Trunk and tail as ONNX graphs without weights. Needs the training extra (torch, onnx, onnxscript).

The graphs of BERT and its kin are written down at once (see `block_graphs`). Others are traced, which
takes seconds; what comes out depends on the base's architecture and the tail's depth alone, so it is kept
in fewfit's cache folder.
"""

import contextlib
import hashlib
import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn
from torch.export import Dim

from fewfit.encoders.block_graphs import OPSET, block_graphs, low_rank_tail_graph
from fewfit.encoders.block_model import block_model
from fewfit.encoders.cache import cache_folder, making, write_atomically
from fewfit.encoders.config import EncoderConfig
from fewfit.encoders.encoder import Encoder
from fewfit.encoders.graphs import PRECISIONS, Binding, Form, Graph, Precision
from fewfit.encoders.int8_graph import missing_tensor, to_int8
from fewfit.encoders.portable import SharedPart
from fewfit.encoders.split import parameters_of
from fewfit.encoders.weights import Weights
from fewfit.errors import BaseError

# Counts up whenever what is exported changes, so that older files in the cache are left alone.
EXPORT_VERSION = 4
_INLINE_LIMIT = 64  # values: smaller constants (shapes, scalars) stay inside the graph

_INPUTS: dict[SharedPart, tuple[str, str]] = {
    "trunk": ("input_ids", "attention_mask"),
    "tail": ("trunk_output", "attention_mask"),
}
_OUTPUTS: dict[SharedPart, str] = {"trunk": "trunk_output", "tail": "sentence_embedding"}


@dataclass(frozen=True)
class ExportedGraphs:
    """The graphs of one base at one depth, for each precision.

    `low_rank_tail` is the tail for many low-rank models at once, where it was asked for.
    """

    trunk: dict[Precision, Graph]
    tail: dict[Precision, Graph]
    low_rank_tail: dict[Precision, Graph] = field(default_factory=dict)


def export_graphs(
    weights: Weights, config: EncoderConfig, tail_layers: int, lora_rank: int | None = None
) -> ExportedGraphs:
    """The graphs of a base split at `tail_layers`, with one for low-rank tails of `lora_rank` where it is given.

    Raises BaseError where the architecture cannot be exported.
    """
    from transformers import AutoConfig

    known = block_model(config, AutoConfig.from_pretrained(weights.folder, local_files_only=True))
    if known is not None:
        plain = _with_int8(*block_graphs(known, tail_layers))
        if lora_rank is None:
            return plain
        return replace(plain, low_rank_tail=_precisions(low_rank_tail_graph(known, tail_layers, lora_rank)))
    if lora_rank is not None:
        raise BaseError(f"A low-rank tail of this {config.architecture} encoder cannot be exported to ONNX.")
    folder = cache_folder() / "graphs" / _key(weights, config, tail_layers)
    with making(folder):
        found = _read(folder)
        if found is None:
            found = _export(weights, tail_layers)
            with contextlib.suppress(OSError):  # a cache that cannot be written to costs time, nothing else
                _write(folder, found)
    return found


def base_arrays(encoder: Encoder, tail_layers: int, part: SharedPart) -> dict[str, NDArray[np.float32]]:
    """The parameters of a base's own trunk or tail by name, float32, as the part's graph asks for them."""
    trunk, tail = encoder.split(tail_layers)
    return parameters_of(trunk if part == "trunk" else tail)


def self_contained(
    graph: Graph, arrays: Mapping[str, NDArray[Any]], inputs: Mapping[str, NDArray[Any]] | None = None
) -> bytes:
    """A graph with its weights inside: an ordinary ONNX model, serialised. What `inputs` gives is no input any more."""
    model = onnx.load_model_from_string(graph.model)
    for name, value in (inputs or {}).items():
        model.graph.input.remove(next(known for known in model.graph.input if known.name == name))
        model.graph.initializer.append(numpy_helper.from_array(value, name))
    filled = graph.weights(arrays)
    for tensor in model.graph.initializer:
        if tensor.name in filled:
            tensor.CopyFrom(numpy_helper.from_array(filled[tensor.name], tensor.name))
    return bytes(model.SerializeToString())


def _key(weights: Weights, config: EncoderConfig, tail_layers: int) -> str:
    """Stands for everything that the graphs depend on."""
    model = json.loads((weights.folder / "config.json").read_text(encoding="utf-8"))
    parts = [EXPORT_VERSION, model, asdict(config), tail_layers, torch.__version__, onnx.__version__]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _export(weights: Weights, tail_layers: int) -> ExportedGraphs:
    # Eager attention: plain operators that every onnxruntime has, and as fast on a CPU.
    encoder = Encoder.load(weights, device="cpu", attention="eager", fetch=False)
    trunk, tail = encoder.split(tail_layers)
    tail.eval()
    generator = torch.Generator().manual_seed(0)
    least_rows = encoder.config.pad_id + 8
    full_rows = _randomize(trunk, generator, least_rows)
    _randomize(tail, generator, least_rows)
    ids = torch.full((3, 9), encoder.config.pad_id)
    mask = torch.zeros_like(ids)
    for row, length in enumerate((9, 4, 6)):
        mask[row, :length] = 1
        ids[row, :length] = torch.arange(length) % least_rows
    with torch.no_grad():
        hidden = trunk(ids, mask)
    trunk_fp32 = _graph("trunk", trunk, (ids, mask), full_rows)
    tail_fp32 = _graph("tail", tail, (hidden, mask), {})
    return _with_int8(trunk_fp32, tail_fp32)


def _with_int8(trunk: Graph, tail: Graph) -> ExportedGraphs:
    return ExportedGraphs(_precisions(trunk), _precisions(tail))


def _precisions(graph: Graph) -> dict[Precision, Graph]:
    return {"fp32": graph, "int8": to_int8(graph), "mixed": to_int8(graph, after_gelu=False)}


def _randomize(module: nn.Module, generator: torch.Generator, least_rows: int) -> dict[str, int]:
    """Gives every parameter values that no other has: by them it is found again in the exported graph.

    A vocabulary is cut down to a few rows, since the graph does not depend on how many there are.
    Returns how many rows the cut parameters had.
    """
    full_rows = {}
    for name, part in module.named_modules():
        if isinstance(part, nn.Embedding) and part.weight.shape[0] > max(least_rows, 4096):
            full_rows[f"{name}.weight"] = part.weight.shape[0]
            part.weight = nn.Parameter(part.weight[:least_rows].clone(), requires_grad=False)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.05 * torch.randn(parameter.shape, generator=generator))
    return full_rows


def _graph(
    part: SharedPart, module: nn.Module, example: tuple[torch.Tensor, torch.Tensor], full_rows: dict[str, int]
) -> Graph:
    dynamic = {0: Dim("batch", min=1), 1: Dim("seq", min=2)}
    inputs = _INPUTS[part]
    try:
        # The exporter warns about names that it gives to equal dimensions, and logs what it could not fold.
        with torch.no_grad(), warnings.catch_warnings(), _quiet("torch.onnx", "onnxscript"):
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module,
                example,
                input_names=list(inputs),
                output_names=[_OUTPUTS[part]],
                dynamo=True,
                external_data=False,
                dynamic_shapes=(dynamic, dynamic),
                opset_version=OPSET,
                verbose=False,
            )
    except (RuntimeError, torch.onnx.OnnxExporterError) as error:
        raise BaseError(f"The {part} of this encoder cannot be exported to ONNX: {error}") from error
    assert program is not None
    return _without_weights(program.model_proto, module, full_rows)


@contextlib.contextmanager
def _quiet(*names: str) -> Any:
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _without_weights(model: onnx.ModelProto, module: nn.Module, full_rows: dict[str, int]) -> Graph:
    """Takes the parameters out of a model, recognised by their values."""
    known: dict[bytes, tuple[str, Form]] = {}
    for name, parameter in module.named_parameters():
        array = parameter.detach().numpy()
        known.setdefault(_fingerprint(array), (name, "plain"))
        if array.ndim == 2:
            known.setdefault(_fingerprint(array.T), (name, "transposed"))
    bindings = []
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        found = known.get(_fingerprint(array))
        if found is None:
            if array.size > _INLINE_LIMIT and array.dtype.kind == "f" and not _is_buffer(array, module):
                raise BaseError(f"The exporter changed the weights {tensor.name} {array.shape} beyond recognition.")
            continue
        bindings.append(Binding(tensor.name, *found))
        rows = full_rows.get(found[0], tensor.dims[0])
        tensor.CopyFrom(missing_tensor(tensor.name, tensor.data_type, [rows, *tensor.dims[1:]]))
    del model.graph.value_info[:]
    del model.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    return Graph(model.SerializeToString(), tuple(bindings))


def _is_buffer(array: NDArray[Any], module: nn.Module) -> bool:
    return any(
        buffer.numel() == array.size and np.array_equal(buffer.numpy().ravel(), array.ravel())
        for buffer in module.buffers()
    )


def _fingerprint(array: NDArray[Any]) -> bytes:
    header = f"{array.dtype}{array.shape}".encode()
    return hashlib.sha256(header + np.ascontiguousarray(array).tobytes()).digest()


def _write(folder: Path, graphs: ExportedGraphs) -> None:
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".writing-"))
    try:
        index: dict[str, Any] = {}
        for part, by_precision in (("trunk", graphs.trunk), ("tail", graphs.tail)):
            for precision, graph in by_precision.items():
                name = f"{part}-{precision}.onnx"
                (temporary / name).write_bytes(graph.model)
                index[name] = {"sha256": hashlib.sha256(graph.model).hexdigest(), "bindings": graph.bindings_json()}
        write_atomically(temporary / "index.json", json.dumps(index))
        temporary.chmod(0o755)  # whoever shares the cache may read them
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _read(folder: Path) -> ExportedGraphs | None:
    """The graphs in a cache folder, or None where there are none or not these."""
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        graphs: dict[str, Graph] = {}
        for name, entry in index.items():
            model = (folder / name).read_bytes()
            if hashlib.sha256(model).hexdigest() != entry["sha256"]:
                return None
            graphs[name] = Graph.from_parts(model, entry["bindings"])
        return ExportedGraphs(
            {precision: graphs[f"trunk-{precision}.onnx"] for precision in PRECISIONS},
            {precision: graphs[f"tail-{precision}.onnx"] for precision in PRECISIONS},
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None

"""What a machine without torch needs of an encoder: graphs, the trunk's weights, tokenizer, configuration."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from fewfit.encoders.cache import cache_folder, sha256_of, write_bytes_atomically
from fewfit.encoders.config import DenseLayer, EncoderConfig
from fewfit.encoders.graphs import PRECISIONS, Graph, Precision
from fewfit.encoders.quantize import quantize_arrays, smooth_name
from fewfit.errors import BaseNotFoundError, DigestError

ENCODER_FILE = "encoder.json"
TRUNK_FILE = "trunk.safetensors"
BASE_TAIL_FILE = "base_tail.safetensors"

SharedPart = Literal["trunk", "tail"]


def graph_file(part: str, precision: Precision) -> str:
    """The file name of a graph: trunk-int8.onnx, tail-fp32.onnx ..."""
    return f"{part}-{precision}.onnx"


_LOW_RANK_TAIL = "low_rank_tail"
GRAPH_FILES = tuple(
    graph_file(part, precision) for part in ("trunk", "tail", _LOW_RANK_TAIL) for precision in PRECISIONS
)


@dataclass(frozen=True)
class SharedWeights:
    """Parameters that are the same for all models on a base: of its trunk, or of its own tail.

    `source` is a safetensors file or its content, and `digest` the SHA-256 of that content. It is None in a slim
    model, whose shared weights are kept in fewfit's cache.
    """

    part: SharedPart
    digest: str
    source: bytes | Path | None

    def content(self) -> bytes:
        """The content of the file, checked against `digest`.

        Raises DigestError where it is another, BaseNotFoundError where a slim model's file is not in the cache.
        """
        source = self.source if self.source is not None else kept_weights(self.part, self.digest)
        if isinstance(source, Path):
            if not source.is_file():
                raise BaseNotFoundError(
                    f"The model was saved without its {self.part}, and {source} is not there. Copy that file from the "
                    "machine that trained the model, or save the model again with slim=False."
                    if self.source is None
                    else f"The model's {self.part} was in {source}, which is not there any more. Put the folder back, "
                    "or load the model from where it is now."
                )
            source = source.read_bytes()
        found = hashlib.sha256(source).hexdigest()
        if found != self.digest:
            again = "the model" if self.source is not None else kept_weights(self.part, self.digest)
            raise DigestError(
                f"The {self.part}'s weights have SHA-256 {found[:12]}..., expected {self.digest[:12]}.... They were "
                f"not used; copy {again} again."
            )
        return source

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The parameters by name. Raises like `content`."""
        return load(self.content())

    def held(self) -> "SharedWeights":
        """The same weights with the content of their file; those of a slim model stay in the cache. Raises like it."""
        return replace(self, source=self.content()) if isinstance(self.source, Path) else self

    def keep(self) -> "SharedWeights":
        """The same weights, put into fewfit's cache folder once for all models; a file that was damaged is replaced."""
        path = kept_weights(self.part, self.digest)
        if not path.is_file() or sha256_of(path) != self.digest:
            write_bytes_atomically(path, self.content())
        return replace(self, source=None)


@dataclass(frozen=True)
class PortableEncoder:
    """An encoder split at one depth, as files that onnxruntime and tokenizers read.

    `tail_weights` are the base's own tail, of a model whose tail is a low-rank change of it, and `low_rank_tail` the
    graphs for many such models at once; None and nothing otherwise.
    """

    config: EncoderConfig
    tail_layers: int
    trunk: Mapping[Precision, Graph]
    tail: Mapping[Precision, Graph]
    trunk_weights: SharedWeights
    tail_weights: SharedWeights | None = None
    low_rank_tail: Mapping[Precision, Graph] = field(default_factory=dict)

    def held(self) -> "PortableEncoder":
        """The same encoder without the files that it was read from. Raises like `SharedWeights.content`."""
        tail = None if self.tail_weights is None else self.tail_weights.held()
        return replace(self, trunk_weights=self.trunk_weights.held(), tail_weights=tail)

    def keep_shared(self) -> "PortableEncoder":
        """The same encoder without what it shares, which is put into fewfit's cache folder once for all models."""
        tail = None if self.tail_weights is None else self.tail_weights.keep()
        return replace(self, trunk_weights=self.trunk_weights.keep(), tail_weights=tail)

    def files(self) -> dict[str, bytes]:
        """The files of this encoder by name."""
        bindings: dict[str, list[list[str]]] = {}
        files: dict[str, bytes] = {}
        for part, graphs in (("trunk", self.trunk), ("tail", self.tail), (_LOW_RANK_TAIL, self.low_rank_tail)):
            for precision, graph in graphs.items():
                name = graph_file(part, precision)
                files[name] = graph.model
                bindings[name] = graph.bindings_json()
        described = {
            "config": asdict(self.config),
            "tail_layers": self.tail_layers,
            "trunk_digest": self.trunk_weights.digest,
            "tail_digest": None if self.tail_weights is None else self.tail_weights.digest,
            "bindings": bindings,
        }
        files[ENCODER_FILE] = json.dumps(described, indent=1).encode()
        for name, weights in ((TRUNK_FILE, self.trunk_weights), (BASE_TAIL_FILE, self.tail_weights)):
            if weights is not None and weights.source is not None:
                files[name] = weights.content()
        return files

    @classmethod
    def from_files(
        cls, files: Mapping[str, bytes], trunk: Path | None, base_tail: Path | None = None
    ) -> "PortableEncoder":
        """The encoder that `files` gave, its trunk in the file `trunk`, its base's tail in `base_tail`.

        Raises ValueError, KeyError or TypeError for other content.
        """
        described = json.loads(files[ENCODER_FILE])
        graphs: dict[str, dict[Precision, Graph]] = {"trunk": {}, "tail": {}, _LOW_RANK_TAIL: {}}
        for part, by_precision in graphs.items():
            for precision in PRECISIONS:
                name = graph_file(part, precision)
                if name in described["bindings"]:  # older models have no "mixed"
                    by_precision[precision] = Graph.from_parts(files[name], described["bindings"][name])
        tail_digest = described.get("tail_digest")
        if (tail_digest is not None) != bool(graphs[_LOW_RANK_TAIL]):
            raise ValueError(
                "its low-rank tail has no graph of its own; it was made by an unfinished version of fewfit"
            )
        return cls(
            config=_config(described["config"]),
            tail_layers=int(described["tail_layers"]),
            trunk=graphs["trunk"],
            tail=graphs["tail"],
            trunk_weights=SharedWeights("trunk", str(described["trunk_digest"]), trunk),
            tail_weights=None if tail_digest is None else SharedWeights("tail", str(tail_digest), base_tail),
            low_rank_tail=graphs[_LOW_RANK_TAIL],
        )


def kept_weights(part: SharedPart, digest: str) -> Path:
    """Where the shared weights with this digest lie in the cache, whether they are there or not."""
    return cache_folder() / f"{part}s" / f"{digest}.safetensors"


def pack_weights(
    part: SharedPart,
    arrays: Mapping[str, NDArray[Any]],
    graph: Graph,
    smoothing: Mapping[str, NDArray[np.float32]] | None = None,
    changed: Collection[str] = (),
) -> SharedWeights:
    """A base's parameters as a safetensors file, rounded (and smoothed) where `graph` reads them so.

    What models add to the parameters in `changed` is less than a step of int8, and would be lost in rounding a second
    time: these are kept in float16.
    """
    given = with_smoothing(
        {name: np.ascontiguousarray(value) for name, value in arrays.items()}, graph, smoothing or {}
    )
    rounded = {binding.weight for binding in graph.bindings if binding.form in ("scale", "smooth-scale")}
    packed = quantize_arrays(given, rounded.difference(changed))
    packed |= {name: given[name].astype(np.float16) for name in rounded.intersection(changed)}
    content = save(packed)
    return SharedWeights(part, hashlib.sha256(content).hexdigest(), content)


def with_smoothing(
    arrays: Mapping[str, NDArray[Any]], graph: Graph, smoothing: Mapping[str, NDArray[np.float32]]
) -> dict[str, NDArray[Any]]:
    """The same parameters, with the smoothing of those that `graph` reads smoothed."""
    read = {binding.weight for binding in graph.bindings if binding.form == "smooth-scale"}
    return {**arrays, **{smooth_name(name): smoothing[name] for name in sorted(read & smoothing.keys())}}


def _config(data: Mapping[str, Any]) -> EncoderConfig:
    known = {field.name for field in fields(EncoderConfig)}
    values = {name: value for name, value in data.items() if name in known}
    values["pooling"] = tuple(values["pooling"])
    values["dense"] = tuple(DenseLayer(**layer) for layer in values["dense"])
    return EncoderConfig(**values)

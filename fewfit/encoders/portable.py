"""What a machine without torch needs of an encoder: graphs, the trunk's weights, tokenizer, configuration."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from fewfit.encoders.cache import cache_folder, write_bytes_atomically
from fewfit.encoders.config import DenseLayer, EncoderConfig
from fewfit.encoders.graphs import PRECISIONS, Graph, Precision
from fewfit.encoders.quantize import quantize_arrays
from fewfit.errors import BaseNotFoundError, DigestError

ENCODER_FILE = "encoder.json"
TRUNK_FILE = "trunk.safetensors"


def graph_file(part: str, precision: Precision) -> str:
    """The file name of a graph: trunk-int8.onnx, tail-fp32.onnx ..."""
    return f"{part}-{precision}.onnx"


GRAPH_FILES = tuple(graph_file(part, precision) for part in ("trunk", "tail") for precision in PRECISIONS)


@dataclass(frozen=True)
class PortableEncoder:
    """An encoder split at one depth, as files that onnxruntime and tokenizers read.

    `trunk_weights` is a safetensors file with the trunk's parameters, or its content, and `trunk_digest`
    the SHA-256 of that content. It is None in a slim model, whose trunk is kept in fewfit's cache.
    """

    config: EncoderConfig
    tail_layers: int
    trunk: Mapping[Precision, Graph]
    tail: Mapping[Precision, Graph]
    trunk_digest: str
    trunk_weights: bytes | Path | None

    def trunk_content(self) -> bytes:
        """The content of the trunk's file, checked against `trunk_digest`.

        Raises DigestError where it is another, BaseNotFoundError where a slim model's trunk is not in
        the cache.
        """
        source = self.trunk_weights if self.trunk_weights is not None else kept_trunk(self.trunk_digest)
        if isinstance(source, Path):
            if not source.is_file():
                raise BaseNotFoundError(
                    f"The model was saved without its trunk, and {source} is not there. Copy that file from the "
                    "machine that trained the model, or save the model again with slim=False."
                )
            source = source.read_bytes()
        found = hashlib.sha256(source).hexdigest()
        if found != self.trunk_digest:
            raise DigestError(
                f"The trunk's weights have SHA-256 {found[:12]}..., expected {self.trunk_digest[:12]}.... They were "
                "not used; copy the model again."
            )
        return source

    def trunk_arrays(self) -> dict[str, NDArray[Any]]:
        """The trunk's parameters by name. Raises like `trunk_content`."""
        return load(self.trunk_content())

    def keep_trunk(self) -> "PortableEncoder":
        """The same encoder without its trunk, which is put into fewfit's cache folder once for all models."""
        path = kept_trunk(self.trunk_digest)
        if not path.is_file():
            write_bytes_atomically(path, self.trunk_content())
        return replace(self, trunk_weights=None)

    def files(self) -> dict[str, bytes]:
        """The files of this encoder by name."""
        bindings: dict[str, list[list[str]]] = {}
        files: dict[str, bytes] = {}
        for part, graphs in (("trunk", self.trunk), ("tail", self.tail)):
            for precision, graph in graphs.items():
                name = graph_file(part, precision)
                files[name] = graph.model
                bindings[name] = graph.bindings_json()
        described = {
            "config": asdict(self.config),
            "tail_layers": self.tail_layers,
            "trunk_digest": self.trunk_digest,
            "bindings": bindings,
        }
        files[ENCODER_FILE] = json.dumps(described, indent=1).encode()
        if self.trunk_weights is not None:
            files[TRUNK_FILE] = self.trunk_content()
        return files

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], trunk: Path | None) -> "PortableEncoder":
        """The encoder that `files` gave, its trunk in the file `trunk`.

        Raises ValueError, KeyError or TypeError for other content.
        """
        described = json.loads(files[ENCODER_FILE])
        graphs: dict[str, dict[Precision, Graph]] = {"trunk": {}, "tail": {}}
        for part, by_precision in graphs.items():
            for precision in PRECISIONS:
                name = graph_file(part, precision)
                if name in described["bindings"]:  # older models have no "mixed"
                    by_precision[precision] = Graph.from_parts(files[name], described["bindings"][name])
        return cls(
            config=_config(described["config"]),
            tail_layers=int(described["tail_layers"]),
            trunk=graphs["trunk"],
            tail=graphs["tail"],
            trunk_digest=str(described["trunk_digest"]),
            trunk_weights=trunk,
        )


def kept_trunk(digest: str) -> Path:
    """Where the trunk with this digest lies in the cache, whether it is there or not."""
    return cache_folder() / "trunks" / f"{digest}.safetensors"


def pack_trunk(arrays: Mapping[str, NDArray[Any]], graph: Graph) -> tuple[bytes, str]:
    """The trunk's parameters as a safetensors file, rounded where `graph` reads them rounded; its SHA-256."""
    rounded = {binding.weight for binding in graph.bindings if binding.form == "scale"}
    packed = quantize_arrays({name: np.ascontiguousarray(value) for name, value in arrays.items()}, rounded)
    content = save(packed)
    return content, hashlib.sha256(content).hexdigest()


def _config(data: Mapping[str, Any]) -> EncoderConfig:
    known = {field.name for field in fields(EncoderConfig)}
    values = {name: value for name, value in data.items() if name in known}
    values["pooling"] = tuple(values["pooling"])
    values["dense"] = tuple(DenseLayer(**layer) for layer in values["dense"])
    return EncoderConfig(**values)

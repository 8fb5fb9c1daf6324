"""Reads multilingual-e5-small from 4-bit blocks and writes it as ordinary half-precision weights."""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fewfit.errors import DigestError

BLOCK = 32  # weights that share one scale
_BLOCK_BYTES = 18  # an fp16 scale and 16 bytes of nibbles

_HALF = np.dtype("<f2")

# What other programs need to read the folder as a sentence-transformers model.
_SENTENCE_TRANSFORMERS_FILES: dict[str, object] = {
    "modules.json": [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ],
    "sentence_bert_config.json": {"max_seq_length": 512, "do_lower_case": False},
    "config_sentence_transformers.json": {"prompts": {"query": "query: "}, "default_prompt_name": "query"},
    "tokenizer_config.json": {
        "tokenizer_class": "XLMRobertaTokenizer",
        "model_max_length": 512,
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    },
}


@dataclass(frozen=True)
class _Header:
    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    positions: int
    types: int
    layer_norm_eps: float


@dataclass(frozen=True)
class _Entry:
    quantized: bool
    n_values: int
    offset: int
    n_bytes: int


def dequantize_blocks(raw: bytes | memoryview, n_values: int) -> NDArray[np.float16]:
    """The weights that `raw` holds in blocks of 32: a little-endian fp16 scale, then 16 bytes.

    Byte j holds weight j in its low nibble and weight j + 16 in its high one, each as value + 8.
    """
    blocks = np.frombuffer(raw, dtype=np.uint8).reshape(-1, _BLOCK_BYTES)
    scales = blocks[:, :2].copy().view(_HALF).astype(np.float32)  # (n_blocks, 1)
    nibbles = blocks[:, 2:]
    values = np.concatenate([nibbles & 0x0F, nibbles >> 4], axis=1).astype(np.float32) - 8.0
    return (values * scales).reshape(-1)[:n_values].astype(_HALF)


def write_folder(image: bytes, folder: Path) -> None:
    """Write the 4-bit model in `image` into `folder` in sentence-transformers format, without its
    tokenizer.json.

    Raises DigestError when the image is not the format that is expected.
    """
    try:
        header, entries = _read_directory(image)
    except struct.error as error:
        raise DigestError(f"The 4-bit weights end in the middle of their directory ({error}).") from error
    config = {
        "architectures": ["BertModel"],
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": header.hidden,
        "initializer_range": 0.02,
        "intermediate_size": header.intermediate,
        "layer_norm_eps": header.layer_norm_eps,
        "max_position_embeddings": header.positions,
        "model_type": "bert",
        "num_attention_heads": header.heads,
        "num_hidden_layers": header.layers,
        "pad_token_id": 0,
        "position_embedding_type": "absolute",
        "torch_dtype": "float32",  # of the model in memory: half precision is slow on a CPU
        "type_vocab_size": header.types,
        "vocab_size": header.vocabulary,
    }
    _write_json(folder / "config.json", config)
    for path, content in _SENTENCE_TRANSFORMERS_FILES.items():
        _write_json(folder / path, content)
    _write_json(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": header.hidden, "pooling_mode_mean_tokens": True},
    )
    tensors = [(name, shape, _values(image, entries, key)) for key, name, shape in _names(header)]
    _write_safetensors(folder / "model.safetensors", tensors)


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _read_directory(image: bytes) -> tuple[_Header, dict[str, _Entry]]:
    if image[:4] != b"E5S1":
        raise DigestError(f"The 4-bit weights start with {image[:4]!r}, expected b'E5S1'.")
    hidden, layers, heads, intermediate, vocabulary, positions, types, eps, block = struct.unpack_from(
        "<7ifi", image, 8
    )
    if block != BLOCK:
        raise DigestError(f"The 4-bit weights use blocks of {block}, expected {BLOCK}.")
    at = 8 + struct.calcsize("<7ifi")
    # A tokenizer follows; ours is tokenizer.json, so it is passed over.
    n_pieces, *_, blob_bytes = struct.unpack_from("<5iQ", image, at)
    at += struct.calcsize("<5iQ") + (n_pieces + 1) * 4 + n_pieces * 4 + blob_bytes
    _, normalizer_bytes = struct.unpack_from("<iI", image, at)
    at += 8 + normalizer_bytes
    (n_entries,) = struct.unpack_from("<i", image, at)
    at += 4
    entries = {}
    for _ in range(n_entries):
        (name_bytes,) = struct.unpack_from("<H", image, at)
        name = image[at + 2 : at + 2 + name_bytes].decode("ascii")
        at += 2 + name_bytes
        dtype, n_values, offset, n_bytes = struct.unpack_from("<BIQQ", image, at)
        at += struct.calcsize("<BIQQ")
        entries[name] = _Entry(
            quantized=n_bytes == n_values // BLOCK * _BLOCK_BYTES,
            n_values=n_values,
            offset=offset,
            n_bytes=n_bytes,
        )
        if not entries[name].quantized and n_bytes != 4 * n_values:
            raise DigestError(
                f"Tensor {name!r} (type {dtype}) has {n_bytes} bytes for {n_values} values: "
                "neither 4-bit blocks nor fp32."
            )
    # The C reader holds the layer norm's epsilon as fp32; the configuration wants the decimal 1e-12.
    header = _Header(hidden, layers, heads, intermediate, vocabulary, positions, types, float(f"{eps:.6g}"))
    return header, entries


def _values(image: bytes, entries: dict[str, _Entry], key: str) -> NDArray[np.float16]:
    entry = entries.get(key)
    if entry is None:
        raise DigestError(f"The 4-bit weights lack the tensor {key!r}.")
    raw = memoryview(image)[entry.offset : entry.offset + entry.n_bytes]
    if len(raw) != entry.n_bytes:
        raise DigestError(f"The 4-bit weights end in the middle of the tensor {key!r}.")
    if entry.quantized:
        return dequantize_blocks(raw, entry.n_values)
    return np.frombuffer(raw, dtype="<f4").astype(_HALF)


def _names(header: _Header) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Each tensor: its key in the image, its name in the BERT model, its shape."""
    hidden, wide = header.hidden, header.intermediate
    yield "emb.word", "embeddings.word_embeddings.weight", (header.vocabulary, hidden)
    yield "emb.pos", "embeddings.position_embeddings.weight", (header.positions, hidden)
    yield "emb.type", "embeddings.token_type_embeddings.weight", (header.types, hidden)
    yield "emb.ln.w", "embeddings.LayerNorm.weight", (hidden,)
    yield "emb.ln.b", "embeddings.LayerNorm.bias", (hidden,)
    for index in range(header.layers):
        key, name = f"l{index}", f"encoder.layer.{index}"
        for short, long, rows, columns in (
            ("q", "attention.self.query", hidden, hidden),
            ("k", "attention.self.key", hidden, hidden),
            ("v", "attention.self.value", hidden, hidden),
            ("ao", "attention.output.dense", hidden, hidden),
            ("fi", "intermediate.dense", wide, hidden),
            ("fo", "output.dense", hidden, wide),
        ):
            yield f"{key}.{short}.w", f"{name}.{long}.weight", (rows, columns)
            yield f"{key}.{short}.b", f"{name}.{long}.bias", (rows,)
        for short, long in (("aln", "attention.output.LayerNorm"), ("oln", "output.LayerNorm")):
            yield f"{key}.{short}.w", f"{name}.{long}.weight", (hidden,)
            yield f"{key}.{short}.b", f"{name}.{long}.bias", (hidden,)


def _write_safetensors(path: Path, tensors: list[tuple[str, tuple[int, ...], NDArray[np.float16]]]) -> None:
    """Write by hand what `safetensors` would: the file's digest is pinned, so its bytes must not
    depend on how a library's version orders and pads the header.
    """
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, shape, values in tensors:
        expected = int(np.prod(shape))
        if values.size != expected:
            raise DigestError(f"{name} holds {values.size} values, expected {expected} for {shape}.")
        entries[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [at, at + values.nbytes]}
        at += values.nbytes
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)))
        file.write(header)
        for _, _, values in tensors:
            file.write(values.tobytes())

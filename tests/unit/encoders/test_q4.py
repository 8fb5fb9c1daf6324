import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from transformers import AutoModel

from fewfit.encoders.q4 import BLOCK, dequantize_blocks, write_folder
from fewfit.errors import DigestError

HIDDEN, LAYERS, HEADS, WIDE, VOCABULARY, POSITIONS, TYPES = 32, 2, 4, 64, 50, 16, 2
SHORT_NAMES = {
    "word_embeddings.weight": "emb.word",
    "position_embeddings.weight": "emb.pos",
    "token_type_embeddings.weight": "emb.type",
    "embeddings.LayerNorm": "emb.ln",
    "attention.self.query": "q",
    "attention.self.key": "k",
    "attention.self.value": "v",
    "attention.output.dense": "ao",
    "attention.output.LayerNorm": "aln",
    "intermediate.dense": "fi",
    "output.dense": "fo",
    "output.LayerNorm": "oln",
}


def quantize(values: NDArray[np.float32]) -> tuple[bytes, NDArray[np.float32]]:
    """Values in 4-bit blocks, written the slow way, and what can be read back of them."""
    packed, read_back = b"", []
    for block in values.reshape(-1, BLOCK):
        scale = np.float16(np.abs(block).max() / 7 or 1)
        levels = np.clip(np.rint(block / scale), -8, 7).astype(int)
        packed += struct.pack("<e", scale)
        packed += bytes((int(levels[j]) + 8) | ((int(levels[j + 16]) + 8) << 4) for j in range(16))
        read_back.append(levels.astype(np.float32) * np.float32(scale))
    return packed, np.concatenate(read_back)


def short_name(name: str) -> str:
    if name.startswith("encoder.layer."):
        _, _, index, rest = name.split(".", 3)
        stem, kind = rest.rsplit(".", 1)
        return f"l{index}.{SHORT_NAMES[stem]}.{kind[0]}"
    if "LayerNorm" in name:
        return f"emb.ln.{name.rsplit('.', 1)[1][0]}"
    return SHORT_NAMES[name.removeprefix("embeddings.")]


def make_image(magic: bytes = b"E5S1", block: int = BLOCK) -> tuple[bytes, Any]:
    """A tiny model as the package writes it, and the transformers model that it must be read as."""
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=WIDE,
        max_position_embeddings=POSITIONS,
        initializer_range=0.3,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertModel(config, add_pooling_layer=False)
        model.train(False)
    tensors: list[tuple[str, int, int, bytes]] = []
    state = model.state_dict()
    for name, value in state.items():
        numbers = value.numpy().ravel()
        if value.ndim == 2 and "position" not in name and "token_type" not in name:
            raw, read_back = quantize(numbers)
            state[name] = torch.from_numpy(read_back).reshape(value.shape)
            tensors.append((short_name(name), 1, numbers.size, raw))
        else:
            tensors.append((short_name(name), 0, numbers.size, numbers.astype("<f4").tobytes()))
    model.load_state_dict(state)

    head = magic + struct.pack("<I", 1)
    head += struct.pack("<7ifi", HIDDEN, LAYERS, HEADS, WIDE, VOCABULARY, POSITIONS, TYPES, 1e-12, block)
    pieces = [b"<s>", b"film", b"er"]
    head += struct.pack("<5iQ", len(pieces), 0, 2, 1, 3, sum(map(len, pieces)))
    head += struct.pack("<4I", 0, 3, 7, 9) + struct.pack("<3f", 0, -1, -2) + b"".join(pieces)
    head += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 65, 1, 97)
    head += struct.pack("<i", len(tensors))
    directory_bytes = sum(2 + len(name) + struct.calcsize("<BIQQ") for name, *_ in tensors)
    offset = len(head) + directory_bytes
    directory, body = b"", b""
    for name, dtype, n_values, raw in tensors:
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", dtype, n_values, offset + len(body), len(raw))
        body += raw
    return head + directory + body, model


def test_blocks_are_read_as_they_were_written() -> None:
    values = np.random.default_rng(0).normal(size=BLOCK * 5).astype(np.float32)
    packed, read_back = quantize(values)
    np.testing.assert_allclose(dequantize_blocks(packed, values.size), read_back, rtol=1e-3)
    assert np.abs(read_back - values).max() < 0.6 * np.abs(values).max() / 7


def test_a_block_by_hand() -> None:
    block = struct.pack("<e", 0.5) + bytes([0x0F, 0x80]) + bytes([0x88] * 14)
    values = dequantize_blocks(block, BLOCK)
    assert values[0] == 3.5  # low nibble 15
    assert values[16] == -4.0  # high nibble 0
    assert values[1] == -4.0  # low nibble 0
    assert values[17] == 0.0  # high nibble 8
    assert not values[2:16].any()


def test_the_folder_is_the_model_that_was_packed(tmp_path: Path) -> None:
    image, model = make_image()
    write_folder(image, tmp_path)
    again = AutoModel.from_pretrained(tmp_path, add_pooling_layer=False, dtype=torch.float32).eval()
    ids = torch.tensor([[1, 5, 9, 30, 2]])
    mask = torch.ones_like(ids)
    with torch.no_grad():
        expected = model(ids, attention_mask=mask).last_hidden_state
        actual = again(ids, attention_mask=mask).last_hidden_state
    torch.testing.assert_close(actual, expected, atol=5e-3, rtol=0)
    assert again.config.layer_norm_eps == 1e-12


def test_the_same_image_always_gives_the_same_bytes(tmp_path: Path) -> None:
    image, _ = make_image()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_folder(image, tmp_path / name)
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (tmp_path / "b" / "model.safetensors").read_bytes()
    tensors = load_file(tmp_path / "a" / "model.safetensors")
    assert tensors["embeddings.word_embeddings.weight"].shape == (VOCABULARY, HIDDEN)
    assert {value.dtype for value in tensors.values()} == {np.dtype(np.float16)}


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (b"GGUF" + bytes(100), "start with b'GGUF', expected b'E5S1'"),
        (make_image(block=64)[0], "blocks of 64, expected 32"),
        (make_image()[0].replace(b"l0.q.w", b"l0.x.w"), "lack the tensor 'l0.q.w'"),
        (make_image()[0][:-4], "end in the middle of"),
        (make_image()[0][:90], "end in the middle of"),
    ],
    ids=["other format", "other block", "no tensor", "cut body", "cut directory"],
)
def test_an_image_that_is_something_else_is_refused(image: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DigestError, match=message):
        write_folder(image, tmp_path)

from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer

from fewfit.encoders.encoder import Encoder
from fewfit.encoders.weights import locate
from fewfit.errors import BaseError
from fewfit.testing import write_toy_base

TEXTS = ["no", "how do I change the password of my account", "", "Was für ein schöner Film! 映画", "the match " * 40]


@pytest.fixture(scope="module")
def encoder(toy_base: Path) -> Encoder:
    return Encoder.load(toy_base, device="cpu")


@pytest.mark.parametrize("architecture", ["bert", "mpnet", "modernbert"])
@pytest.mark.parametrize(
    "options", [{}, {"pooling": "cls", "normalize": False}, {"pooling": ["max", "mean"], "dense": 6}]
)
def test_embeddings_are_those_of_sentence_transformers(
    architecture: str, options: dict[str, object], tmp_path: Path
) -> None:
    folder = write_toy_base(tmp_path / "base", architecture, layers=2, prefix="query: ", **options)  # type: ignore[arg-type]
    encoder = Encoder.load(folder, device="cpu")
    read = [f"query: {text}".strip() for text in TEXTS]
    expected = SentenceTransformer(str(folder), device="cpu").encode(read, prompt="")
    np.testing.assert_allclose(encoder.embed(TEXTS), expected, atol=3e-6)
    assert encoder.config.embedding_size == expected.shape[1]


@pytest.mark.parametrize("batch_tokens", [1, 30, 100_000])
def test_batch_size_changes_nothing_and_order_is_kept(encoder: Encoder, batch_tokens: int) -> None:
    alone = np.concatenate([encoder.embed([text]) for text in TEXTS])
    np.testing.assert_allclose(encoder.embed(TEXTS, batch_tokens=batch_tokens), alone, atol=2e-6)


def test_no_texts_have_no_embeddings(encoder: Encoder) -> None:
    embeddings = encoder.embed([])
    assert embeddings.shape == (0, 32)
    assert embeddings.dtype == np.float32


def test_what_is_cut_is_what_is_asked_for(encoder: Encoder) -> None:
    text = "the card was charged twice for one ticket and the ending made no sense"
    whole, end, start = (
        encoder.embed([text], **options)[0]
        for options in ({}, {"max_length": 8}, {"max_length": 8, "truncate": "start"})
    )
    assert not np.allclose(whole, end, atol=1e-3)
    assert not np.allclose(start, end, atol=1e-3)


def test_the_same_weights_whether_given_as_a_folder_or_as_weights(toy_base: Path, encoder: Encoder) -> None:
    again = Encoder.load(locate(toy_base), device="cpu")
    assert np.array_equal(again.embed(TEXTS), encoder.embed(TEXTS))
    assert again.weights == encoder.weights
    assert encoder.device.type == "cpu"


def test_weights_that_are_missing_are_an_error_not_random_numbers(tmp_path: Path) -> None:
    folder = write_toy_base(tmp_path / "base", layers=2)
    tensors = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in tensors.items() if "layer.1" not in name}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(BaseError, match=r"lacks 16 weights of a bert encoder: encoder\.layer\.1\."):
        Encoder.load(folder)


def test_weights_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    folder = write_toy_base(tmp_path / "base", layers=2)
    (folder / "model.safetensors").write_bytes(b"not a tensor in sight")
    with pytest.raises(BaseError, match="cannot be loaded as an encoder"):
        Encoder.load(folder)


def test_loading_prints_nothing(toy_base: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Encoder.load(toy_base)
    assert capfd.readouterr() == ("", "")


def test_fewfit_is_not_asked_to_run_code_from_a_folder(tmp_path: Path) -> None:
    folder = write_toy_base(tmp_path / "base", layers=1)
    config = (folder / "config.json").read_text()
    evil = config.replace(
        '"model_type": "bert"', '"model_type": "evil", "auto_map": {"AutoModel": "evil.Evil", "AutoConfig": "evil.C"}'
    )
    (folder / "config.json").write_text(evil)
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(BaseError):
        Encoder.load(folder)
    assert not (tmp_path / "ran").exists()

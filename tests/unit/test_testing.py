import doctest
from pathlib import Path

import numpy as np
import torch

from fewfit import testing
from fewfit.encoders.encoder import Encoder
from fewfit.testing import write_toy_base


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_example_in_the_docstring_runs() -> None:
    assert doctest.testmod(testing) == doctest.TestResults(failed=0, attempted=3)


def test_the_same_arguments_give_the_same_files_and_another_seed_others(tmp_path: Path) -> None:
    first = contents(write_toy_base(tmp_path / "first", layers=1))
    assert contents(write_toy_base(tmp_path / "second", layers=1)) == first
    other = contents(write_toy_base(tmp_path / "other", layers=1, seed=1))
    assert {name for name in first if first[name] != other[name]} == {"model.safetensors"}


def test_torchs_own_random_numbers_are_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    write_toy_base(tmp_path / "base", layers=1)
    assert torch.equal(torch.rand(3), expected)


def test_texts_that_share_words_have_similar_embeddings(toy_base: Path) -> None:
    card, same_card, film = Encoder.load(toy_base).embed(
        ["the card was charged twice", "the card was charged again", "a funny film and a warm ending"]
    )
    assert float(np.dot(card, same_card)) > float(np.dot(card, film)) + 0.02


def test_any_language_is_read_without_unknown_tokens(toy_base: Path) -> None:
    tokenizer = Encoder.load(toy_base).tokenizer
    (ids,) = tokenizer.encode(["Schöne Grüße, 映画 и 🎬"])
    unknown = tokenizer._tokenizer.token_to_id("<unk>")
    assert unknown not in ids

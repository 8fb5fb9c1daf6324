from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers.sentence_transformer.modules import Pooling

from fewfit.encoders.config import POOLINGS, DenseLayer
from fewfit.encoders.pooling import load_dense, pool
from fewfit.errors import BaseError

MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]])


@pytest.mark.parametrize("modes", [*((mode,) for mode in POOLINGS), ("cls", "max", "mean")])
def test_pooling_is_that_of_sentence_transformers(modes: tuple[str, ...]) -> None:
    hidden = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    reference = Pooling(5, pooling_mode=list(modes))
    expected = reference({"token_embeddings": hidden, "attention_mask": MASK})["sentence_embedding"]
    torch.testing.assert_close(pool(hidden, MASK, modes), expected)


@pytest.mark.parametrize("mode", POOLINGS)
def test_padding_counts_for_nothing(mode: str) -> None:
    hidden = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    garbage = torch.where(MASK.bool().unsqueeze(-1), hidden, torch.full_like(hidden, 1e6))
    torch.testing.assert_close(pool(garbage, MASK, [mode]), pool(hidden, MASK, [mode]))


def test_a_pooling_that_is_not_known_is_an_error() -> None:
    with pytest.raises(BaseError, match="no pooling 'sum'"):
        pool(torch.zeros(1, 2, 3), torch.ones(1, 2), ["sum"])


def test_dense_weights_that_are_missing_are_an_error(tmp_path: Path) -> None:
    layer = DenseLayer("2_Dense", 4, 2, bias=True, activation="Tanh")
    with pytest.raises(BaseError, match=r"2_Dense/model\.safetensors is missing"):
        load_dense(tmp_path, [layer])


def test_an_activation_that_torch_does_not_have_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "2_Dense").mkdir()
    (tmp_path / "2_Dense" / "model.safetensors").touch()
    with pytest.raises(BaseError, match="activation 'Mish2'"):
        load_dense(tmp_path, [DenseLayer("2_Dense", 4, 2, bias=True, activation="Mish2")])


def test_numbers_that_can_be_checked_by_hand() -> None:
    hidden = torch.tensor([[[1.0], [3.0], [100.0]]])
    mask = torch.tensor([[1, 1, 0]])
    means = {"mean": 2.0, "cls": 1.0, "max": 3.0, "lasttoken": 3.0, "weightedmean": 7 / 3}
    means["mean_sqrt_len_tokens"] = 4 / np.sqrt(2)
    for mode, expected in means.items():
        assert pool(hidden, mask, [mode]).item() == pytest.approx(expected)

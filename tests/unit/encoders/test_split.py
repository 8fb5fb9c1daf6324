from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from fewfit.encoders.config import SPLITTABLE
from fewfit.encoders.encoder import Encoder
from fewfit.encoders.split import Tail, Trunk
from fewfit.errors import BaseError
from fewfit.testing import Architecture, write_toy_base

LAYERS = 4
WHOLE = ("albert", "electra")
TEXTS = [
    "no",
    "how do I change the password of my account",
    "the card was charged twice for one ticket, and the second half of the message is long enough to be cut",
    "",
    "Was für ein schöner Film! 映画がとても良かったです。",
]


@pytest.fixture(scope="module", params=SPLITTABLE)
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return load_toy(request.param, tmp_path_factory.mktemp("base"))


def load_toy(architecture: Architecture, folder: Path, **options: Any) -> Encoder:
    return Encoder.load(write_toy_base(folder / architecture, architecture, layers=LAYERS, **options), device="cpu")


def batch(encoder: Encoder, texts: list[str] = TEXTS) -> tuple[Tensor, Tensor]:
    ids, mask = encoder.tokenizer.pad(encoder.tokenizer.encode(texts))
    return torch.from_numpy(ids), torch.from_numpy(mask)


def split_for_inference(encoder: Encoder, tail_layers: int) -> tuple[Trunk, Tail]:
    trunk, tail = encoder.split(tail_layers)
    tail.eval()
    return trunk, tail


def whole_model(folder: Path, ids: Tensor, mask: Tensor, **options: Any) -> Tensor:
    """The reference: transformers' own model, and a mean taken text by text without any mask."""
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder, **options).eval()
    hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
    means = [row[: int(n)].mean(dim=0) for row, n in zip(hidden, mask.sum(dim=1), strict=True)]
    return torch.nn.functional.normalize(torch.stack(means), dim=-1)


def test_the_toys_cover_every_architecture_that_splits() -> None:
    assert set(get_args(Architecture)) == {*SPLITTABLE, *WHOLE}


@pytest.mark.parametrize("tail_layers", range(LAYERS + 1))
@torch.no_grad()
def test_trunk_then_tail_equals_the_whole_model(encoder: Encoder, tail_layers: int) -> None:
    ids, mask = batch(encoder)
    trunk, tail = split_for_inference(encoder, tail_layers)
    expected = whole_model(encoder.weights.folder, ids, mask)
    torch.testing.assert_close(tail(trunk(ids, mask), mask), expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@torch.no_grad()
def test_both_attention_implementations_equal_the_whole_model(encoder: Encoder, attention: Any) -> None:
    if encoder.config.architecture == "mpnet" and attention == "sdpa":
        pytest.skip("transformers has eager attention alone for MPNet")
    again = Encoder.load(encoder.weights, device="cpu", attention=attention)
    ids, mask = batch(again)
    trunk, tail = split_for_inference(again, 2)
    expected = whole_model(encoder.weights.folder, ids, mask, attn_implementation="eager")
    torch.testing.assert_close(tail(trunk(ids, mask), mask), expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("tail_layers", [0, 2, LAYERS])
@torch.no_grad()
def test_an_embedding_does_not_depend_on_the_batch(encoder: Encoder, tail_layers: int) -> None:
    trunk, tail = split_for_inference(encoder, tail_layers)
    ids, mask = batch(encoder)
    together = tail(trunk(ids, mask), mask)
    for row, text in enumerate(TEXTS):
        alone_ids, alone_mask = batch(encoder, [text])
        alone = tail(trunk(alone_ids, alone_mask), alone_mask)
        torch.testing.assert_close(together[row], alone[0], atol=2e-6, rtol=0)


@torch.no_grad()
def test_what_stands_in_the_padding_changes_nothing(encoder: Encoder) -> None:
    trunk, tail = split_for_inference(encoder, 2)
    ids, mask = batch(encoder)
    hidden = trunk(ids, mask)
    expected = tail(hidden, mask)
    garbage = torch.where(mask.bool().unsqueeze(-1), hidden, torch.full_like(hidden, 1e4))
    torch.testing.assert_close(tail(garbage, mask), expected, atol=2e-6, rtol=0)


def test_all_layers_in_the_tail_leave_the_embeddings_to_the_trunk(encoder: Encoder) -> None:
    trunk, tail = encoder.split(LAYERS)
    ids, mask = batch(encoder)
    with torch.no_grad():
        embedded = encoder._model.embeddings(ids)
    assert torch.equal(trunk(ids, mask), embedded)
    tail_weights = {name for name, _ in tail.named_parameters()}
    assert not any("word_embeddings" in name or "tok_embeddings" in name for name in tail_weights)


def test_training_a_tail_leaves_the_trunk_and_other_tails_alone(encoder: Encoder) -> None:
    trunk, tail = encoder.split(2)
    _, other = encoder.split(2)
    before = {name: value.clone() for name, value in encoder._model.state_dict().items()}
    ids, mask = batch(encoder)
    optimizer = torch.optim.SGD(tail.parameters(), lr=0.1)
    hidden = trunk(ids, mask)
    assert not hidden.requires_grad
    tail.train()
    target = torch.zeros(len(TEXTS), encoder.config.hidden_size)
    target[:, 0] = 1.0
    torch.autograd.backward(torch.nn.functional.mse_loss(tail(hidden, mask), target))
    untouched = [name for name, value in tail.named_parameters() if value.grad is None or not value.grad.any()]
    # A key's bias shifts every score of a query alike, so that softmax takes it out again.
    assert all("key" in name or ".k." in name or "k_lin" in name for name in untouched), untouched
    optimizer.step()
    after = encoder._model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    differs = [not torch.equal(a, b) for a, b in zip(tail.parameters(), other.parameters(), strict=True)]
    assert any(differs)


def test_a_trunk_is_never_in_training_mode_and_has_nothing_to_train(encoder: Encoder) -> None:
    trunk, _ = encoder.split(1)
    trunk.train()
    assert not any(module.training for module in trunk.modules())
    assert not any(parameter.requires_grad for parameter in trunk.parameters())
    ids, mask = batch(encoder)
    assert torch.equal(trunk(ids, mask), trunk(ids, mask))


def test_dropout_is_what_is_asked_for(encoder: Encoder) -> None:
    trunk, tail = encoder.split(2)
    ids, mask = batch(encoder)
    hidden = trunk(ids, mask)
    tail.train()
    tail.set_dropout(0.0)
    assert torch.equal(tail(hidden, mask), tail(hidden, mask))
    tail.set_dropout(0.4)
    assert not torch.equal(tail(hidden, mask), tail(hidden, mask))
    tail.eval()
    assert torch.equal(tail(hidden, mask), tail(hidden, mask))


@pytest.mark.parametrize("attention", ["eager", "auto"])
def test_bf16_autocast_stays_close_and_gives_gradients(encoder: Encoder, attention: Any) -> None:
    again = Encoder.load(encoder.weights, device="cpu", attention=attention)
    trunk, tail = again.split(2)
    tail.set_dropout(0.0)
    ids, mask = batch(again)
    exact = tail(trunk(ids, mask), mask)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = tail(trunk(ids, mask), mask)
    assert rough.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(exact, rough).min() > 0.99
    torch.autograd.backward(rough.sum())
    assert all(p.grad is None or p.grad.isfinite().all() for p in tail.parameters())


def test_the_attention_that_training_uses_gives_the_same_embeddings(encoder: Encoder) -> None:
    trunk, tail = encoder.split(2)
    tail.set_dropout(0.0)
    ids, mask = batch(encoder)
    hidden = trunk(ids, mask)
    trained = tail.train()(hidden, mask)
    with torch.no_grad():
        served = tail.eval()(hidden, mask)
    torch.testing.assert_close(trained, served, atol=2e-6, rtol=0)
    assert encoder._model.config._attn_implementation == ("eager" if encoder.config.architecture == "mpnet" else "sdpa")


def test_a_tail_takes_activations_that_were_kept_in_half_precision(encoder: Encoder) -> None:
    trunk, tail = split_for_inference(encoder, 2)
    ids, mask = batch(encoder)
    hidden = trunk(ids, mask)
    kept = tail(hidden.half(), mask)
    torch.testing.assert_close(kept, tail(hidden, mask), atol=5e-3, rtol=0)


@pytest.mark.parametrize("architecture", WHOLE)
@pytest.mark.parametrize("tail_layers", [0, LAYERS])
@torch.no_grad()
def test_an_architecture_that_is_not_split_is_tuned_whole(
    architecture: Architecture, tail_layers: int, tmp_path: Path
) -> None:
    encoder = load_toy(architecture, tmp_path)
    ids, mask = batch(encoder)
    trunk, tail = split_for_inference(encoder, tail_layers)
    expected = whole_model(encoder.weights.folder, ids, mask)
    torch.testing.assert_close(tail(trunk(ids, mask), mask), expected, atol=2e-6, rtol=0)
    with pytest.raises(BaseError, match="0 or all 4 layers, not 2"):
        encoder.split(2)


@pytest.mark.parametrize("tail_layers", [-1, LAYERS + 1])
def test_a_tail_has_no_more_layers_than_the_base(encoder: Encoder, tail_layers: int) -> None:
    with pytest.raises(ValueError, match="this base has 4 layers"):
        encoder.split(tail_layers)

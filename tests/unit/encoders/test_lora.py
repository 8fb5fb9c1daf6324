from pathlib import Path

import numpy as np
import pytest
import torch

from fewfit.encoders.encoder import Encoder
from fewfit.encoders.export import base_arrays, export_graphs
from fewfit.encoders.graphs import PRECISIONS
from fewfit.encoders.lora import LORA_FIRST, LORA_INPUT, changed_weights, lora_rank, lora_rows, merged
from fewfit.encoders.lora_extraction import extract_lora, freeze_all_but_attention
from fewfit.encoders.portable import pack_weights
from fewfit.encoders.quantize import dequantize, quantize_arrays, rounded_array
from fewfit.encoders.split import Tail
from fewfit.errors import ArtifactError, BaseError
from fewfit.serving.sessions import LowRankTail, SharedTailSession, TrunkSession
from fewfit.testing import Architecture, write_toy_base
from tests.unit.encoders.test_graphs import ALLOWED, TEXTS

RANK = 3
ARCHITECTURES: tuple[Architecture, ...] = ("bert", "mpnet", "xlm-roberta", "roberta", "camembert", "distilbert")


def _changed_tail(encoder: Encoder, tail_layers: int, seed: int, rank: int = RANK) -> Tail:
    """A tail whose attention was changed by matrices of `rank`."""
    _, tail = encoder.split(tail_layers)
    _, base = encoder.split(tail_layers)
    generator = torch.Generator().manual_seed(seed)
    changes = extract_lora(tail, base, rank)
    changed = {name: (0.3 * torch.randn(array.shape, generator=generator)).numpy() for name, array in changes.items()}
    return encoder.tail_of(tail_layers, changed).eval()


def _parameters(encoder: Encoder, tail: Tail, rank: int = RANK) -> dict[str, np.ndarray]:
    _, base = encoder.split(tail.tail_layers)
    return extract_lora(tail, base, rank)


def _embed(encoder: Encoder, tail: Tail, texts: list[str]) -> np.ndarray:
    ids, mask = (torch.from_numpy(array) for array in encoder.tokenizer.pad(encoder.tokenizer.encode(texts)))
    trunk, _ = encoder.split(tail.tail_layers)
    with torch.inference_mode():
        return np.asarray(tail(trunk(ids, mask), mask).numpy())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_only_the_attention_of_its_layers_is_tuned(tmp_path: Path, architecture: Architecture) -> None:
    encoder = Encoder.load(write_toy_base(tmp_path / "base", architecture, layers=4), device="cpu")
    _, tail = encoder.split(2)
    freeze_all_but_attention(tail)
    tuned = [name for name, parameter in tail.named_parameters() if parameter.requires_grad]
    assert len(tuned) == 2 * 4
    assert all("attention" in name and name.endswith(".weight") and "norm" not in name.lower() for name in tuned)


def test_an_unchanged_tail_has_a_change_of_nothing(toy_base: Path) -> None:
    encoder = Encoder.load(toy_base, device="cpu")
    _, tail = encoder.split(2)
    parameters = _parameters(encoder, tail)
    assert lora_rank(parameters) == RANK
    again = encoder.tail_of(2, parameters).eval()
    np.testing.assert_array_equal(_embed(encoder, again, TEXTS), _embed(encoder, tail.eval(), TEXTS))
    assert lora_rank(base_arrays(encoder, 2, "tail")) is None


@pytest.mark.parametrize("rank", [1, RANK, 5, 1000])
def test_the_best_change_of_a_rank_is_found(toy_base: Path, rank: int) -> None:
    encoder = Encoder.load(toy_base, device="cpu")
    tail, (_, base) = _changed_tail(encoder, 2, seed=1, rank=5), encoder.split(2)
    own, tuned = base.state_dict(), tail.state_dict()
    found = encoder.tail_of(2, _parameters(encoder, tail, rank)).state_dict()
    for number in range(2):
        prefix = f"body.layers.{number}.attention"
        parts = [f"{prefix}.self.{name}.weight" for name in ("query", "key", "value")]
        for names in (parts, [f"{prefix}.output.dense.weight"]):
            change = torch.cat([tuned[name] - own[name] for name in names])
            kept = torch.cat([found[name] - own[name] for name in names])
            left, sizes, right = torch.linalg.svd(change, full_matrices=False)
            best = (left[:, :rank] * sizes[:rank]) @ right[:rank]
            torch.testing.assert_close(kept, best, atol=1e-4, rtol=1e-3)


def test_extracting_leaves_the_callers_generator_alone_and_is_the_same_each_time(toy_base: Path) -> None:
    encoder = Encoder.load(toy_base, device="cpu")
    tail = _changed_tail(encoder, 2, seed=1, rank=5)
    torch.manual_seed(3)
    wanted = torch.rand(1)
    torch.manual_seed(3)
    first = _parameters(encoder, tail)
    assert torch.equal(torch.rand(1), wanted)
    for name, array in _parameters(encoder, tail).items():
        np.testing.assert_array_equal(array, first[name])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_one_session_answers_texts_for_different_models_as_torch_answers_each(
    tmp_path: Path, architecture: Architecture
) -> None:
    encoder = Encoder.load(write_toy_base(tmp_path / "base", architecture, layers=4), device="cpu")
    tails = [_changed_tail(encoder, 2, seed) for seed in (1, 2, 3)]
    owners = [0, 1, 2, 0, 1, 2]
    wanted = np.stack([_embed(encoder, tails[owner], [text])[0] for owner, text in zip(owners, TEXTS, strict=True)])
    unchanged = encoder.embed(TEXTS)
    length = np.linalg.norm(wanted, axis=1).max()
    assert np.abs(wanted - unchanged).max() / length > 10 * ALLOWED["fp32"]
    graphs = export_graphs(encoder.weights, encoder.config, 2, RANK)
    ids, mask = encoder.tokenizer.pad(encoder.tokenizer.encode(TEXTS))
    for precision in PRECISIONS:
        hidden = TrunkSession(graphs.trunk[precision], base_arrays(encoder, 2, "trunk")).run(ids, mask)
        shared = SharedTailSession(graphs.low_rank_tail[precision], base_arrays(encoder, 2, "tail"))
        models = [LowRankTail(shared, lora_rows(_parameters(encoder, tail))) for tail in tails]
        found = shared.run_for([models[owner] for owner in owners], hidden, mask)
        assert np.abs(found - wanted).max() / length < 2 * ALLOWED[precision], precision
        for row, owner in enumerate(owners):
            alone = models[owner].run(hidden[row : row + 1], mask[row : row + 1])
            np.testing.assert_allclose(alone[0], found[row], atol=1e-5 * max(1, length), err_msg=precision)


def test_models_come_and_go_and_each_keeps_its_own_rows(toy_base: Path) -> None:
    encoder = Encoder.load(toy_base, device="cpu")
    graphs = export_graphs(encoder.weights, encoder.config, 2, RANK)
    shared = SharedTailSession(graphs.low_rank_tail["fp32"], base_arrays(encoder, 2, "tail"))
    hidden = np.random.default_rng(0).normal(size=(1, 5, encoder.config.hidden_size)).astype(np.float32)
    mask = np.ones((1, 5), dtype=np.int64)
    rows = [lora_rows(_parameters(encoder, _changed_tail(encoder, 2, seed))) for seed in range(5)]
    wanted = [LowRankTail(shared, own).run(hidden, mask) for own in rows]
    assert len(shared.changes.rows) == 2 * len(rows[0])  # each has left when the next one came
    models = {number: LowRankTail(shared, rows[number]) for number in (0, 1, 2)}
    del models[1]
    models |= {number: LowRankTail(shared, rows[number]) for number in (3, 4)}
    for number, model in models.items():
        np.testing.assert_array_equal(model.run(hidden, mask), wanted[number])
    assert len({model.first for model in models.values()}) == len(models)
    assert sum(model.size_bytes for model in models.values()) == 4 * rows[0].nbytes


def test_a_tail_is_found_again_by_its_parameters(toy_base: Path) -> None:
    encoder = Encoder.load(toy_base, device="cpu")
    tail = _changed_tail(encoder, 2, seed=1)
    parameters = _parameters(encoder, tail)
    again = encoder.tail_of(2, parameters).eval()
    np.testing.assert_allclose(_embed(encoder, again, TEXTS), _embed(encoder, tail, TEXTS), atol=1e-5)
    with pytest.raises(ArtifactError, match=r"does not fit the base: it has lora\.1\.out\.lora_a"):
        encoder.tail_of(1, parameters)
    with pytest.raises(ArtifactError, match=r"does not fit the base: it lacks 'lora\.2\.qkv\.lora_a'"):
        encoder.tail_of(3, parameters)
    short = {**parameters, "lora.0.out.lora_b": parameters["lora.0.out.lora_b"][:, :1]}
    with pytest.raises(ArtifactError, match="does not fit the base"):
        encoder.tail_of(2, short)
    with pytest.raises(ValueError, match=r"lora\.0\.out\.b has shape"):
        lora_rows(short)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_base_and_change_make_a_whole_tail(tmp_path: Path, architecture: Architecture) -> None:
    encoder = Encoder.load(write_toy_base(tmp_path / "base", architecture, layers=4), device="cpu")
    tail = _changed_tail(encoder, 2, seed=1)
    wanted = {name: value.numpy() for name, value in tail.state_dict().items()}
    base, parameters = base_arrays(encoder, 2, "tail"), _parameters(encoder, tail)
    found = merged(base, parameters, architecture)
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        np.testing.assert_allclose(value, wanted[name], atol=1e-5, err_msg=name)
    graph = export_graphs(encoder.weights, encoder.config, 2).tail["int8"]
    rounded = quantize_arrays(base, {binding.weight for binding in graph.bindings if binding.form == "scale"})
    for name, value in merged(rounded, parameters, architecture).items():
        if name in wanted:
            np.testing.assert_allclose(value, wanted[name], atol=np.abs(wanted[name]).max() / 127, err_msg=name)
    with pytest.raises(ValueError, match="has shape"):
        merged(base, {**parameters, "lora.0.out.lora_a": parameters["lora.0.out.lora_a"][:, :1]}, architecture)


def test_a_change_smaller_than_a_step_of_int8_is_not_rounded_away(toy_base: Path) -> None:
    encoder = Encoder.load(toy_base, device="cpu")
    tail = _changed_tail(encoder, 2, seed=1)
    small = {name: array * np.float32(0.05) for name, array in _parameters(encoder, tail).items()}
    base, graphs = base_arrays(encoder, 2, "tail"), export_graphs(encoder.weights, encoder.config, 2)
    changed = changed_weights(2, "bert")
    packed = pack_weights("tail", base, graphs.tail["int8"], changed=changed).arrays()
    whole, exact = merged(packed, small, "bert"), merged(base, small, "bert")
    there = total = 0.0
    for name in changed:
        rows, scale = rounded_array(whole, name, smoothed=True)
        wanted, found = exact[name] - base[name], dequantize(rows, scale) - base[name]
        assert np.median(np.abs(wanted) / scale[:, None]) < 0.2
        there, total = there + float((wanted * found).sum()), total + float((wanted**2).sum())
    # Rounding adds noise of its own; that the change is in there is seen in the sum over all values.
    assert there / total == pytest.approx(1, abs=0.2)


def test_only_the_graph_for_many_models_reads_them_from_inputs_of_their_own(toy_base: Path) -> None:
    import onnx

    encoder = Encoder.load(toy_base, device="cpu")
    graphs = export_graphs(encoder.weights, encoder.config, 2, RANK)
    for graph, more in ((graphs.tail["fp32"], set()), (graphs.low_rank_tail["fp32"], {LORA_INPUT, LORA_FIRST})):
        model = onnx.load_model_from_string(graph.model)
        assert {value.name for value in model.graph.input} == {"trunk_output", "attention_mask", *more}
    assert not export_graphs(encoder.weights, encoder.config, 2).low_rank_tail


def test_only_encoders_whose_graphs_are_known_have_low_rank_tails(tmp_path: Path, toy_base: Path) -> None:
    other = Encoder.load(write_toy_base(tmp_path / "base", "modernbert", layers=3), device="cpu")
    assert Encoder.load(toy_base, device="cpu").has_low_rank_form
    assert not other.has_low_rank_form
    with pytest.raises(BaseError, match="low-rank tail of this modernbert encoder cannot be exported"):
        export_graphs(other.weights, other.config, 1, RANK)

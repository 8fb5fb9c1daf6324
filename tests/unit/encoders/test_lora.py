from pathlib import Path

import numpy as np
import pytest
import torch

from fewfit.encoders.encoder import Encoder
from fewfit.encoders.export import base_arrays, export_graphs
from fewfit.encoders.graphs import PRECISIONS
from fewfit.encoders.lora import LORA_INPUT, lora_arrays, lora_rank, lora_vector
from fewfit.encoders.split import Tail
from fewfit.errors import ArtifactError, InputError
from fewfit.serving.sessions import LowRankTail, SharedTailSession, TrunkSession
from fewfit.testing import Architecture, write_toy_base
from tests.unit.encoders.test_graphs import ALLOWED, TEXTS

RANK = 3


def _changed_tail(encoder: Encoder, tail_layers: int, seed: int) -> Tail:
    _, tail = encoder.split(tail_layers)
    tail.add_lora(RANK, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in tail.named_parameters():
            if name.endswith("lora_b"):
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return tail.eval()


def _parameters(tail: Tail) -> dict[str, np.ndarray]:
    return lora_arrays({name: value.detach().numpy() for name, value in tail.state_dict().items()})


def _embed(encoder: Encoder, tail: Tail, texts: list[str]) -> np.ndarray:
    ids, mask = (torch.from_numpy(array) for array in encoder.tokenizer.pad(encoder.tokenizer.encode(texts)))
    trunk, _ = encoder.split(tail.tail_layers)
    with torch.inference_mode():
        return np.asarray(tail(trunk(ids, mask), mask).numpy())


def test_low_rank_matrices_change_nothing_until_they_are_trained(toy_base: Path) -> None:
    encoder = Encoder.load(toy_base, device="cpu")
    _, plain = encoder.split(2)
    _, tail = encoder.split(2)
    tail.add_lora(RANK, seed=0)
    np.testing.assert_array_equal(_embed(encoder, tail.eval(), TEXTS), _embed(encoder, plain.eval(), TEXTS))
    trained = {name for name, parameter in tail.named_parameters() if parameter.requires_grad}
    assert trained == set(_parameters(tail))
    assert lora_rank(_parameters(tail)) == RANK
    assert lora_rank(base_arrays(encoder, 2, "tail")) is None


@pytest.mark.parametrize("architecture", ["bert", "mpnet", "xlm-roberta", "roberta", "camembert", "distilbert"])
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
        shared = SharedTailSession(graphs.tail[precision], base_arrays(encoder, 2, "tail"))
        models = [LowRankTail(shared, lora_vector(_parameters(tail))) for tail in tails]
        found = shared.run_for([models[owner] for owner in owners], hidden, mask)
        assert np.abs(found - wanted).max() / length < 2 * ALLOWED[precision], precision
        for row, owner in enumerate(owners):
            alone = models[owner].run(hidden[row : row + 1], mask[row : row + 1])
            np.testing.assert_allclose(alone[0], found[row], atol=1e-5 * max(1, length), err_msg=precision)


def test_a_tail_is_found_again_by_its_parameters(toy_base: Path) -> None:
    encoder = Encoder.load(toy_base, device="cpu")
    tail = _changed_tail(encoder, 2, seed=1)
    again = encoder.tail_of(2, _parameters(tail)).eval()
    np.testing.assert_array_equal(_embed(encoder, again, TEXTS), _embed(encoder, tail, TEXTS))
    parameters = _parameters(tail)
    with pytest.raises(ArtifactError, match="does not fit the base"):
        encoder.tail_of(1, parameters)
    with pytest.raises(ValueError, match=r"lora\.0\.out\.b has shape"):
        lora_vector({**parameters, "lora.0.out.lora_b": parameters["lora.0.out.lora_b"][:, :1]})


def test_the_graph_reads_the_models_from_an_input_of_its_own(toy_base: Path) -> None:
    import onnx

    encoder = Encoder.load(toy_base, device="cpu")
    for rank, inputs in ((None, 2), (RANK, 3)):
        model = onnx.load_model_from_string(export_graphs(encoder.weights, encoder.config, 2, rank).tail["fp32"].model)
        assert len(model.graph.input) == inputs
        assert (LORA_INPUT in {value.name for value in model.graph.input}) == (rank is not None)


def test_only_encoders_of_known_names_have_low_rank_tails(tmp_path: Path, toy_base: Path) -> None:
    encoder = Encoder.load(write_toy_base(tmp_path / "base", "modernbert", layers=3), device="cpu")
    _, tail = encoder.split(1)
    with pytest.raises(InputError, match=r"lora_rank is 3; a tail of 1 layers of a modernbert encoder"):
        tail.add_lora(RANK, seed=0)
    _, nothing = Encoder.load(toy_base, device="cpu").split(0)
    with pytest.raises(InputError, match="has no low-rank form"):
        nothing.add_lora(RANK, seed=0)

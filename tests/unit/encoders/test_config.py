import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from fewfit.encoders.bases import known_bases
from fewfit.encoders.config import EncoderConfig, read_config
from fewfit.encoders.weights import Weights, locate
from fewfit.errors import BaseError
from fewfit.testing import Architecture, write_toy_base


def config_of(folder: Path) -> EncoderConfig:
    return read_config(locate(folder))


def edit(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text())
    content.update(changes)
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


@pytest.mark.parametrize(
    ("architecture", "positions", "tokens"),
    [
        ("bert", 512, 512),
        ("bert", 128, 128),
        ("bert", 2048, 512),
        ("distilbert", 512, 512),
        ("roberta", 514, 512),
        ("roberta", 130, 128),
        ("mpnet", 130, 128),
        ("xlm-roberta", 514, 512),
        ("xlm-roberta", 8194, 512),
        ("camembert", 514, 512),
        ("mpnet", 514, 512),
        ("modernbert", 8192, 512),
    ],
)
def test_a_base_reads_what_its_positions_allow_and_no_more_than_512(
    architecture: Architecture, positions: int, tokens: int, tmp_path: Path
) -> None:
    folder = write_toy_base(tmp_path / "base", architecture, layers=1, plain=True)
    edit(folder / "config.json", max_position_embeddings=positions)
    (folder / "tokenizer_config.json").unlink()
    config = config_of(folder)
    assert (config.max_positions, config.max_length) == (tokens, tokens)


def test_shape_pooling_and_prefix_come_from_the_folder(tmp_path: Path) -> None:
    folder = write_toy_base(
        tmp_path / "base", "mpnet", hidden=16, layers=3, pooling=["cls", "mean"], dense=8, normalize=False, prefix="q: "
    )
    config = config_of(folder)
    assert (config.architecture, config.n_layers, config.hidden_size, config.embedding_size) == ("mpnet", 3, 16, 8)
    assert (config.pooling, config.normalize, config.prefix) == (("cls", "mean"), False, "q: ")
    assert [(layer.in_features, layer.out_features, layer.activation) for layer in config.dense] == [(32, 8, "Tanh")]


def test_two_poolings_make_an_embedding_twice_as_wide(tmp_path: Path) -> None:
    folder = write_toy_base(tmp_path / "base", layers=1, hidden=16, pooling=["max", "mean"])
    assert config_of(folder).embedding_size == 32


def test_the_newer_way_to_write_the_pooling_is_read(tmp_path: Path) -> None:
    folder = write_toy_base(tmp_path / "base", layers=1)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": "cls"}))
    assert config_of(folder).pooling == ("cls",)


def test_a_transformers_folder_is_averaged_and_not_normalised(tmp_path: Path) -> None:
    config = config_of(write_toy_base(tmp_path / "base", layers=1, plain=True))
    assert (config.pooling, config.normalize, config.prefix, config.dense) == (("mean",), False, "", ())


def test_a_limit_of_1e30_is_no_limit(tmp_path: Path) -> None:
    folder = write_toy_base(tmp_path / "base", layers=1, plain=True)
    edit(folder / "tokenizer_config.json", model_max_length=10**30)
    assert config_of(folder).max_length == 64


def test_a_known_base_is_as_registered_even_in_a_bare_folder(tmp_path: Path) -> None:
    base = known_bases()["multilingual"]
    folder = write_toy_base(tmp_path / "base", layers=1, max_tokens=512, plain=True)
    config = read_config(Weights("multilingual", folder, "0" * 64, "a test", base))
    assert (config.prefix, config.normalize, config.max_length) == ("query: ", True, 512)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": None}, "has no model_type"),
        ({"is_encoder_decoder": True}, r"encoder-decoder \(bert\)"),
        ({"num_hidden_layers": None}, "does not say num_hidden_layers or n_layers"),
        ({"vocab_size": None}, "does not say vocab_size"),
    ],
)
def test_what_is_no_text_encoder_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    folder = write_toy_base(tmp_path / "base", layers=1)
    edit(folder / "config.json", **changes)
    with pytest.raises(BaseError, match=message):
        config_of(folder)


def module(idx: int, path: str, kind: str) -> dict[str, Any]:
    return {"idx": idx, "name": str(idx), "path": path, "type": f"sentence_transformers.models.{kind}"}


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ([module(0, "", "Transformer"), module(1, "1_WeightedLayerPooling", "WeightedLayerPooling")], "at position 1"),
        ([module(0, "0_Transformer", "Transformer")], "keeps its encoder in the subfolder '0_Transformer'"),
        ([module(0, "", "CLIPModel")], "CLIPModel"),
        ({"0": "Transformer"}, "holds dict, expected a list"),
    ],
)
def test_a_module_that_fewfit_does_not_know_is_an_error(modules: Any, message: str, tmp_path: Path) -> None:
    folder = write_toy_base(tmp_path / "base", layers=1)
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(BaseError, match=message):
        config_of(folder)


@pytest.mark.parametrize(
    ("pooling", "message"),
    [({"pooling_mode": "sum"}, "the pooling 'sum'"), ({"include_prompt": False}, "leaves the prompt out")],
)
def test_a_pooling_that_fewfit_does_not_know_is_an_error(pooling: Any, message: str, tmp_path: Path) -> None:
    folder = write_toy_base(tmp_path / "base", layers=1)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    with pytest.raises(BaseError, match=message):
        config_of(folder)


@pytest.mark.parametrize("name", ["config.json", "modules.json"])
def test_a_file_that_is_not_json_is_named(name: str, tmp_path: Path) -> None:
    folder = write_toy_base(tmp_path / "base", layers=1)
    (folder / name).write_text("{")
    with pytest.raises(BaseError, match=rf"{name} is not JSON"):
        config_of(folder)


def test_a_configuration_cannot_be_changed_by_accident(toy_base: Path) -> None:
    config = config_of(toy_base)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.max_length = 3  # type: ignore[misc]

"""Channels of activations that are far larger than the others cost int8 no precision."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fewfit.encoders.encoder import Encoder
from fewfit.encoders.export import base_arrays, export_graphs
from fewfit.encoders.portable import pack_weights
from fewfit.encoders.smoothing import smoothing_of
from fewfit.serving.sessions import TailSession, TrunkSession
from fewfit.testing import Architecture, write_toy_base
from tests.unit.encoders.test_graphs import ALLOWED, TEXTS

LOUD = 5


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWFIT_CACHE", str(tmp_path / "cache"))


def _with_a_loud_channel(base: Path) -> Encoder:
    """An encoder in which one channel is far larger than the others wherever a layer reads it."""
    encoder = Encoder.load(base, device="cpu")
    with torch.no_grad():
        for name, parameter in encoder._model.named_parameters():
            if "LayerNorm.weight" in name:
                parameter[LOUD] *= 60
    return encoder


@pytest.mark.parametrize("architecture", ["bert", "mpnet", "distilbert", "modernbert"])
def test_every_linear_map_of_the_layers_has_powers_of_two(tmp_path: Path, architecture: Architecture) -> None:
    encoder = Encoder.load(write_toy_base(tmp_path / "base", architecture, layers=4), device="cpu")
    depth = 2 if encoder.config.splittable else 4
    trunk, tail = encoder.split(depth)
    found = smoothing_of(encoder, depth, TEXTS)
    for part, half in (("trunk", trunk), ("tail", tail)):
        wanted = {
            f"{name}.weight": module.in_features
            for name, module in half.named_modules()
            if isinstance(module, torch.nn.Linear) and name.startswith("body.")
        }
        assert {name: len(factors) for name, factors in found[part].items()} == wanted  # type: ignore[index]
        for factors in found[part].values():  # type: ignore[index]
            np.testing.assert_array_equal(np.log2(factors), np.log2(factors).round())


def test_maps_that_read_the_same_are_smoothed_alike(toy_base: Path) -> None:
    found = smoothing_of(_with_a_loud_channel(toy_base), 2, TEXTS)["trunk"]
    attention = "body.layers.1.attention.self"
    query, key = found[f"{attention}.query.weight"], found[f"{attention}.key.weight"]
    np.testing.assert_array_equal(query, key)
    assert query[LOUD] == query.max() > 4 * np.median(query)


def test_they_are_measured_once(toy_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder.load(toy_base, device="cpu")
    first = smoothing_of(encoder, 2, TEXTS)
    monkeypatch.setattr(Encoder, "split", None)
    again = smoothing_of(encoder, 2, TEXTS)
    for part, factors in first.items():
        assert all(np.array_equal(value, again[part][name]) for name, value in factors.items())


def test_a_cache_that_is_damaged_or_cannot_be_written_is_done_without(
    toy_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder.load(toy_base, device="cpu")
    first = smoothing_of(encoder, 2, TEXTS)
    (kept,) = (tmp_path / "cache" / "smoothing").iterdir()
    kept.write_bytes(b"no safetensors")
    (tmp_path / "file").touch()
    for cache in (tmp_path / "cache", tmp_path / "file"):
        monkeypatch.setenv("FEWFIT_CACHE", str(cache))
        again = smoothing_of(encoder, 2, TEXTS)
        assert all(np.array_equal(value, again["tail"][name]) for name, value in first["tail"].items())


def test_int8_is_nearer_to_full_precision_with_them(toy_base: Path) -> None:
    encoder = _with_a_loud_channel(toy_base)
    graph, arrays = export_graphs(encoder.weights, encoder.config, 2).tail, base_arrays(encoder, 2, "tail")
    smoothing = smoothing_of(encoder, 2, TEXTS)["tail"]
    ids, mask = encoder.tokenizer.pad(encoder.tokenizer.encode(TEXTS))
    trunk = export_graphs(encoder.weights, encoder.config, 2).trunk["fp32"]
    hidden = TrunkSession(trunk, base_arrays(encoder, 2, "trunk")).run(ids, mask)
    exact = TailSession(graph["fp32"], arrays).run(hidden, mask)

    def error(smoothed: dict[str, NDArray[np.float32]] | None) -> float:
        weights = pack_weights("tail", arrays, graph["int8"], smoothed).arrays()
        others = np.delete(TailSession(graph["int8"], weights).run(hidden, mask) - exact, LOUD, axis=1)
        return float(np.sqrt((others**2).mean()))

    assert error(smoothing) < 0.6 * error(None)


def test_nothing_is_smoothed_where_full_precision_serves(toy_base: Path) -> None:
    encoder = Encoder.load(toy_base, device="cpu")
    graph = export_graphs(encoder.weights, encoder.config, 2).trunk["fp32"]
    trunk, smoothing = base_arrays(encoder, 2, "trunk"), smoothing_of(encoder, 2, TEXTS)["trunk"]
    assert pack_weights("trunk", trunk, graph, smoothing).arrays().keys() == trunk.keys()


@pytest.mark.parametrize(
    "architecture",
    ["bert", "mpnet", "distilbert", "xlm-roberta", pytest.param("modernbert", marks=pytest.mark.slow)],
)
def test_smoothed_weights_and_the_graph_that_reads_them_belong_together(
    tmp_path: Path, architecture: Architecture
) -> None:
    encoder = Encoder.load(write_toy_base(tmp_path / "base", architecture, layers=4), device="cpu")
    depth = 2 if encoder.config.splittable else 4
    graphs = export_graphs(encoder.weights, encoder.config, depth)
    # Whatever the factors are, as long as maps that read the same have the same.
    smoothing = {
        part: {name: np.exp2(np.arange(len(value)) % 2).astype(np.float32) for name, value in factors.items()}
        for part, factors in smoothing_of(encoder, depth, TEXTS).items()
    }
    ids, mask = encoder.tokenizer.pad(encoder.tokenizer.encode(TEXTS))
    wanted = encoder.embed(TEXTS)
    for precision in ("int8", "mixed"):
        trunk = pack_weights("trunk", base_arrays(encoder, depth, "trunk"), graphs.trunk[precision], smoothing["trunk"])
        tail = pack_weights("tail", base_arrays(encoder, depth, "tail"), graphs.tail[precision], smoothing["tail"])
        hidden = TrunkSession(graphs.trunk[precision], trunk.arrays()).run(ids, mask)
        found = TailSession(graphs.tail[precision], tail.arrays()).run(hidden, mask)
        assert np.abs(found - wanted).max() / np.linalg.norm(wanted, axis=1).max() < ALLOWED[precision]

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from fewfit.encoders import graphs as graphs_module
from fewfit.encoders.block_graphs import relative_buckets
from fewfit.encoders.encoder import Encoder
from fewfit.encoders.export import ExportedGraphs, base_arrays, export_graphs, self_contained
from fewfit.encoders.graphs import PRECISIONS, Arrays, Graph, Precision
from fewfit.encoders.portable import PortableEncoder, pack_weights
from fewfit.encoders.quantize import Rounded, rounded_array
from fewfit.errors import BaseNotFoundError, DigestError
from fewfit.serving.sessions import TailSession, TrunkSession
from fewfit.testing import Architecture, write_toy_base

TEXTS = ["no", "how do I change the password of my account", "", "Was für ein schöner Film!", "the parcel " * 20, "a b"]
# A random encoder's activations round worse than a trained one's; what int8 costs there is the parity gate's business.
ALLOWED: dict[Precision, float] = {"fp32": 2e-6, "mixed": 0.05, "int8": 0.06}


def _exported(base: Path, tail_layers: int) -> tuple[Encoder, ExportedGraphs, dict[str, NDArray[Any]], dict[str, Any]]:
    encoder = Encoder.load(base, device="cpu")
    _, tail = encoder.split(tail_layers)
    graphs = export_graphs(encoder.weights, encoder.config, tail_layers)
    arrays = base_arrays(encoder, tail_layers, "trunk")
    return encoder, graphs, dict(arrays), {name: value.numpy() for name, value in tail.state_dict().items()}


def _embed(
    encoder: Encoder,
    graphs: tuple[Graph, Graph],
    trunk: Mapping[str, NDArray[Any]],
    tail: Mapping[str, NDArray[Any]],
    texts: list[str],
) -> NDArray[np.float32]:
    ids, mask = encoder.tokenizer.pad(encoder.tokenizer.encode(texts))
    hidden = TrunkSession(graphs[0], trunk).run(ids, mask)
    return TailSession(graphs[1], tail).run(hidden, mask)


def _compare(base: Path, tail_layers: int) -> None:
    encoder, graphs, trunk, tail = _exported(base, tail_layers)
    wanted = encoder.embed(TEXTS)
    length = np.linalg.norm(wanted, axis=1).max()
    for precision in PRECISIONS:
        pair = graphs.trunk[precision], graphs.tail[precision]
        found = _embed(encoder, pair, trunk, tail, TEXTS)
        assert np.abs(found - wanted).max() / length < ALLOWED[precision], precision
        for row in (0, 2, 4):
            alone = _embed(encoder, pair, trunk, tail, [TEXTS[row]])
            np.testing.assert_allclose(
                alone[0], found[row], atol=1e-6 * max(1, length), err_msg=f"{precision}, text {row}"
            )


@pytest.mark.parametrize("architecture", ["bert", "mpnet", "xlm-roberta", "roberta", "camembert", "distilbert"])
@pytest.mark.parametrize("tail_layers", [0, 1, 4])
def test_graphs_compute_what_torch_computes(tmp_path: Path, architecture: Architecture, tail_layers: int) -> None:
    _compare(write_toy_base(tmp_path / "base", architecture, layers=4), tail_layers)


def test_graphs_of_an_encoder_without_normalisation_that_pools_the_first_token(tmp_path: Path) -> None:
    _compare(write_toy_base(tmp_path / "base", pooling="cls", normalize=False), 2)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["modernbert", "albert"])
def test_traced_graphs_compute_what_torch_computes(tmp_path: Path, architecture: Architecture) -> None:
    _compare(write_toy_base(tmp_path / "base", architecture, layers=3), 3)


@pytest.mark.slow
def test_a_dense_layer_and_another_pooling_are_traced(tmp_path: Path) -> None:
    _compare(write_toy_base(tmp_path / "base", "roberta", layers=2, pooling="max", dense=16), 1)


@pytest.mark.parametrize("kept", [True, False])
def test_traced_graphs_are_kept_for_everyone_where_the_cache_can_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, kept: bool
) -> None:
    encoder = Encoder.load(write_toy_base(tmp_path / "base", "modernbert", layers=2), device="cpu")
    _, plain, _, _ = _exported(write_toy_base(tmp_path / "other", layers=2), 1)
    monkeypatch.setattr("fewfit.encoders.export._export", lambda *_: plain)
    cache = tmp_path / "cache"
    if not kept:
        cache.write_text("a file where the cache folder would be")
    monkeypatch.setenv("FEWFIT_CACHE", str(cache))
    assert export_graphs(encoder.weights, encoder.config, 1) == plain
    if kept:
        (folder,) = (path for path in (cache / "graphs").iterdir() if path.is_dir())
        assert folder.stat().st_mode & 0o555 == 0o555


def test_a_graph_holds_no_weights_until_it_is_asked_to(toy_base: Path) -> None:
    encoder, graphs, trunk, tail = _exported(toy_base, 2)
    assert len(graphs.trunk["fp32"].model) < 20_000
    ids, mask = encoder.tokenizer.pad(encoder.tokenizer.encode(TEXTS))
    hidden = TrunkSession(graphs.trunk["fp32"], trunk).run(ids, mask)
    whole = self_contained(graphs.tail["fp32"], tail)
    onnx.checker.check_model(onnx.load_model_from_string(whole))
    found = TailSession(Graph(whole, ()), {}).run(hidden, mask)
    np.testing.assert_array_equal(found, TailSession(graphs.tail["fp32"], tail).run(hidden, mask))


def test_rounded_weights_serve_every_precision(toy_base: Path) -> None:
    encoder, graphs, trunk, tail = _exported(toy_base, 2)
    rounded = pack_weights("trunk", trunk, graphs.trunk["int8"]).arrays()
    assert sum(a.nbytes for a in rounded.values()) < 0.5 * sum(a.nbytes for a in trunk.values())
    pair = graphs.trunk["int8"], graphs.tail["int8"]
    np.testing.assert_array_equal(
        _embed(encoder, pair, rounded, tail, TEXTS), _embed(encoder, pair, trunk, tail, TEXTS)
    )
    full = graphs.trunk["fp32"], graphs.tail["fp32"]
    assert np.abs(_embed(encoder, full, rounded, tail, TEXTS) - encoder.embed(TEXTS)).max() < ALLOWED["int8"]


def test_a_parameter_is_rounded_once(toy_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, graphs, trunk, _ = _exported(toy_base, 2)
    rounded: list[str] = []

    def counting(arrays: Arrays, name: str, *, smoothed: bool, multiplied: bool) -> Rounded:
        rounded.append(name)
        return rounded_array(arrays, name, smoothed=smoothed, multiplied=multiplied)

    monkeypatch.setattr(graphs_module, "rounded_array", counting)
    graphs.trunk["int8"].weights(trunk)
    assert sorted(rounded) == sorted(
        {binding.weight for binding in graphs.trunk["int8"].bindings if binding.form.endswith("scale")}
    )


def test_a_portable_encoder_is_read_as_it_was_written(toy_base: Path, tmp_path: Path) -> None:
    encoder, graphs, trunk, _ = _exported(toy_base, 2)
    weights = pack_weights("trunk", trunk, graphs.trunk["int8"])
    files = PortableEncoder(encoder.config, 2, graphs.trunk, graphs.tail, weights).files()
    content = weights.content()
    (tmp_path / "trunk").write_bytes(content)
    read = PortableEncoder.from_files(files, tmp_path / "trunk")
    assert (read.config, read.tail_layers, read.trunk, read.tail) == (encoder.config, 2, graphs.trunk, graphs.tail)
    assert read.trunk_weights.content() == content
    (tmp_path / "trunk").write_bytes(content + b" ")
    with pytest.raises(DigestError, match=r"trunk's weights have SHA-256"):
        read.trunk_weights.content()


def test_a_slim_encoder_finds_its_trunk_in_the_cache(
    toy_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEWFIT_CACHE", str(tmp_path))
    encoder, graphs, trunk, _ = _exported(toy_base, 2)
    weights = pack_weights("trunk", trunk, graphs.trunk["int8"])
    content = weights.content()
    slim = PortableEncoder(encoder.config, 2, graphs.trunk, graphs.tail, weights).keep_shared()
    assert "trunk.safetensors" not in slim.files()
    assert slim.trunk_weights.content() == content
    monkeypatch.setenv("FEWFIT_CACHE", str(tmp_path / "elsewhere"))
    with pytest.raises(BaseNotFoundError, match="saved without its trunk"):
        slim.trunk_weights.content()


def test_a_damaged_trunk_in_the_cache_is_told_by_its_path_and_replaced_when_a_whole_model_is_kept_again(
    toy_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEWFIT_CACHE", str(tmp_path))
    encoder, graphs, trunk, _ = _exported(toy_base, 2)
    weights = pack_weights("trunk", trunk, graphs.trunk["int8"])
    whole = PortableEncoder(encoder.config, 2, graphs.trunk, graphs.tail, weights)
    slim = whole.keep_shared()
    (kept,) = (tmp_path / "trunks").iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    with pytest.raises(DigestError, match=re.escape(f"copy {kept} again")):
        slim.trunk_weights.content()
    whole.keep_shared()
    assert slim.trunk_weights.content() == weights.content()


def test_buckets_of_relative_positions_are_the_original_ones() -> None:
    from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

    distances = np.arange(-600, 601)
    original: Any = MPNetEncoder.relative_position_bucket
    wanted = original(torch.from_numpy(distances), num_buckets=32)
    np.testing.assert_array_equal(relative_buckets(distances, 32), wanted.numpy())


def test_a_graph_says_which_form_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="'w' has the form 'int3'"):
        Graph.from_parts(b"", [["w", "w", "int3"]])

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewfit.artifact import read_artifact, write_artifact
from fewfit.decision import Calibration, Decision, Head, Kind
from fewfit.errors import ArtifactError
from fewfit.serving import parity, served
from fewfit.serving.parity import ODD_TEXTS, Parity, ServedPrecision, compare, probe_texts
from fewfit.serving.preparing import make_portable
from fewfit.serving.served import ModelLoader
from tests.unit.serving.models import TEXTS, ToyModel


def _decision(kind: Kind) -> Decision:
    head = Head(np.zeros((2, 1), dtype=np.float32), np.zeros(2, dtype=np.float32))
    thresholds = np.array([0.5, 0.9]) if kind == "multi" else None
    return Decision(kind, ("a", "b"), head, Calibration.identity(2), thresholds)


def test_a_small_difference_at_a_small_margin_is_allowed() -> None:
    trained = np.array([[0.51, 0.49], [0.9, 0.1]])
    found = compare(_decision("single"), trained, np.array([[0.49, 0.51], [0.9, 0.1]]), "int8", tolerance=0.05)
    assert (found.agreement, found.overturned, found.holds) == (0.5, 0, True)


def test_a_label_overturned_at_a_large_margin_is_not_allowed() -> None:
    trained = np.array([[0.6, 0.4]] + [[0.9, 0.1]] * 999)
    answers = trained.copy()
    answers[0] = [0.45, 0.55]
    found = compare(_decision("single"), trained, answers, "int8", tolerance=0.05)
    assert found.p99_difference == 0
    assert (found.overturned, found.holds) == (1, False)


def test_multilabel_margins_are_distances_to_the_thresholds() -> None:
    trained = np.array([[0.52, 0.5], [0.3, 0.79]])
    found = compare(_decision("multi"), trained, np.array([[0.49, 0.5], [0.3, 0.92]]), "int8", tolerance=0.05)
    assert (found.agreement, found.overturned) == (0, 1)


@pytest.mark.parametrize("n_labels", [3, 10, 150, 1000])
def test_many_labels_do_not_hide_that_some_differ(n_labels: int) -> None:
    head = Head(np.zeros((n_labels, 1), dtype=np.float32), np.zeros(n_labels, dtype=np.float32))
    decision = Decision("single", tuple(map(str, range(n_labels))), head, Calibration.identity(n_labels))
    trained, answers = (np.full((96, n_labels), (1 - surest) / (n_labels - 1)) for surest in (0.95, 0.55))
    trained[:, 0], answers[:32, 0] = 0.95, 0.55
    answers[32:] = trained[32:]
    found = compare(decision, trained, answers, "int8", tolerance=0.05)
    assert found.p99_difference > 0.3
    assert not found.holds


def test_a_choice_is_overturned_by_the_margin_in_its_own_group() -> None:
    head = Head(np.zeros((4, 1), dtype=np.float32), np.zeros(4, dtype=np.float32))
    decision = Decision("multi", tuple("abcd"), head, Calibration.identity(4), groups=((0, 1), (2, 3)))
    trained = np.array([[0.52, 0.48, 0.95, 0.05]] * 1000)
    answers = trained.copy()
    answers[0] = [0.48, 0.52, 0.95, 0.05]
    assert compare(decision, trained, answers, "int8", tolerance=0.05).overturned == 0
    answers[0] = [0.52, 0.48, 0.05, 0.95]
    assert compare(decision, trained, answers, "int8", tolerance=0.05).overturned == 1


def test_probe_texts_are_no_training_texts_and_cover_odd_ones() -> None:
    texts = [f"this is text number {number} about {topic}" for number in range(30) for topic in ("cards", "films")]
    asked = probe_texts(texts)
    assert len(asked) == 96
    assert set(ODD_TEXTS) <= set(asked)
    assert not set(asked) & set(texts)
    assert probe_texts([]) == list(ODD_TEXTS)


def test_a_comparison_is_kept_as_json() -> None:
    found = compare(_decision("single"), np.array([[0.6, 0.4]]), np.array([[0.6, 0.4]]), "int8")
    assert Parity.from_dict(found.to_dict()) == found


def test_what_does_not_agree_is_saved_in_a_finer_precision(toy: ToyModel) -> None:
    strict = make_portable(toy.bare, toy.encoder, toy.runtime.embed, TEXTS, tolerance=1e-5)
    serving = strict.manifest.serving
    assert serving["precision"] == "fp32"
    assert [entry["holds"] for entry in serving["parity"]] == [False, False, True]
    coarse, mixed, full = (entry["p99_difference"] for entry in serving["parity"])
    assert coarse > mixed > full
    wanted = toy.runtime.embed(TEXTS)
    np.testing.assert_allclose(ModelLoader().load(strict).embed(TEXTS), wanted, atol=1e-6)


def test_nothing_is_saved_that_does_not_agree_in_any_precision(toy: ToyModel) -> None:
    def other(texts: Any) -> np.ndarray:
        return -toy.runtime.embed(texts)

    with pytest.raises(ArtifactError, match="does not answer like the trained one"):
        make_portable(toy.bare, toy.encoder, other, TEXTS)


def _precision_on(toy: ToyModel, cpu: str, monkeypatch: pytest.MonkeyPatch) -> ServedPrecision:
    monkeypatch.setattr(served, "cpu_kind", lambda: cpu)
    return ModelLoader().load(toy.artifact).precision


def test_another_kind_of_cpu_is_asked_again(toy: ToyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "compare", lambda *a, **k: parity.compare(*a, **k, tolerance=0.5))
    assert _precision_on(toy, "another", monkeypatch) == "int8"
    monkeypatch.setattr(served, "compare", lambda *a, **k: parity.compare(*a, **k, tolerance=1e-9))
    assert _precision_on(toy, "another", monkeypatch) == "fp32"
    assert _precision_on(toy, parity.cpu_kind(), monkeypatch) == "int8"


def test_a_portable_model_is_read_as_it_was_written(toy: ToyModel, tmp_path: Path) -> None:
    write_artifact(tmp_path / "model", toy.artifact)
    read = read_artifact(tmp_path / "model")
    assert read.manifest == toy.artifact.manifest
    assert read.probes is not None
    assert toy.artifact.probes is not None
    np.testing.assert_array_equal(read.probes, toy.artifact.probes)
    wanted = ModelLoader().load(toy.artifact).embed(TEXTS)
    np.testing.assert_array_equal(ModelLoader().load(read).embed(TEXTS), wanted)


@pytest.mark.parametrize("name", ["trunk-int8.onnx", "encoder.json", "probes.safetensors", "trunk.safetensors"])
def test_a_changed_part_is_refused(toy: ToyModel, tmp_path: Path, name: str) -> None:
    write_artifact(tmp_path / "model", toy.artifact)
    path = tmp_path / "model" / name
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ArtifactError, match="SHA-256"):
        ModelLoader().load(read_artifact(tmp_path / "model"))


def test_a_precision_that_this_fewfit_does_not_have_is_told(toy: ToyModel) -> None:
    manifest = replace(toy.artifact.manifest, serving={"precision": "int9"})
    with pytest.raises(ArtifactError, match="served in 'int9'; this fewfit has int8, mixed, fp32"):
        ModelLoader().load(replace(toy.artifact, manifest=manifest))


def test_a_model_without_its_onnx_part_says_what_to_do(toy: ToyModel) -> None:
    with pytest.raises(ArtifactError, match="save it again"):
        ModelLoader().load(replace(toy.artifact, portable=None))

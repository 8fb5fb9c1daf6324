import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import fewfit.artifact
from fewfit.artifact import (
    Artifact,
    BaseReference,
    Manifest,
    check_replaceable,
    read_artifact,
    read_manifest,
    write_artifact,
)
from fewfit.decision import Calibration, Decision, Head
from fewfit.errors import ArtifactError
from fewfit.examples import KeptExamples


def _artifact(kind: str = "multi") -> Artifact:
    rng = np.random.default_rng(0)

    def decision() -> Decision:
        head = Head(rng.normal(size=(2, 4)).astype(np.float32), rng.normal(size=2).astype(np.float32))
        calibration = Calibration(np.array([0.5, 0.5]), np.array([0.0, 0.25]))
        thresholds = np.array([0.25, 0.75]) if kind == "multi" else None
        return Decision("multi" if kind == "multi" else "single", ("ja", "nein, 真"), head, calibration, thresholds)

    manifest = Manifest(
        kind="multi" if kind == "multi" else "single",
        labels=("ja", "nein, 真"),
        base=BaseReference("toy", "ab" * 32, "toy", n_layers=4, tail_layers=2),
        max_length=64,
        clean=False,
        tuned=True,
        created_at="2026-01-01T00:00:00Z",
        fewfit_version="0",
        metrics={"out_of_fold": {"tuned": {"accuracy": 0.5}}},
        warnings=["row 3 is doubtful"],
    )
    tail = {"body.weight": rng.normal(size=(4, 4)).astype(np.float32)}
    return Artifact(manifest, decision(), decision(), tail, '{"version": "1.0"}')


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_what_is_written_is_read_again(tmp_path: Path, kind: str) -> None:
    written = _artifact(kind)
    write_artifact(tmp_path / "model", written)
    read = read_artifact(tmp_path / "model")
    assert read.manifest == written.manifest
    assert read.tokenizer == written.tokenizer
    for ours, theirs in ((written.decision, read.decision), (written.frozen, read.frozen)):
        assert ours is not None
        assert theirs is not None
        np.testing.assert_array_equal(ours.head.weight, theirs.head.weight)
        np.testing.assert_array_equal(ours.head.bias, theirs.head.bias)
        np.testing.assert_array_equal(ours.calibration.scale, theirs.calibration.scale)
        np.testing.assert_array_equal(ours.calibration.offset, theirs.calibration.offset)
        assert (ours.thresholds is None) == (theirs.thresholds is None)
    np.testing.assert_array_equal(read.tail["body.weight"], written.tail["body.weight"])


def test_kept_examples_are_read_again_and_checked(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    texts, matrix = ["grüße", "", "日本語"], np.array([[1, 0], [0, 0], [1, 1]], dtype=bool)
    kept = KeptExamples.of(texts, rng.normal(size=(3, 4)), matrix)
    write_artifact(tmp_path / "model", replace(_artifact(), examples=kept, frozen=None))
    read = read_artifact(tmp_path / "model")
    assert read.frozen is None
    assert read.examples is not None
    assert read.examples.texts == tuple(texts)
    np.testing.assert_array_equal(read.examples.matrix, matrix)
    np.testing.assert_array_equal(read.examples.embeddings, kept.embeddings)
    assert read_artifact(tmp_path / "model", examples=False).examples is None
    path = tmp_path / "model" / "examples.safetensors"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ArtifactError, match=r"examples.safetensors was changed"):
        read_artifact(tmp_path / "model")


def test_a_model_from_before_there_were_windows_cuts(tmp_path: Path) -> None:
    write_artifact(tmp_path / "model", replace(_artifact(), manifest=replace(_artifact().manifest, windows=8)))
    assert read_manifest(tmp_path / "model").windows == 8
    path = tmp_path / "model" / "model.json"
    data = json.loads(path.read_text())
    del data["windows"]
    path.write_text(json.dumps(data))
    assert read_artifact(tmp_path / "model").manifest.windows == 1


def test_the_manifest_alone_can_be_read(tmp_path: Path) -> None:
    write_artifact(tmp_path / "model", _artifact())
    assert read_manifest(tmp_path / "model").labels == ("ja", "nein, 真")


def test_an_older_model_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_artifact(tmp_path / "model", _artifact("single"))
    write_artifact(tmp_path / "model", _artifact("multi"))
    assert read_manifest(tmp_path / "model").kind == "multi"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_of_two_that_save_to_one_folder_at_once_both_succeed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    model = tmp_path / "model"
    write_artifact(model, _artifact("single"))
    really = Path.rename

    def meanwhile(self: Path, to: Path) -> Path:
        if self != model:
            return really(self, to)
        monkeypatch.setattr(Path, "rename", really)  # the older model is about to be moved out of the way
        if when == "before":
            shutil.rmtree(model)
            return really(self, to)
        moved = really(self, to)
        write_artifact(model, _artifact("single"))
        return moved

    monkeypatch.setattr(Path, "rename", meanwhile)
    write_artifact(model, _artifact("multi"))
    assert read_manifest(model).kind == "multi"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_is_no_model_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ArtifactError, match="is not a fewfit model"):
        write_artifact(tmp_path, _artifact())
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("content", ["{}", '{"files": {}}', "[1]", "not JSON", '{"schema_version": 1, "files": null}'])
def test_a_folder_with_another_programs_model_json_is_left_alone(tmp_path: Path, content: str) -> None:
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(ArtifactError, match="is not a fewfit model"):
        write_artifact(tmp_path, _artifact())
    assert (tmp_path / "model.json").read_text() == content


def test_a_model_with_files_of_others_in_its_folder_is_left_alone(tmp_path: Path) -> None:
    write_artifact(tmp_path / "model", _artifact("single"))
    (tmp_path / "model" / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError, match=r"notes\.txt"):
        write_artifact(tmp_path / "model", _artifact("multi"))
    assert read_manifest(tmp_path / "model").kind == "single"
    assert (tmp_path / "model" / "notes.txt").read_text() == "mine"


def test_a_mount_point_is_refused_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (tmp_path / "link").symlink_to(volume)
    monkeypatch.setattr("os.path.ismount", lambda path: path == volume.resolve())
    for folder in (volume, tmp_path / "link"):
        with pytest.raises(ArtifactError, match=r"is a mount point.*such as .*/model\."):
            check_replaceable(folder)
    check_replaceable(volume / "model")


def test_the_folder_that_the_program_is_in_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for place in (Path(), folder, Path("../here")):
        with pytest.raises(ArtifactError, match=r"the folder that fewfit runs in.* such as .*model"):
            write_artifact(place, _artifact())
    assert list(tmp_path.rglob("*")) == [folder]
    write_artifact("model", _artifact())
    assert [path.name for path in folder.iterdir()] == ["model"]


def test_a_link_to_a_model_stays_a_link(tmp_path: Path) -> None:
    write_artifact(tmp_path / "model", _artifact("single"))
    (tmp_path / "link").symlink_to(tmp_path / "model")
    write_artifact(tmp_path / "link", _artifact("multi"))
    assert (tmp_path / "link").is_symlink()
    assert read_manifest(tmp_path / "model").kind == "multi"


def test_an_interrupted_write_leaves_the_old_model_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_artifact(tmp_path / "model", _artifact("single"))
    written = 0
    really = fewfit.artifact._write_durably

    def interrupted(path: Path, content: bytes) -> None:
        nonlocal written
        written += 1
        if written == 3:
            raise KeyboardInterrupt
        really(path, content)

    monkeypatch.setattr(fewfit.artifact, "_write_durably", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_artifact(tmp_path / "model", _artifact("multi"))
    assert read_artifact(tmp_path / "model").manifest.kind == "single"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, PermissionError])
@pytest.mark.parametrize("n_renamed", [0, 1])
def test_what_stops_between_the_renames_leaves_the_old_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupt: type[BaseException], n_renamed: int
) -> None:
    write_artifact(tmp_path / "model", _artifact("single"))
    renamed = 0
    really = Path.rename

    def interrupted(path: Path, target: Path) -> Path:
        nonlocal renamed
        renamed += 1
        if renamed == n_renamed + 1:
            raise interrupt
        return really(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(interrupt):
        write_artifact(tmp_path / "model", _artifact("multi"))
    assert read_artifact(tmp_path / "model").manifest.kind == "single"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("name", ["tail.safetensors", "head.safetensors", "tokenizer.json"])
def test_a_changed_file_is_noticed(tmp_path: Path, name: str) -> None:
    write_artifact(tmp_path / "model", _artifact())
    content = bytearray((tmp_path / "model" / name).read_bytes())
    content[-1] ^= 1
    (tmp_path / "model" / name).write_bytes(content)
    with pytest.raises(ArtifactError, match="was changed after the model was saved"):
        read_artifact(tmp_path / "model")


@pytest.mark.parametrize("name", ["tail.safetensors", "head.safetensors", "tokenizer.json", "model.json"])
def test_a_missing_file_is_noticed(tmp_path: Path, name: str) -> None:
    write_artifact(tmp_path / "model", _artifact())
    (tmp_path / "model" / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        read_artifact(tmp_path / "model")


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ({"schema_version": 99}, "schema version 99"),
        ({"kind": "neither"}, "'neither'"),
        ({"labels": ["only one"]}, "1 labels"),
        ({"windows": 0}, "windows is 0"),
        ({"files": {}}, "KeyError"),
        ({"base": {"name": "x"}}, "cannot be understood"),
        ({"max_length": 1e999}, "Infinity, which is no number"),
        ({"decision": {"scale": [1, float("nan")], "offset": [0, 0], "thresholds": [0.5, 0.5]}}, "NaN"),
        ({"decision": {"scale": [[1], [1]], "offset": [0, 0], "thresholds": [0.5, 0.5]}}, "shape (2, 1)"),
    ],
)
def test_a_manifest_that_cannot_be_true_is_refused(tmp_path: Path, change: dict[str, object], fragment: str) -> None:
    write_artifact(tmp_path / "model", _artifact())
    path = tmp_path / "model" / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ArtifactError) as caught:
        read_artifact(tmp_path / "model")
    assert fragment in str(caught.value)


def test_a_number_that_is_too_large_for_any_is_refused(tmp_path: Path) -> None:
    write_artifact(tmp_path / "model", _artifact())
    path = tmp_path / "model" / "model.json"
    whole = path.read_text()
    path.write_text(whole.replace('"max_length": 64', '"max_length": 1e999'))
    with pytest.raises(ArtifactError, match="cannot be understood"):
        read_artifact(tmp_path / "model")
    path.write_text(whole.replace("0.75", "1e999"))
    with pytest.raises(ArtifactError, match="thresholds has values that are no finite numbers"):
        read_artifact(tmp_path / "model")


def test_a_model_that_is_saved_again_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_artifact(tmp_path / "model", _artifact())
    really = fewfit.artifact._check

    def gone(path: Path, expected: str) -> None:
        monkeypatch.setattr(fewfit.artifact, "_check", really)
        shutil.rmtree(tmp_path / "model")
        try:
            really(path, expected)
        finally:
            write_artifact(tmp_path / "model", _artifact())

    monkeypatch.setattr(fewfit.artifact, "_check", gone)
    assert read_artifact(tmp_path / "model").manifest == _artifact().manifest


@pytest.mark.parametrize("at", ["tail.safetensors", "head.safetensors", "tokenizer.json"])
def test_a_model_that_is_replaced_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    older = _artifact("single")
    newer = replace(_artifact("multi"), tail={"body.weight": np.ones((4, 4), dtype=np.float32)})
    write_artifact(tmp_path / "model", older)
    really = fewfit.artifact._check

    def replaced_after(path: Path, expected: str) -> None:
        really(path, expected)
        if path.name == at:
            monkeypatch.setattr(fewfit.artifact, "_check", really)
            write_artifact(tmp_path / "model", newer)

    monkeypatch.setattr(fewfit.artifact, "_check", replaced_after)
    read = read_artifact(tmp_path / "model")
    assert read.manifest == newer.manifest
    np.testing.assert_array_equal(read.tail["body.weight"], newer.tail["body.weight"])


@pytest.mark.parametrize("content", ["", "[]", "{", '{"labels": []}', "\x00", "[" * 100_000])
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(ArtifactError):
        read_artifact(tmp_path)


def test_which_layers_are_the_tail_is_said_in_words() -> None:
    base = BaseReference(name="toy", digest="0" * 64, source="toy", n_layers=6, tail_layers=4)
    assert base.tail_in_words == "the upper 4 of 6 layers"
    assert replace(base, tail_layers=6).tail_in_words == "all 6 layers"

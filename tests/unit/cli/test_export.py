import json
from pathlib import Path

import onnxruntime as ort

from tests.unit.cli.conftest import Run


def test_a_model_becomes_one_file(run: Run, tag_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "tags.onnx"

    ran = run("export", tag_model, "-o", path, "--json")

    assert ran.exit_code == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert said["precision"] == "fp32"
    assert said["holds"]
    assert said["size_bytes"] == path.stat().st_size
    assert [entry.name for entry in tmp_path.iterdir()] == ["tags.onnx"]
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [entry.name for entry in session.get_inputs()] == ["input_ids", "attention_mask"]
    assert json.loads(session.get_modelmeta().custom_metadata_map["labels"]) == ["card", "parcel", "urgent"]


def test_another_ending_is_refused(run: Run, model: Path, tmp_path: Path) -> None:
    ran = run("export", model, "-o", tmp_path / "model.bin")

    assert ran.exit_code == 3
    assert "does not end in .onnx" in ran.stderr
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_to_is_told_before_the_work(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    # The model is not even looked at: there is none.
    ran = run("export", tmp_path / "none", "-o", tmp_path / "file" / "model.onnx")

    assert ran.exit_code == 5
    assert "model.onnx cannot be made" in ran.stderr

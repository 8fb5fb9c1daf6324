import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from google.protobuf.message import EncodeError

from fewfit.decision import Calibration, Decision, Head, Kind, Rejection, likeness
from fewfit.encoders.graphs import PRECISIONS, Precision
from fewfit.errors import ArtifactError, InputError
from fewfit.serving import export_onnx
from fewfit.serving.preparing import make_portable
from fewfit.serving.served import ModelLoader
from fewfit.testing import write_toy_base
from tests.unit.serving.models import NEAR, TEXTS, ToyModel, cosines


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("kind", ["single", "multi"])
def test_one_file_answers_like_the_model(toy_base: Path, tmp_path: Path, kind: Kind, precision: Precision) -> None:
    toy = ToyModel(toy_base, kind=kind)
    path = tmp_path / "model.onnx"
    parity = export_onnx(toy.artifact, path, precision=precision, tolerance=0.5)
    assert parity.holds
    assert parity.precision == precision
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    ids, mask = toy.encoder.tokenizer.pad(toy.encoder.tokenizer.encode(TEXTS))
    embeddings, confidences = session.run(["embedding", "confidences"], {"input_ids": ids, "attention_mask": mask})
    # The trunk in the artifact is rounded to int8, whatever the graph computes in.
    assert cosines(np.asarray(embeddings), toy.runtime.embed(TEXTS)).min() > NEAR
    decided = toy.artifact.decision.probabilities(np.asarray(embeddings))
    np.testing.assert_allclose(np.asarray(confidences), decided, atol=1e-5)
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["labels"]) == list(toy.artifact.decision.labels)
    assert json.loads(metadata["thresholds"]) == (None if kind == "single" else [0.4, 0.5, 0.6])


DOCS = Path(__file__).parents[3] / "docs" / "export.md"
# Other packages of fewfit's are as good as not there.
ALONE = """
import sys
for name in ("fewfit", "torch", "transformers", "onnx", "sklearn"):
    sys.modules[name] = None
names = {}
exec(sys.argv[1], names)
import json
print(json.dumps(names["classify"](json.loads(sys.argv[2]))))
"""


def _decided(decision: Decision, how: str, embeddings: np.ndarray) -> Decision:
    """A decision that is so sure of every window that its confidences say nothing of its logits, and one of a kind."""
    head = Head(decision.head.weight * 60, decision.head.bias)
    if how == "groups":
        labels = ("about: parcel", "tone: calm", "about: card", "tone: upset")
        head = Head(np.concatenate([head.weight, -head.weight[:1]]), np.append(head.bias, np.float32(0)))
        return Decision("multi", labels, head, Calibration.identity(4), groups=((0, 2), (1, 3)))
    if how == "rejecting":
        references = embeddings[:2] / np.linalg.norm(embeddings[:2], axis=1, keepdims=True)
        threshold = float(np.median(likeness(embeddings, references)))
        return replace(decision, head=head, rejection=Rejection(0.05, threshold, references))
    return replace(decision, head=head)


@pytest.mark.parametrize("how", ["single", "multi", "groups", "rejecting"])
@pytest.mark.parametrize(("prefix", "windows"), [("", 1), ("query: ", 1), ("query: ", 3)])
def test_the_documented_program_answers_without_fewfit(tmp_path: Path, how: str, prefix: str, windows: int) -> None:
    kind: Kind = "multi" if how == "multi" else "single"
    toy = ToyModel(write_toy_base(tmp_path / "base", prefix=prefix, max_tokens=24), kind=kind, windows=windows)
    decision = _decided(toy.bare.decision, how, toy.runtime.embed(TEXTS))
    manifest = replace(toy.bare.manifest, kind=decision.kind, labels=decision.labels)
    bare = replace(toy.bare, manifest=manifest, decision=decision, frozen=decision)
    artifact = make_portable(bare, toy.encoder, toy.runtime.embed, TEXTS, tolerance=1)
    export_onnx(artifact, tmp_path / "tickets.onnx", tolerance=1)
    (program,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), flags=re.DOTALL)
    # Three windows that say different things.
    several = " ".join(f"{TEXTS[0]} " * 2 + f"{TEXTS[4]} " * 2 + f"{TEXTS[8]} " * 2)
    texts = [*TEXTS, several, "one of the longest texts there are " * 20, "  spaces around  "]
    command = [sys.executable, "-I", "-W", "error", "-c", ALONE, program, json.dumps(texts)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    answers = json.loads(ran.stdout.splitlines()[-1])
    embeddings = ModelLoader().load(artifact, "fp32").embed(texts)
    given = decision.matrix(decision.probabilities(embeddings))
    rejected = decision.rejects(embeddings)
    wanted = [[decision.labels[column] for column in np.flatnonzero(row)] for row in given]
    if how in ("single", "rejecting"):
        assert answers == [None if out else labels[0] for out, labels in zip(rejected, wanted, strict=True)]
        assert rejected.any() == (how == "rejecting")
        assert not rejected.all()
    else:
        assert [sorted(labels) for labels in answers] == [sorted(labels) for labels in wanted]


def test_windows_are_put_together_as_the_model_does_however_sure_each_is(tmp_path: Path) -> None:
    toy = ToyModel(write_toy_base(tmp_path / "base", max_tokens=24), windows=3)
    bare = replace(toy.bare, decision=_decided(toy.bare.decision, "single", np.zeros(0)))
    artifact = make_portable(bare, toy.encoder, toy.runtime.embed, TEXTS, tolerance=1)
    export_onnx(artifact, tmp_path / "model.onnx", tolerance=1)
    session = ort.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    (windows,) = toy.encoder.tokenizer.windows([" ".join(TEXTS)], most=3, max_length=24)
    assert len(windows) > 1
    found = []
    for ids in windows:
        feeds = {"input_ids": np.array([ids]), "attention_mask": np.ones((1, len(ids)), dtype=np.int64)}
        found.append(session.run(["logits", "confidences"], feeds))
    assert max(confidences.max() for _, confidences in found) == 1.0  # its logits cannot be had from it
    logits = np.average([logits[0] for logits, _ in found], axis=0, weights=[len(ids) for ids in windows])
    served = ModelLoader().load(artifact, "fp32").embed([" ".join(TEXTS)])
    assert np.abs(logits - artifact.decision.head.logits(served)[0]).max() < 1e-3 * np.abs(logits).max()


def test_what_does_not_answer_like_the_model_is_not_written(toy: ToyModel, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"an older one")
    with pytest.raises(ArtifactError, match=r"differ by 0\.\d+ .*Nothing was written"):
        export_onnx(toy.artifact, path, precision="int8", tolerance=1e-9)
    assert path.read_bytes() == b"an older one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_model_from_before_there_was_mixed_says_what_it_can_be_exported_in(tmp_path: Path) -> None:
    golden = Path(__file__).parents[2] / "golden" / "model-v1"
    with pytest.raises(ArtifactError, match=r"did not have mixed\. Export it in fp32 or int8"):
        export_onnx(golden, tmp_path / "model.onnx", precision="mixed")
    assert export_onnx(golden, tmp_path / "model.onnx", precision="int8").holds


def test_a_model_that_no_onnx_file_can_hold_is_told(
    toy: ToyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: object) -> bytes:
        raise EncodeError("Failed to serialize proto")

    monkeypatch.setattr("fewfit.encoders.export.self_contained", too_large)
    with pytest.raises(ArtifactError, match=r"at most 2 GB.*Export it in int8"):
        export_onnx(toy.artifact, tmp_path / "model.onnx")


def test_the_file_is_an_onnx_file_by_its_name(toy: ToyModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"does not end in \.onnx"):
        export_onnx(toy.artifact, tmp_path / "model")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_others_can_read_the_file_as_any_other_one(toy: ToyModel, tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    export_onnx(toy.artifact, tmp_path / "model.onnx", tolerance=0.5)
    assert (tmp_path / "model.onnx").stat().st_mode == (tmp_path / "other").stat().st_mode
    (tmp_path / "model.onnx").chmod(0o640)
    export_onnx(toy.artifact, tmp_path / "model.onnx", tolerance=0.5)
    assert (tmp_path / "model.onnx").stat().st_mode & 0o777 == 0o640

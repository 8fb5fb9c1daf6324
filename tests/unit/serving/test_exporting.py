import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from fewfit.decision import Kind
from fewfit.encoders.graphs import PRECISIONS, Precision
from fewfit.errors import ArtifactError, InputError
from fewfit.serving import export_onnx
from fewfit.serving.served import ModelLoader
from fewfit.testing import write_toy_base
from tests.unit.serving.models import TEXTS, ToyModel


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
    (confidences,) = session.run(["confidences"], {"input_ids": ids, "attention_mask": mask})
    wanted = toy.artifact.decision.probabilities(toy.runtime.embed(TEXTS))
    # The trunk in the artifact is rounded to int8, whatever the graph computes in.
    assert np.abs(np.asarray(confidences) - wanted).max() < 0.06
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


@pytest.mark.parametrize("kind", ["single", "multi"])
@pytest.mark.parametrize(("prefix", "windows"), [("", 1), ("query: ", 1), ("query: ", 3)])
def test_the_documented_program_answers_without_fewfit(tmp_path: Path, kind: Kind, prefix: str, windows: int) -> None:
    toy = ToyModel(write_toy_base(tmp_path / "base", prefix=prefix, max_tokens=24), kind=kind, windows=windows)
    export_onnx(toy.artifact, tmp_path / "tickets.onnx", tolerance=0.5)
    (program,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), flags=re.DOTALL)
    texts = [*TEXTS, "one of the longest texts there are " * 20, "  spaces around  "]
    command = [sys.executable, "-I", "-W", "error", "-c", ALONE, program, json.dumps(texts)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    answers = json.loads(ran.stdout.splitlines()[-1])
    decision = toy.artifact.decision
    confidences = decision.probabilities(ModelLoader().load(toy.artifact, "fp32").embed(texts))
    given = decision.matrix(confidences)
    wanted = [[decision.labels[column] for column in np.flatnonzero(row)] for row in given]
    assert answers == ([labels[0] for labels in wanted] if kind == "single" else wanted)


def test_what_does_not_answer_like_the_model_is_not_written(toy: ToyModel, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"an older one")
    with pytest.raises(ArtifactError, match=r"differ by 0\.\d+ .*Nothing was written"):
        export_onnx(toy.artifact, path, precision="int8", tolerance=1e-9)
    assert path.read_bytes() == b"an older one"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_is_an_onnx_file_by_its_name(toy: ToyModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"does not end in \.onnx"):
        export_onnx(toy.artifact, tmp_path / "model")

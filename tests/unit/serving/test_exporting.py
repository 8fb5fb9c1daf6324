import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from fewfit.decision import Kind
from fewfit.encoders.graphs import PRECISIONS, Precision
from fewfit.serving import export_onnx
from tests.unit.serving.models import TEXTS, ToyModel


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("kind", ["single", "multi"])
def test_one_file_answers_like_the_model(toy_base: Path, tmp_path: Path, kind: Kind, precision: Precision) -> None:
    toy = ToyModel(toy_base, kind=kind)
    path = tmp_path / "model.onnx"
    export_onnx(toy.artifact, path, precision=precision)
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    ids, mask = toy.encoder.tokenizer.pad(toy.encoder.tokenizer.encode(TEXTS))
    (confidences,) = session.run(["confidences"], {"input_ids": ids, "attention_mask": mask})
    wanted = toy.artifact.decision.probabilities(toy.runtime.embed(TEXTS))
    # The trunk in the artifact is rounded to int8, whatever the graph computes in.
    assert np.abs(np.asarray(confidences) - wanted).max() < 0.06
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["labels"]) == list(toy.artifact.decision.labels)
    assert json.loads(metadata["thresholds"]) == (None if kind == "single" else [0.4, 0.5, 0.6])

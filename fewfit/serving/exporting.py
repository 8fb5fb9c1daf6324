"""A saved model as one self-contained ONNX file, for other programs."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from fewfit.artifact import Artifact, read_artifact
from fewfit.encoders.graphs import Precision
from fewfit.errors import ArtifactError, MissingExtraError


def export_onnx(source: str | Path | Artifact, path: str | Path, *, precision: Precision = "fp32") -> None:
    """Writes a model as one ONNX file with its weights inside.

    Inputs: `input_ids` and `attention_mask`, int64 (n_texts, n_tokens), as the model's tokenizer gives
    them (prefix and special tokens included, padded at the end). Output: `confidences`, float32
    (n_texts, n_labels). Labels, thresholds and length are in the file's metadata. In "fp32" it uses
    standard operators only; "int8" also some that only onnxruntime has. Needs the training extra.
    """
    try:
        import onnx
        from onnx import compose, helper, numpy_helper

        from fewfit.encoders.export import self_contained
    except ImportError as error:
        raise MissingExtraError(
            f"Exporting needs packages that the plain install leaves out ({error.name} is missing). "
            'Install them with: pip install "fewfit[train]"'
        ) from error
    artifact = source if isinstance(source, Artifact) else read_artifact(source)
    portable = artifact.portable
    if portable is None:
        raise ArtifactError("The model was saved without its ONNX part. Load it and save it again, then export it.")
    trunk = onnx.load_model_from_string(self_contained(portable.trunk[precision], portable.trunk_arrays()))
    tail = onnx.load_model_from_string(self_contained(portable.tail[precision], dict(artifact.tail)))
    tail = compose.add_prefix(tail, "tail/", rename_inputs=False, rename_outputs=False)
    head, calibration = artifact.decision.head, artifact.decision.calibration
    # The calibration is a line for each label, so it goes into the head.
    weight = (head.weight * calibration.scale[:, None]).T.astype(np.float32)
    bias = (head.bias * calibration.scale + calibration.offset).astype(np.float32)
    activation: dict[str, Any] = {"axis": -1} if artifact.decision.kind == "single" else {}
    last = [
        helper.make_node("MatMul", ["sentence_embedding", "head.weight"], ["head.product"]),
        helper.make_node("Add", ["head.product", "head.bias"], ["head.logits"]),
        helper.make_node("Softmax" if activation else "Sigmoid", ["head.logits"], ["confidences"], **activation),
    ]
    graph = helper.make_graph(
        [*trunk.graph.node, *tail.graph.node, *last],
        "fewfit",
        list(trunk.graph.input),
        [helper.make_tensor_value_info("confidences", onnx.TensorProto.FLOAT, ["batch", len(bias)])],
        [
            *trunk.graph.initializer,
            *tail.graph.initializer,
            numpy_helper.from_array(weight, "head.weight"),
            numpy_helper.from_array(bias, "head.bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=trunk.opset_import, ir_version=trunk.ir_version)
    helper.set_model_props(model, _metadata(artifact))
    onnx.save_model(model, str(path))


def _metadata(artifact: Artifact) -> dict[str, str]:
    thresholds = artifact.decision.thresholds
    return {
        "labels": json.dumps(artifact.decision.labels, ensure_ascii=False),
        "kind": artifact.decision.kind,
        "thresholds": json.dumps(None if thresholds is None else thresholds.tolist()),
        "max_length": str(artifact.manifest.max_length),
        "base": artifact.manifest.base.name,
    }

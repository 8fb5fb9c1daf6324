"""A saved model as one self-contained ONNX file, for other programs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from fewfit.artifact import Artifact, read_artifact
from fewfit.decision import Decision, Groups
from fewfit.encoders.cache import write_bytes_atomically
from fewfit.encoders.graphs import Precision
from fewfit.encoders.lora import LORA_INPUT, lora_vector
from fewfit.encoders.tokenizing import Tokenizer
from fewfit.errors import ArtifactError, InputError, MissingExtraError
from fewfit.serving.parity import ODD_TEXTS, TOLERANCE, Parity, compare

_LEAST = 1e-7  # float32 knows no confidence between 1 minus half of this and 1


def export_onnx(
    source: str | Path | Artifact, path: str | Path, *, precision: Precision = "fp32", tolerance: float = TOLERANCE
) -> Parity:
    """Writes a model as one ONNX file with its weights and its tokenizer inside.

    Inputs: `input_ids` and `attention_mask`, int64 (n_texts, n_tokens), as the model's tokenizer gives
    them (prefix and special tokens included, padded at the end). Output: `confidences`, float32
    (n_texts, n_labels). Labels, thresholds, tokenizer and what else is needed to classify are in the
    file's metadata. A model that reads long texts in windows is asked about each window, and the answers are
    put together outside (docs/export.md shows how). In "fp32" it uses standard operators only; "int8" also
    some that only onnxruntime has. Needs the training extra.

    The file is run and compared with the trained model, and written only where it answers alike; returns
    the comparison. Raises ArtifactError where it does not.
    """
    target = Path(path)
    if target.suffix != ".onnx":
        raise InputError(f"{target} does not end in .onnx; give the name of an ONNX file, such as model.onnx.")
    artifact = source if isinstance(source, Artifact) else read_artifact(source)
    content = _content(artifact, precision)
    parity = _compared(artifact, content, precision, tolerance)
    if not parity.holds:
        finer = "Export it in fp32. " if precision != "fp32" else ""
        raise ArtifactError(
            f"In {precision} the file's confidences differ by {parity.p99_difference:.3f} from the trained model's "
            f"(99th percentile; {tolerance} are allowed), and {parity.overturned} texts get other labels. "
            f"{finer}Nothing was written."
        )
    write_bytes_atomically(target, content)
    return parity


def _content(artifact: Artifact, precision: Precision) -> bytes:
    try:
        import onnx
        from onnx import compose, helper, numpy_helper

        from fewfit.encoders.export import self_contained
    except ImportError as error:
        raise MissingExtraError(
            f"Exporting needs packages that the plain install leaves out ({error.name} is missing). "
            'Install them with: pip install "fewfit[train]"'
        ) from error
    portable = artifact.portable
    if portable is None:
        raise ArtifactError("The model was saved without its ONNX part. Load it and save it again, then export it.")
    trunk = onnx.load_model_from_string(self_contained(portable.trunk[precision], portable.trunk_weights.arrays()))
    if portable.tail_weights is None:
        content = self_contained(portable.tail[precision], artifact.tail)
    else:
        own = {LORA_INPUT: lora_vector(artifact.tail)}
        content = self_contained(portable.tail[precision], portable.tail_weights.arrays(), own)
    tail = onnx.load_model_from_string(content)
    tail = compose.add_prefix(tail, "tail/", rename_inputs=False, rename_outputs=False)
    head, calibration = artifact.decision.head, artifact.decision.calibration
    # The calibration is a line for each label, so it goes into the head.
    weight = (head.weight * calibration.scale[:, None]).T.astype(np.float32)
    bias = (head.bias * calibration.scale + calibration.offset).astype(np.float32)
    last = [
        helper.make_node("MatMul", ["sentence_embedding", "head.weight"], ["head.product"]),
        helper.make_node("Add", ["head.product", "head.bias"], ["head.logits"]),
        *_activation(helper, artifact.decision.exclusive),
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
            *(numpy_helper.from_array(array, name) for name, array in _columns(artifact.decision.exclusive).items()),
        ],
    )
    model = helper.make_model(graph, opset_imports=trunk.opset_import, ir_version=trunk.ir_version)
    helper.set_model_props(model, _metadata(artifact))
    return bytes(model.SerializeToString())


def _activation(helper: Any, exclusive: Groups) -> list[Any]:
    """Nodes from logits to confidences: a sigmoid a label, or a softmax over labels that exclude each other."""
    if not exclusive:
        return [helper.make_node("Sigmoid", ["head.logits"], ["confidences"])]
    if len(exclusive) == 1:
        return [helper.make_node("Softmax", ["head.logits"], ["confidences"], axis=-1)]
    nodes, parts = [], []
    for number in range(len(exclusive)):
        logits, part = f"group{number}.logits", f"group{number}.confidences"
        nodes.append(helper.make_node("Gather", ["head.logits", f"group{number}.columns"], [logits], axis=1))
        nodes.append(helper.make_node("Softmax", [logits], [part], axis=-1))
        parts.append(part)
    nodes.append(helper.make_node("Concat", parts, ["by_group"], axis=1))
    nodes.append(helper.make_node("Gather", ["by_group", "group.order"], ["confidences"], axis=1))
    return nodes


def _columns(exclusive: Groups) -> dict[str, np.ndarray]:
    """The constants that `_activation` names."""
    if len(exclusive) < 2:
        return {}
    columns = {f"group{number}.columns": np.array(group, dtype=np.int64) for number, group in enumerate(exclusive)}
    return {**columns, "group.order": np.argsort(np.concatenate(exclusive)).astype(np.int64)}


def _compared(artifact: Artifact, content: bytes, precision: Precision, tolerance: float) -> Parity:
    """What the file answers to the odd texts, beside what the trained model answered."""
    assert artifact.portable is not None
    assert artifact.probes is not None
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer(artifact.tokenizer, artifact.portable.config)
    manifest = artifact.manifest
    encoded = tokenizer.windows(ODD_TEXTS, most=manifest.windows, max_length=manifest.max_length)
    answers = [_answer(session, windows, artifact.decision) for windows in encoded]
    return compare(artifact.decision, artifact.probes, np.concatenate(answers), precision, tolerance=tolerance)


def _answer(session: ort.InferenceSession, windows: Sequence[Sequence[int]], decision: Decision) -> np.ndarray:
    """Confidences of a text, (1, n_labels): the mean of its windows' logits, which are linear in the embedding."""
    confidences = np.concatenate([_run(session, ids) for ids in windows])
    if len(windows) == 1:
        return confidences
    clipped = np.clip(confidences, _LEAST, 1 - _LEAST)
    logits = np.log(clipped) - (0.0 if decision.exclusive else np.log1p(-clipped))
    weights = [len(ids) for ids in windows]
    return decision.of_calibrated(np.average(logits, axis=0, weights=weights)[None])


def _run(session: ort.InferenceSession, encoded: Sequence[int]) -> np.ndarray:
    ids = np.array([encoded], dtype=np.int64)
    (confidences,) = session.run(["confidences"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})
    return np.asarray(confidences, dtype=float)


def _metadata(artifact: Artifact) -> dict[str, str]:
    thresholds = artifact.decision.thresholds
    assert artifact.portable is not None
    config = artifact.portable.config
    return {
        "labels": json.dumps(artifact.decision.labels, ensure_ascii=False),
        "kind": artifact.decision.kind,
        "thresholds": json.dumps(None if thresholds is None else thresholds.tolist()),
        "groups": json.dumps(artifact.decision.groups),
        "max_length": str(artifact.manifest.max_length),
        "windows": str(artifact.manifest.windows),
        "special_tokens": json.dumps(Tokenizer(artifact.tokenizer, config).special_ids),
        "base": artifact.manifest.base.name,
        "prefix": config.prefix,
        "pad_id": str(config.pad_id),
        "clean": json.dumps(artifact.manifest.clean),
        "tokenizer": artifact.tokenizer,
    }

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
from fewfit.encoders.tokenizing import Tokenizer
from fewfit.errors import ArtifactError, InputError, MissingExtraError
from fewfit.serving.parity import ODD_TEXTS, TOLERANCE, Parity, compare
from fewfit.serving.served import whole_tail


def export_onnx(
    source: str | Path | Artifact, path: str | Path, *, precision: Precision = "fp32", tolerance: float = TOLERANCE
) -> Parity:
    """Writes a model as one ONNX file with its weights and its tokenizer inside.

    Inputs: `input_ids` and `attention_mask`, int64 (n_texts, n_tokens), as the model's tokenizer gives
    them (prefix and special tokens included, padded at the end). Outputs, float32: `confidences` and the
    calibrated `logits` that they come from (n_texts, n_labels), `embedding` (n_texts, width), and of a model that
    rejects texts `similarities` (n_texts, n_references), the products of the embedding and what stands for the
    training texts. Labels, thresholds, tokenizer and what else is needed to classify are in the
    file's metadata. A model that reads long texts in windows is asked about each window, and the means of these
    outputs are the text's (docs/export.md shows how). In "fp32" it uses standard operators only; "int8" also
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
        from google.protobuf.message import EncodeError

        return _one_model(artifact, precision)
    except ImportError as error:
        raise MissingExtraError(
            f"Exporting needs packages that the plain install leaves out ({error.name} is missing). "
            'Install them with: pip install "fewfit[train]"'
        ) from error
    except EncodeError as error:
        smaller = "" if precision == "int8" else " Export it in int8, which is a quarter of the size."
        raise ArtifactError(
            f"One ONNX file holds at most 2 GB, and in {precision} this model is larger.{smaller}"
        ) from error


def _one_model(artifact: Artifact, precision: Precision) -> bytes:
    import onnx
    from onnx import compose, helper, numpy_helper

    from fewfit.encoders.export import self_contained

    portable = artifact.portable
    if portable is None:
        raise ArtifactError("The model was saved without its ONNX part. Load it and save it again, then export it.")
    if precision not in portable.trunk:
        raise ArtifactError(
            f"The model was saved by an older fewfit, which did not have {precision}. Export it in "
            f"{' or '.join(sorted(portable.trunk))}, or train it again."
        )
    trunk = onnx.load_model_from_string(self_contained(portable.trunk[precision], portable.trunk_weights.arrays()))
    content = self_contained(portable.tail[precision], whole_tail(artifact, portable))
    tail = onnx.load_model_from_string(content)
    tail = compose.add_prefix(tail, "tail/", rename_inputs=False, rename_outputs=False)
    head, calibration = artifact.decision.head, artifact.decision.calibration
    # The calibration is a line for each label, so it goes into the head.
    constants = {
        "head.weight": (head.weight * calibration.scale[:, None]).T.astype(np.float32),
        "head.bias": (head.bias * calibration.scale + calibration.offset).astype(np.float32),
        **_columns(artifact.decision.exclusive),
    }
    last = [
        helper.make_node("Identity", ["sentence_embedding"], ["embedding"]),
        helper.make_node("MatMul", ["embedding", "head.weight"], ["head.product"]),
        helper.make_node("Add", ["head.product", "head.bias"], ["logits"]),
        *_activation(helper, artifact.decision.exclusive),
    ]
    n_labels, width = head.weight.shape
    outputs = {"confidences": n_labels, "logits": n_labels, "embedding": width}
    if (rejection := artifact.decision.rejection) is not None:
        constants["references"] = rejection.references.T.astype(np.float32)
        last.append(helper.make_node("MatMul", ["embedding", "references"], ["similarities"]))
        outputs["similarities"] = len(rejection.references)
    graph = helper.make_graph(
        [*trunk.graph.node, *tail.graph.node, *last],
        "fewfit",
        list(trunk.graph.input),
        [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", size])
            for name, size in outputs.items()
        ],
        [
            *trunk.graph.initializer,
            *tail.graph.initializer,
            *(numpy_helper.from_array(array, name) for name, array in constants.items()),
        ],
    )
    model = helper.make_model(graph, opset_imports=trunk.opset_import, ir_version=trunk.ir_version)
    helper.set_model_props(model, _metadata(artifact))
    return bytes(model.SerializeToString())


def _activation(helper: Any, exclusive: Groups) -> list[Any]:
    """Nodes from logits to confidences: a sigmoid a label, or a softmax over labels that exclude each other."""
    if not exclusive:
        return [helper.make_node("Sigmoid", ["logits"], ["confidences"])]
    if len(exclusive) == 1:
        return [helper.make_node("Softmax", ["logits"], ["confidences"], axis=-1)]
    nodes, parts = [], []
    for number in range(len(exclusive)):
        logits, part = f"group{number}.logits", f"group{number}.confidences"
        nodes.append(helper.make_node("Gather", ["logits", f"group{number}.columns"], [logits], axis=1))
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
    """Confidences of a text, (1, n_labels): of the mean of its windows' logits, which are linear in the embedding."""
    found = [_run(session, ids) for ids in windows]
    if len(found) == 1:
        return found[0][0]
    logits = np.average([logits for _, logits in found], axis=0, weights=[len(ids) for ids in windows])
    return decision.of_calibrated(logits)


def _run(session: ort.InferenceSession, encoded: Sequence[int]) -> list[np.ndarray]:
    ids = np.array([encoded], dtype=np.int64)
    found = session.run(["confidences", "logits"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})
    return [np.asarray(array, dtype=float) for array in found]


def _metadata(artifact: Artifact) -> dict[str, str]:
    thresholds, rejection = artifact.decision.thresholds, artifact.decision.rejection
    assert artifact.portable is not None
    config = artifact.portable.config
    return {
        "labels": json.dumps(artifact.decision.labels, ensure_ascii=False),
        "kind": artifact.decision.kind,
        "thresholds": json.dumps(None if thresholds is None else thresholds.tolist()),
        "groups": json.dumps(artifact.decision.groups),
        "rejects_below": json.dumps(None if rejection is None else rejection.threshold),
        "max_length": str(artifact.manifest.max_length),
        "windows": str(artifact.manifest.windows),
        "special_tokens": json.dumps(Tokenizer(artifact.tokenizer, config).special_ids),
        "base": artifact.manifest.base.name,
        "prefix": config.prefix,
        "pad_id": str(config.pad_id),
        "clean": json.dumps(artifact.manifest.clean),
        "tokenizer": artifact.tokenizer,
    }

"""A trained model made ready for machines without torch, and compared with what was trained."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fewfit.artifact import Artifact
from fewfit.decision import Decision
from fewfit.encoders.graphs import PRECISIONS, Precision
from fewfit.encoders.lora import changed_weights, lora_rank
from fewfit.encoders.portable import PortableEncoder, pack_weights, with_smoothing
from fewfit.errors import ArtifactError
from fewfit.serving.parity import ODD_TEXTS, TOLERANCE, Parity, compare, cpu_kind, probe_texts
from fewfit.serving.served import ModelLoader

if TYPE_CHECKING:
    from fewfit.encoders.encoder import Encoder

logger = logging.getLogger(__name__)


def make_portable(
    artifact: Artifact,
    encoder: "Encoder",
    embed: Callable[[Sequence[str]], np.ndarray],
    texts: Sequence[str] = (),
    *,
    tolerance: float = TOLERANCE,
) -> Artifact:
    """The artifact with its ONNX part, in the fastest precision that answers like the trained model.

    `embed` is the trained model's own, from texts to embeddings. Compared on odd texts and on mixtures of
    `texts`, none of which it was trained on. Needs the training extra. Raises ArtifactError where not
    even full precision agrees.
    """
    from fewfit.encoders.export import base_arrays, export_graphs
    from fewfit.encoders.smoothing import smoothing_of

    tail_layers = artifact.manifest.base.tail_layers
    rank = lora_rank(artifact.tail)
    graphs = export_graphs(encoder.weights, encoder.config, tail_layers, rank)
    trunk_arrays = base_arrays(encoder, tail_layers, "trunk")
    tail_arrays = None if rank is None else base_arrays(encoder, tail_layers, "tail")
    smoothing = smoothing_of(encoder, tail_layers, ODD_TEXTS)
    asked = probe_texts(texts)
    embeddings = embed(asked)
    trained = artifact.decision.probabilities(embeddings)
    probes, probe_embeddings = trained[: len(ODD_TEXTS)], embeddings[: len(ODD_TEXTS)]
    tried = []
    for precision in PRECISIONS:
        portable = PortableEncoder(
            encoder.config,
            tail_layers,
            graphs.trunk,
            graphs.tail,
            pack_weights("trunk", trunk_arrays, graphs.trunk[precision], smoothing["trunk"]),
            None
            if tail_arrays is None
            else pack_weights(
                "tail",
                tail_arrays,
                graphs.tail[precision],
                smoothing["tail"],
                changed_weights(tail_layers, encoder.config.architecture),
            ),
            graphs.low_rank_tail,
        )
        own = (
            artifact.tail
            if rank is not None
            else with_smoothing(artifact.tail, graphs.tail[precision], smoothing["tail"])
        )
        ready = replace(artifact, tail=own, portable=portable, probes=probes, probe_embeddings=probe_embeddings)
        parity = _served_parity(ready, trained, asked, precision, tolerance)
        tried.append(parity.to_dict())
        if parity.holds:
            serving = {"precision": precision, "cpu": cpu_kind(), "parity": tried}
            return replace(ready, manifest=replace(artifact.manifest, serving=serving))
        logger.info(
            "In %s, confidences differ by up to %.3f (99th percentile); a finer precision is tried.",
            precision,
            parity.p99_difference,
        )
    raise ArtifactError(
        f"The exported model does not answer like the trained one: its confidences differ by "
        f"{tried[-1]['p99_difference']:.3f} (99th percentile, {tolerance} are allowed) in full precision. "
        "It was not saved. Please report this with the name of the base."
    )


def with_decision(artifact: Artifact, decision: Decision) -> Artifact:
    """The artifact with another decision over the same embeddings, in a precision that answers like the trained model.

    A model that has no ONNX part yet is compared when it gets one. Raises ArtifactError for a model of an older
    fewfit, which does not have the embeddings to compare with.
    """
    changed = replace(artifact, decision=decision)
    if artifact.portable is None:
        return changed
    if artifact.probe_embeddings is None:
        raise ArtifactError(
            "The model was saved by an older fewfit, without the embeddings that its new answers are compared with. "
            "Train it again."
        )
    trained = decision.probabilities(artifact.probe_embeddings)
    changed = replace(changed, probes=trained)
    tried = []
    for precision in PRECISIONS[PRECISIONS.index(artifact.manifest.serving.get("precision", "int8")) :]:
        parity = _served_parity(changed, trained, ODD_TEXTS, precision, TOLERANCE)
        tried.append(parity.to_dict())
        if parity.holds:
            break
    serving = {"precision": precision, "cpu": cpu_kind(), "parity": tried}
    return replace(changed, manifest=replace(changed.manifest, serving=serving))


def _served_parity(
    artifact: Artifact, trained: np.ndarray, texts: Sequence[str], precision: Precision, tolerance: float
) -> Parity:
    """How far answers in a precision are from the trained ones; of a low-rank model in the form that is further off."""
    decision, loader = artifact.decision, ModelLoader()
    forms = (True, False) if lora_rank(artifact.tail) is not None else (True,)
    found = []
    for own in forms:
        served = decision.probabilities(loader.load(artifact, precision, own_tail=own).embed(texts))
        found.append(compare(decision, trained, served, precision, tolerance=tolerance))
    return min(found, key=lambda parity: (parity.holds, -parity.p99_difference))

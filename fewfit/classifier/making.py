"""From what training leaves behind to the artifact that is kept."""

import logging
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from fewfit.artifact import Artifact, BaseReference, Manifest
from fewfit.examples import KeptExamples
from fewfit.version import __version__

if TYPE_CHECKING:
    from fewfit.encoders.encoder import Encoder
    from fewfit.training import Targets, TrainedModel

logger = logging.getLogger(__name__)

_LIBRARIES = ("numpy", "onnxruntime", "safetensors", "scikit-learn", "tokenizers", "torch", "transformers")


def make_artifact(
    trained: "TrainedModel",
    encoder: "Encoder",
    targets: "Targets",
    *,
    source: str,
    max_length: int,
    clean: bool,
    training: dict[str, Any],
    warnings: list[str],
    texts: Sequence[str] | None,
) -> Artifact:
    """The artifact of a model that was just trained.

    `source` says where the base was found, `training` what the caller chose; what was found out by
    training is added to it. The `texts` are kept with the model as examples; None keeps nothing of them.
    """
    manifest = Manifest(
        kind=targets.kind,
        labels=targets.labels,
        base=BaseReference(
            name=encoder.weights.name,
            digest=encoder.weights.digest,
            source=source,
            n_layers=encoder.config.n_layers,
            tail_layers=trained.tail_layers,
        ),
        max_length=max_length,
        windows=trained.reading.windows,
        clean=clean,
        tuned=trained.tuned,
        created_at=now(),
        fewfit_version=__version__,
        metrics=_held_out_metrics(trained),
        training={
            **training,
            "steps": trained.steps,
            **({"reading": trained.reading.to_dict()} if trained.reading.too_long else {}),
            "elapsed_s": round(trained.elapsed_s, 3),
            "n_texts": len(targets),
            "n_pseudo_labelled": trained.n_pseudo_labelled,
            "label_counts": dict(zip(targets.labels, map(int, targets.counts), strict=True)),
        },
        warnings=warnings,
        libraries=library_versions(),
    )
    return Artifact(
        manifest=manifest,
        decision=trained.decision,
        frozen=trained.frozen,
        tail=trained.tail_parameters,
        tokenizer=encoder.tokenizer.to_json(),
        examples=None if texts is None else KeptExamples.of(texts, trained.embeddings, targets.matrix),
    )


def _held_out_metrics(trained: "TrainedModel") -> dict[str, Any]:
    """The figures that training itself found, as the manifest keeps them: no text is in them."""
    evaluation = trained.insight.cross_validation
    if evaluation is None:
        return {}
    return {"out_of_fold": trained.out_of_fold, "cross_validation": evaluation.to_dict(texts=False)}


def now() -> str:
    """The time as manifests have it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def library_versions() -> dict[str, str]:
    """The versions of Python and of everything that numbers can depend on."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            logger.debug("%s is not installed", name)
    return found

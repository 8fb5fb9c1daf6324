"""A model's fast tier: the texts it is taught on, what the model says of them, and how fast both are."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fewfit.artifact import Artifact
from fewfit.data import clean_text, new_texts
from fewfit.errors import InputError
from fewfit.fast_tier import FastTier, fast_answers
from fewfit.serving.engine_runtime import EngineRuntime

if TYPE_CHECKING:
    from fewfit.encoders.encoder import Encoder
    from fewfit.training import Progress
    from fewfit.training.distilling import FastReport

_AT_ONCE = 200  # texts between two looks at whether the job was cancelled
_TOKENS_A_STEP = 1000  # a token is some thousandth of a text's work
_TIMED_TEXTS = 2000


def distilled(
    artifact: Artifact,
    encoder: Callable[[], "Encoder"],
    unlabelled: Sequence[str],
    *,
    max_disagreement: float,
    progress: "Progress",
) -> tuple[Artifact, "FastReport"]:
    """The artifact with a fast tier, or without one where the promise could not be kept, and the report."""
    from fewfit.encoders.static_vectors import static_vectors
    from fewfit.training.distilling import LEAST_TEXTS, MOST_TEXTS, teach
    from fewfit.training.self_training import sampled

    if not 0 < max_disagreement < 1:
        raise InputError(f"max_disagreement is {max_disagreement}; expected a share between 0 and 1, such as 0.01.")
    if artifact.decision.rejection is not None:
        raise InputError(
            "The model rejects texts that are unlike all training texts, and looks at every text itself to tell; a "
            "fast tier would never be asked. Train it without reject to have one."
        )
    clean = artifact.manifest.clean
    known = artifact.kept_texts
    new = new_texts([clean_text(text) for text in unlabelled] if clean else unlabelled, known)
    if len(new) < LEAST_TEXTS:
        raise InputError(
            f"There are {len(new):,} different unlabelled texts that the model was not trained on; at least "
            f"{LEAST_TEXTS} are needed to promise anything about others. Give more texts such as it will be asked."
        )
    new = sampled(new, MOST_TEXTS, seed=0)
    texts = [*new, *known[:MOST_TEXTS]]
    progress.plan(len(texts), 1.0)
    # The texts are clean by now, and clean no text again: "&lt;b&gt;" is "<b>", then nothing.
    runtime = EngineRuntime(replace(artifact, fast=None, manifest=replace(artifact.manifest, clean=False)))
    started_s = time.perf_counter()
    parts = []
    for start in range(0, len(texts), _AT_ONCE):
        part = texts[start : start + _AT_ONCE]
        parts.append(runtime.embed(part))
        progress.advance(f"Asking the model about {len(texts):,} texts", steps=len(part))
    full_texts_per_s = len(texts) / (time.perf_counter() - started_s)
    decision = artifact.decision
    logits = decision.calibration.apply(decision.head.logits(np.concatenate(parts)))

    def on_tokens(done: int, total: int) -> None:
        progress.report(f"Reading the base's vocabulary, {done:,} of {total:,} tokens (once for each base)")

    vectors = static_vectors(encoder(), on_tokens=on_tokens)
    progress.report("Teaching the fast tier")
    encoded = runtime.model.encode(texts)[0].tokens
    measured = np.arange(len(texts)) < len(new)
    tier, report = teach(vectors, encoded, logits, decision, measured, max_disagreement=max_disagreement)
    progress.raise_if_cancelled()
    if tier is not None:
        report = _with_speed(report, full_texts_per_s, _rate(tier, runtime, new))
    manifest = replace(artifact.manifest, fast=report.to_dict())
    return replace(artifact, manifest=manifest, fast=tier), report


def _rate(tier: FastTier, runtime: EngineRuntime, texts: Sequence[str]) -> float:
    """How many texts a second the tier alone answers on one thread, tokenizing included."""
    timed = texts[:_TIMED_TEXTS]
    started_s = time.perf_counter()
    fast_answers(tier, runtime.model.decision, runtime.model.encode(timed)[0].tokens)
    return len(timed) / (time.perf_counter() - started_s)


def _with_speed(report: "FastReport", full: float, fast: float) -> "FastReport":
    """The report with what tier and model manage together at each point."""
    points = [
        replace(point, texts_per_s=1 / (1 / fast + (1 - point.answered) / full))
        for point in [*report.curve, *([report.chosen] if report.chosen else [])]
    ]
    curve, chosen = points[: len(report.curve)], points[len(report.curve) :]
    return replace(
        report,
        curve=tuple(curve),
        chosen=chosen[0] if chosen else None,
        fast_texts_per_s=fast,
        full_texts_per_s=full,
    )

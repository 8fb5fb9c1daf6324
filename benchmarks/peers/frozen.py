"""The frozen base + class-balanced logistic regression, embedded by sentence-transformers."""

import time
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from benchmarks.peers.linear import balanced_head, fitted_threshold, given, head_targets
from benchmarks.peers.protocol import Clock, Job, Prediction, Reply, serve


def frozen(job: Job) -> Reply:
    """Embeds, then fits the head; with `threshold=cv` also one cut-off by cross-validation (multilabel)."""
    settings = job.only("C", "threshold")
    if settings.get("threshold", "cv") != "cv":
        raise ValueError(f"threshold={settings['threshold']!r}; expected cv, or no setting for 0.5")
    torch.set_num_threads(job.threads)
    encoder = _encoder(job.base)
    head: Any = balanced_head(job.kind, float(settings.get("C", 1.0)))
    targets = head_targets(job)
    threshold = 0.5
    clock = Clock()
    with clock.running():
        features = _embed(encoder, job.prefixed)
        if job.kind == "multi" and "threshold" in settings:
            threshold = fitted_threshold(head, features, targets, job.seed)
        head.fit(features, targets)
    predictions = {}
    for language, texts in job.tests.items():
        embeddings, embed_s = _embed_once(job.base, job.prefix, tuple(texts))
        start = time.perf_counter()
        probabilities = head.predict_proba(embeddings)
        labels = given(job, probabilities, threshold)
        predict_s = embed_s + time.perf_counter() - start
        predictions[language] = Prediction(labels, probabilities.tolist(), predict_s)
    return Reply(job.labels, predictions, clock.wall_s, clock.cpu_s, {"threshold": threshold})


@lru_cache(maxsize=1)
def _encoder(base: str) -> SentenceTransformer:
    encoder = SentenceTransformer(base, device="cpu")
    encoder.default_prompt_name = None  # the prefix comes with the job, the same for every method
    return encoder


@lru_cache(maxsize=16)
def _embed_once(base: str, prefix: str, texts: tuple[str, ...]) -> tuple[np.ndarray, float]:
    """Embeddings and the seconds they took: test rows are the same for all sizes and seeds."""
    start = time.perf_counter()
    embeddings = _embed(_encoder(base), [prefix + text for text in texts])
    return embeddings, time.perf_counter() - start


def _embed(encoder: SentenceTransformer, texts: list[str]) -> np.ndarray:
    return np.asarray(encoder.encode(texts, show_progress_bar=False, convert_to_numpy=True))


if __name__ == "__main__":
    serve(frozen, ("numpy", "scikit-learn", "sentence-transformers", "torch", "transformers"))

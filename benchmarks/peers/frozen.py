"""The frozen base + class-balanced logistic regression, embedded by sentence-transformers."""

import time
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from scipy.special import softmax
from sentence_transformers import SentenceTransformer
from sklearn.preprocessing import normalize

from benchmarks.peers.linear import balanced_head, fitted_threshold, given, head_targets
from benchmarks.peers.protocol import Clock, Job, Prediction, Reply, serve


def frozen(job: Job) -> Reply:
    """Embeds, then fits the head; with `threshold=cv` also one cut-off by cross-validation (multilabel).

    With `names` no example counts: a text gets the label whose name, embedded like a text, is nearest to it.
    """
    settings = job.only("C", "threshold", "names")
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
        if settings.get("names"):
            head = _NearestName(_embed(encoder, [job.prefix + label.replace("_", " ").lower() for label in job.labels]))
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


class _NearestName:
    """Softmax over the cosines of texts and label names, with a temperature of 0.05, which no text has a say in."""

    def __init__(self, names: np.ndarray) -> None:
        self._names = normalize(names)

    def fit(self, features: np.ndarray, targets: Any) -> None:
        """Nothing is learnt from examples."""

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Confidences (n_texts, n_labels)."""
        return np.asarray(softmax(normalize(features) @ self._names.T / 0.05, axis=1))


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

"""Answers of a made-up model, right as often as its confidences say."""

import numpy as np

from fewfit.training.targets import Targets


def single(n_texts: int, n_labels: int = 3, *, seed: int = 0, sharpness: float = 2.0) -> tuple[Targets, np.ndarray]:
    """Targets drawn from the confidences, which are therefore perfectly calibrated."""
    rng = np.random.default_rng(seed)
    logits = sharpness * rng.normal(size=(n_texts, n_labels))
    confidences = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    drawn = (rng.random((n_texts, 1)) > confidences.cumsum(axis=1)[:, :-1]).sum(axis=1)
    truth = np.eye(n_labels, dtype=bool)[drawn]
    return Targets("single", tuple("abcdefgh"[:n_labels]), truth), confidences


def multi(n_texts: int, n_labels: int = 4, *, seed: int = 0) -> tuple[Targets, np.ndarray]:
    """Labels drawn from the confidences, each on its own; some texts have none."""
    rng = np.random.default_rng(seed)
    confidences = 1 / (1 + np.exp(-2 * rng.normal(size=(n_texts, n_labels)) + 1))
    truth = rng.random(confidences.shape) < confidences
    return Targets("multi", tuple("abcdefgh"[:n_labels]), truth), confidences


def answered(targets: Targets, confidences: np.ndarray) -> np.ndarray:
    """The labels given: the surest one, or all from one half on."""
    if targets.kind == "multi":
        return confidences >= 0.5
    return np.asarray(confidences == confidences.max(axis=1, keepdims=True))

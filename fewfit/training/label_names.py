"""What labels are called, as knowledge: many names say what their texts are about."""

import re

import numpy as np
import torch
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score
from torch.nn import functional

from fewfit.training.losses import balanced_binary_cross_entropy
from fewfit.training.targets import Targets

# Names are used where they tell more than chance about the training texts, at this level of a one-sided test.
SIGNIFICANCE = 0.1
# Multilabel: how often a text with the label is nearer to its name than one without; 0.5 is chance.
LEAST_MEAN_AUC = 0.55
# A step compares its texts with all labels, or with those in the batch where there are more labels than this.
MOST_LABELS_A_STEP = 32
# Cosine similarity at which a label is as likely as not (multilabel).
EVEN_SIMILARITY = 0.3


def spoken(label: str) -> str:
    """A label as a person would say it: `cardLost` and `card_lost` are "card lost"."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", label)
    words = re.sub(r"[_\-./>|:]+", " ", words)
    return " ".join(words.split()).lower() or label


def names_help(embeddings: np.ndarray, name_embeddings: np.ndarray, targets: Targets) -> bool:
    """Whether names say something about the texts: codes and numbers do not, and are left out.

    Judged on the untuned embeddings of the training texts (n_texts, hidden) and of the label names
    (n_labels, hidden): does the nearest name agree with the label more often than if the two had nothing
    to do with each other?
    """
    similarity = _directions(embeddings) @ _directions(name_embeddings).T
    if targets.kind == "multi":
        judged = np.flatnonzero((targets.counts > 0) & (targets.counts < len(targets)))
        if not len(judged):
            return False
        areas = [roc_auc_score(targets.matrix[:, column], similarity[:, column]) for column in judged]
        return float(np.mean(areas)) >= LEAST_MEAN_AUC
    nearest = similarity.argmax(axis=1)
    shares = np.bincount(nearest, minlength=targets.n_labels) / len(targets)
    chance = float((shares * targets.counts / len(targets)).sum())
    agreeing = int((nearest == targets.index).sum())
    return bool(binomtest(agreeing, len(targets), chance, alternative="greater").pvalue < SIGNIFICANCE)


def name_loss(
    embeddings: torch.Tensor,
    name_embeddings: torch.Tensor,
    wanted: torch.Tensor,
    *,
    single: bool,
    temperature: float,
    positive_share: torch.Tensor,
) -> torch.Tensor:
    """How far texts are from the names of their labels, a scalar.

    `embeddings` (n, hidden) and `name_embeddings` (n_labels, hidden) are of unit length and come from
    the same tail; `wanted` is (n, n_labels), 0 or 1. Single-label: cross-entropy over the similarities
    divided by `temperature`. Multilabel: balanced binary cross-entropy of each similarity.
    """
    similarity = embeddings @ name_embeddings.T
    if single:
        return functional.cross_entropy(similarity / temperature, wanted.argmax(dim=1))
    return balanced_binary_cross_entropy((similarity - EVEN_SIMILARITY) / temperature, wanted, positive_share)


def _directions(embeddings: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(embeddings / np.maximum(lengths, 1e-12))

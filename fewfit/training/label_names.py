"""What labels are called, as knowledge: many names say what their texts are about."""

import math
import re
from collections.abc import Sequence
from itertools import permutations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch.nn import functional

from fewfit.training.losses import balanced_binary_cross_entropy
from fewfit.training.targets import Targets

# The share of other ways to deal the names out that may fit as well: with two labels, the other one must fit worse.
SIGNIFICANCE = 0.1
MOST_ASSIGNMENTS = 1000
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


def are_words(names: Sequence[str]) -> bool:
    """Whether spoken names are more than numbers and letters: "0" and "1" are not, nor are "class a" and "class b"."""
    words = [frozenset(re.findall(r"[^\W\d_]{2,}|[^\W\d_a-z]", name)) for name in names]
    return all(words) and len(set(words)) > 1


def names_help(embeddings: np.ndarray, name_embeddings: np.ndarray, targets: Targets) -> bool:
    """Whether names say something about the texts: codes and numbers do not, and are left out.

    Judged on the untuned embeddings of the training texts (n_texts, hidden) and of the label names (n_labels, hidden).
    Single-label: the names fit their labels better than nearly all other ways to deal them out.
    """
    similarity = _directions(embeddings) @ _directions(name_embeddings).T
    if targets.kind == "multi":
        judged = np.flatnonzero((targets.counts > 0) & (targets.counts < len(targets)))
        if not len(judged):
            return False
        areas = [roc_auc_score(targets.matrix[:, column], similarity[:, column]) for column in judged]
        return float(np.mean(areas)) >= LEAST_MEAN_AUC
    present = np.flatnonzero(targets.counts)
    means = np.stack([similarity[targets.index == column][:, present].mean(axis=0) for column in present])
    fits = means - means.mean(axis=0)  # some names are near to every text
    dealt = _assignments(len(present))
    as_well = fits[np.arange(len(present)), dealt].sum(axis=1) >= np.trace(fits)
    return bool(len(present) > 1 and as_well[1:].mean() <= SIGNIFICANCE)


def _assignments(n_labels: int) -> NDArray[np.intp]:
    """Ways to deal names out to as many labels, (n_ways, n_labels): the right one, then all others or many of them."""
    if math.factorial(n_labels) <= MOST_ASSIGNMENTS:
        return np.array(list(permutations(range(n_labels))))
    rng = np.random.default_rng(0)
    right = np.arange(n_labels)
    return np.stack([right, *(rng.permutation(n_labels) for _ in range(MOST_ASSIGNMENTS))])


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

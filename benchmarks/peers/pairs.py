"""How long SetFit trains by default, without SetFit."""

import math

import numpy as np

BATCH_SIZE = 16  # SetFit's default


def default_steps(indicator: np.ndarray) -> int:
    """Steps of one epoch: every pair of texts, a text with itself too, the rarer kind oversampled.

    `indicator` is (n_texts, n_labels) of 0 and 1; two texts are a positive pair when they share a label.
    """
    shared = (indicator @ indicator.T) > 0
    upper = np.triu_indices(len(indicator))
    positive = int(shared[upper].sum())
    return math.ceil(2 * max(positive, len(upper[0]) - positive) / BATCH_SIZE)

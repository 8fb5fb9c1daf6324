"""Self-training: unlabelled texts that a tuned tail is sure of are learnt from like labelled ones.

The tail that was tuned on the labelled texts answers the unlabelled ones. Of each label, those it is surest of are
taken, as many as there are labelled texts of it, and a fresh tail is tuned on both. Few and sure ones are better
than many: see `benchmarks/README.md`. The idea is older than neural networks (Yarowsky 1995,
https://aclanthology.org/P95-1026).
"""

from collections.abc import Sequence

import numpy as np

from fewfit.training.targets import Targets

# More of them are not read: among a thousand there are as many sure ones as are taken.
MOST_UNLABELLED = 1000
# A label that is seldom given has few texts that are surely its own.
MOST_TAKEN_SHARE = 0.1


def pseudo_labels(confidences: np.ndarray, targets: Targets) -> tuple[np.ndarray, np.ndarray]:
    """Which of the unlabelled texts to learn from, and what they are taken for.

    `confidences` (n_unlabelled, n_labels) are those of the tail that was tuned on labelled texts with these
    `targets`. Returns the positions of the texts, (n_chosen,), and their labels, bool (n_chosen, n_labels).
    """
    order = np.sort(confidences, axis=1)
    margins = order[:, -1] - order[:, -2]
    answers = confidences.argmax(axis=1)
    chosen = []
    for column, count in enumerate(targets.counts):
        given = np.flatnonzero(answers == column)
        most = min(int(count), max(1, int(MOST_TAKEN_SHARE * len(given))))
        chosen.append(given[np.argsort(-margins[given], kind="stable")][:most])
    rows = np.concatenate(chosen)
    return rows, np.eye(targets.n_labels, dtype=bool)[answers[rows]]


def sampled(texts: Sequence[str], most: int, seed: int) -> list[str]:
    """The texts, or a random `most` of them, in their order."""
    if len(texts) <= most:
        return list(texts)
    rows = np.random.default_rng(seed).choice(len(texts), most, replace=False)
    return [texts[row] for row in np.sort(rows)]

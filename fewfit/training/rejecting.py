"""From which likeness on a text is accepted, so that ordinary texts are rejected at the wanted rate."""

from dataclasses import dataclass, field

import numpy as np

from fewfit.decision import Rejection, likeness, rank_of_threshold
from fewfit.training.targets import Targets


def references(embeddings: np.ndarray, targets: Targets) -> np.ndarray:
    """What stands for the training texts: the mean of each label's embeddings, of unit length, float32.

    Means keep no single text, whatever `keep_examples` says, and there are only as many as labels. On one sample
    each of five tasks no other score of benchmarks/rejection.py was clearly better: a direction, not a result.
    """
    means = [embeddings[column].mean(axis=0) for column in targets.matrix.T if column.any()]
    stacked = np.stack(means).astype(np.float32)
    return np.asarray(stacked / np.maximum(np.linalg.norm(stacked, axis=1, keepdims=True), 1e-12))


@dataclass
class HeldOutLikeness:
    """How like the other training texts each one was when it was held out, by tuned and by untuned embeddings."""

    tuned: list[np.ndarray] = field(default_factory=list)
    frozen: list[np.ndarray] = field(default_factory=list)

    def see(
        self, kept: Targets, *, tuned: tuple[np.ndarray, np.ndarray], frozen: tuple[np.ndarray, np.ndarray]
    ) -> None:
        """Takes in a fold: embeddings of the texts that were kept, with their targets, and of those held out."""
        for scores, (inside, outside) in ((self.tuned, tuned), (self.frozen, frozen)):
            scores.append(likeness(outside, references(inside, kept)))

    def of(self, *, tuned: bool) -> np.ndarray:
        """The likeness of every text that was held out, in no order; empty where none was."""
        scores = self.tuned if tuned else self.frozen
        return np.concatenate(scores) if scores else np.zeros(0)


def fit_rejection(rate: float, held_out: np.ndarray, embeddings: np.ndarray, targets: Targets) -> Rejection:
    """The rejection that ordinary texts meet with at most the given rate.

    `held_out` is the likeness of texts that models had not seen, `embeddings` (n_texts, embedding) those of the
    final model. The threshold is the conformal one. Raises InputError where there are too few texts for that.
    """
    threshold = float(np.sort(held_out)[rank_of_threshold(rate, len(held_out)) - 1])
    return Rejection(rate, threshold, references(embeddings, targets))

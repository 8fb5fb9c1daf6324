"""Which texts are like nothing that a model was trained on. Plain numpy."""

from dataclasses import dataclass

import numpy as np

from fewfit.errors import InputError


@dataclass(frozen=True)
class Rejection:
    """Rejects texts that are less like the training texts than `threshold`.

    `references` (n_references, embedding) are of unit length and stand for the training texts; a text is as
    like them as the greatest cosine says. `rate` is the share of ordinary texts that may be rejected by
    mistake: what the threshold was fitted for.
    """

    rate: float
    threshold: float
    references: np.ndarray

    def likeness(self, embeddings: np.ndarray) -> np.ndarray:
        """How like the training texts each text is, -1 to 1; (n_texts,) for (n_texts, embedding)."""
        return likeness(embeddings, self.references)

    def rejects(self, embeddings: np.ndarray) -> np.ndarray:
        """Which texts are rejected, boolean (n_texts,)."""
        return np.asarray(self.likeness(embeddings) < self.threshold)


def rank_of_threshold(rate: float, n_held_out: int) -> int:
    """How many of the held-out texts are at most as like as the conformal threshold for `rate`: (n + 1) * rate of n.

    Raises InputError where there are too few for any.
    """
    rank = int(rate * (n_held_out + 1))
    if rank < 1:
        raise InputError(
            f"Rejecting a share of {rate} needs at least {int(np.ceil(1 / rate)) - 1} examples to find a threshold; "
            f"there are {n_held_out}. Give more examples, or a greater share."
        )
    return rank


def likeness(embeddings: np.ndarray, references: np.ndarray) -> np.ndarray:
    """The greatest cosine similarity of each text (n_texts, embedding) to a reference, float64 (n_texts,).

    Each row is computed on its own, so that a text's answer does not depend on its batch.
    """
    if not len(embeddings):
        return np.zeros(0)
    length = np.linalg.norm(embeddings, axis=1)
    cosine = np.einsum("th,rh->tr", embeddings, references, optimize=False).max(axis=1)
    return np.asarray(cosine / np.maximum(length, 1e-12), dtype=np.float64)

"""Batches of texts of like length, so that little of a batch is padding."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def length_batches(lengths: Sequence[int] | NDArray[np.integer], max_tokens: int) -> list[NDArray[np.intp]]:
    """Indices of the texts, batch by batch: every text once, shortest first.

    A batch padded to its longest text has at most `max_tokens` tokens; a text that is longer than
    that is a batch of its own. Raises ValueError when `max_tokens` is below 1.
    """
    if max_tokens < 1:
        raise ValueError(f"max_tokens is {max_tokens}; a batch holds at least 1 token.")
    sizes = np.asarray(lengths, dtype=np.intp)
    order = np.argsort(sizes, kind="stable")
    batches = []
    start = 0
    for end in range(1, len(order) + 1):
        full = end == len(order) or (end + 1 - start) * sizes[order[end]] > max_tokens
        if full:
            batches.append(order[start:end])
            start = end
    return batches

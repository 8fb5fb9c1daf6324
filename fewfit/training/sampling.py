"""Which texts share a tuning step."""

from collections.abc import Iterator

import numpy as np

from fewfit.training.targets import Targets


def balanced_batches(targets: Targets, batch_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Endless batches of row numbers, each holding as many labels, and as even, as it can.

    A batch has at most `batch_size` different rows, and at least two of each label in it where there
    are two (a contrastive loss needs pairs). A set that fits into one batch is one batch. In multilabel
    tasks the rows without labels take turns like a label of their own. Every row of a label is used
    before one is used again.
    """
    n_rows = len(targets)
    if n_rows <= batch_size:
        while True:
            yield rng.permutation(n_rows)
    groups = [np.flatnonzero(column) for column in targets.matrix.T]
    groups.append(np.flatnonzero(~targets.matrix.any(axis=1)))
    queues = [_Queue(group, rng) for group in groups if len(group)]
    per_group = max(2, batch_size // len(queues))
    order: list[int] = []
    while True:
        chosen: dict[int, None] = {}
        while len(chosen) < batch_size:
            if not order:
                order = list(rng.permutation(len(queues)))
            queue = queues[order.pop()]
            for _ in range(min(per_group, len(queue), batch_size - len(chosen))):
                chosen[queue.next()] = None
        yield np.fromiter(chosen, dtype=np.int64)


class _Queue:
    """The rows of one label in random order, again and again."""

    def __init__(self, rows: np.ndarray, rng: np.random.Generator) -> None:
        self._rows = rows
        self._rng = rng
        self._left: list[int] = []

    def __len__(self) -> int:
        return len(self._rows)

    def next(self) -> int:
        if not self._left:
            self._left = list(self._rng.permutation(self._rows))
        return int(self._left.pop())

"""Which texts are close to which, by embeddings: block by block, so that memory grows linearly with the texts."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# Similarities at once, 4 bytes each.
_BLOCK_CELLS = 16_000_000
# Pairs of texts that are drawn to see how similar two texts are in general.
_SAMPLED_PAIRS = 20_000
# Two texts are nearly the same from this share of the usual distance on. Relative, because bases differ: two
# unrelated texts have a cosine of 0.1 with english-small and of 0.8 with multilingual.
NEAR_SHARE = 0.12


@dataclass(frozen=True)
class Neighbours:
    """The nearest texts of each text, nearest first: positions and similarities, (n_texts, k) each."""

    positions: np.ndarray
    similarities: np.ndarray


def nearest(embeddings: np.ndarray, k: int, *, among: np.ndarray | None = None) -> Neighbours:
    """The `k` nearest texts of each one, by cosine; never itself. `among` are other texts to look in.

    Time grows with the square of the texts, memory does not.
    """
    own = _unit(embeddings)
    others = own if among is None else _unit(among)
    k = min(k, len(others) - (1 if among is None else 0))
    positions = np.empty((len(own), k), dtype=np.intp)
    similarities = np.empty((len(own), k), dtype=np.float32)
    for start, block in _similarities(own, others):
        stop = start + len(block)
        if among is None:
            block[np.arange(len(block)), np.arange(start, stop)] = -np.inf
        found = np.argpartition(-block, k - 1, axis=1)[:, :k] if k else np.empty((len(block), 0), dtype=np.intp)
        close = np.take_along_axis(block, found, axis=1)
        order = np.argsort(-close, axis=1, kind="stable")
        positions[start:stop] = np.take_along_axis(found, order, axis=1)
        similarities[start:stop] = np.take_along_axis(close, order, axis=1)
    return Neighbours(positions, similarities)


def near_pairs(
    embeddings: np.ndarray, *, kinds: np.ndarray | None = None, limit: int = 100_000
) -> list[tuple[int, int, float]]:
    """Pairs of texts that are nearly the same, the most similar first: (position, position, cosine).

    Each pair comes once, the smaller position first; with `kinds` (n_texts,), texts of different kinds alone are
    pairs, so that many copies of one kind do not use up the `limit`.
    """
    own = _unit(embeddings)
    least = near_similarity(embeddings)
    found: list[tuple[int, int, float]] = []
    for start, block in _similarities(own, own):
        near = block >= least
        if kinds is not None:
            near &= kinds[start : start + len(block), None] != kinds[None, :]
        rows, columns = np.nonzero(near)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            if start + row < column:
                found.append((start + row, column, float(block[row, column])))
                if len(found) == limit:
                    return sorted(found, key=lambda pair: (-pair[2], pair[:2]))
    return sorted(found, key=lambda pair: (-pair[2], pair[:2]))


def near_matches(embeddings: np.ndarray, among: np.ndarray) -> list[tuple[int, int]]:
    """Each text that is nearly the same as one of `among`, with the most similar one there, and the other way round.

    Pairs of (position, position in `among`), each once, in order.
    """
    own, others = _unit(embeddings), _unit(among)
    least = near_similarity(embeddings)
    found: set[tuple[int, int]] = set()
    closest, highest = np.zeros(len(others), dtype=np.intp), np.full(len(others), -np.inf, dtype=np.float32)
    for start, block in _similarities(own, others):
        if not block.size:
            continue
        best = block.argmax(axis=1)
        rows = np.flatnonzero(block[np.arange(len(block)), best] >= least)
        found.update(zip((start + rows).tolist(), best[rows].tolist(), strict=True))
        top, place = block.max(axis=0), block.argmax(axis=0)
        better = top > highest
        highest[better], closest[better] = top[better], start + place[better]
    columns = np.flatnonzero(highest >= least)
    found.update(zip(closest[columns].tolist(), columns.tolist(), strict=True))
    return sorted(found)


def near_similarity(embeddings: np.ndarray) -> float:
    """The cosine from which on two texts count as nearly the same, given how similar texts of this set are."""
    unit = _unit(embeddings)
    if len(unit) < 2:
        return 1.0
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, len(unit), (2, _SAMPLED_PAIRS))
    apart = first != second
    usual = float(np.median(np.einsum("ph,ph->p", unit[first[apart]], unit[second[apart]])))
    return 1.0 - NEAR_SHARE * (1.0 - usual)


def _similarities(own: np.ndarray, others: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    step = max(1, _BLOCK_CELLS // max(1, len(others)))
    for start in range(0, len(own), step):
        yield start, own[start : start + step] @ others.T


def _unit(embeddings: np.ndarray) -> np.ndarray:
    vectors = np.asarray(embeddings, dtype=np.float32)
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))

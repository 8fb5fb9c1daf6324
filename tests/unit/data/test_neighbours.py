import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from fewfit.data import neighbours
from fewfit.data.neighbours import near_matches, near_pairs, near_similarity, nearest


def _vectors(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 16))


@pytest.mark.parametrize("block_cells", [40 * 3, 10**6])
def test_the_nearest_are_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch, block_cells: int) -> None:
    monkeypatch.setattr(neighbours, "_BLOCK_CELLS", block_cells)
    vectors = _vectors(40)
    found = nearest(vectors, 5)
    distances, positions = NearestNeighbors(n_neighbors=6, metric="cosine").fit(vectors).kneighbors(vectors)
    assert np.array_equal(found.positions, positions[:, 1:])
    assert found.similarities == pytest.approx(1 - distances[:, 1:], abs=1e-6)


def test_other_texts_can_be_looked_in() -> None:
    vectors, others = _vectors(10), _vectors(7, seed=1)
    found = nearest(vectors, 2, among=others)
    wanted = NearestNeighbors(n_neighbors=2, metric="cosine").fit(others).kneighbors(vectors)[1]
    assert np.array_equal(found.positions, wanted)


def test_there_are_no_more_neighbours_than_texts() -> None:
    assert nearest(_vectors(3), 10).positions.shape == (3, 2)
    assert nearest(_vectors(1), 10).positions.shape == (1, 0)


@pytest.mark.parametrize("shift", [0.0, 8.0])
def test_near_copies_are_found_however_alike_all_texts_are(shift: float) -> None:
    # Bases differ in how similar unrelated texts are: `shift` moves all vectors the same way.
    vectors = _vectors(60) + shift
    vectors[7] = vectors[41] + 0.05 * _vectors(1, seed=2)[0]
    assert [pair[:2] for pair in near_pairs(vectors)] == [(7, 41)]
    assert near_matches(vectors[:10], vectors[40:42]) == [(7, 1)]


def test_one_text_is_near_no_other() -> None:
    assert near_pairs(_vectors(1)) == []
    assert near_similarity(_vectors(1)) == 1.0


def test_many_copies_of_one_kind_leave_room_for_pairs_of_two() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(1000, 32))
    vectors[:460] = vectors[0] + 0.01 * rng.normal(size=(460, 32))
    vectors[999] = vectors[998] + 0.01 * rng.normal(size=32)
    kinds = np.zeros(1000, dtype=int)
    kinds[999] = 1
    assert [pair[:2] for pair in near_pairs(vectors, kinds=kinds)] == [(998, 999)]
    others = np.concatenate([vectors[:230], vectors[[999]], rng.normal(size=(5, 32))])
    found = near_matches(vectors[:999], others)
    assert {row for row, _ in found} == {*range(460), 998}
    assert {column for _, column in found} == set(range(231))
    assert near_matches(vectors[:0], others) == []

import numpy as np
import pytest

from fewfit.examples import KeptExamples


def _kept(n: int, n_labels: int = 3, limit: int = 1000) -> KeptExamples:
    rng = np.random.default_rng(1)
    matrix = np.zeros((n, n_labels), dtype=bool)
    matrix[np.arange(n), np.minimum(rng.geometric(0.7, size=n) - 1, n_labels - 1)] = True
    return KeptExamples.of([f"text {row}" for row in range(n)], rng.normal(size=(n, 8)), matrix, limit=limit)


def test_arrays_change_nothing() -> None:
    kept = _kept(20)
    read = KeptExamples.from_arrays(kept.arrays(), 3)
    assert read.texts == kept.texts
    np.testing.assert_array_equal(read.embeddings, kept.embeddings)
    np.testing.assert_array_equal(read.matrix, kept.matrix)


@pytest.mark.parametrize("name", ["embeddings", "labels", "text_ends"])
def test_arrays_that_do_not_belong_together_are_refused(name: str) -> None:
    arrays = _kept(20).arrays()
    with pytest.raises(ValueError, match=r"20|19"):
        KeptExamples.from_arrays(arrays | {name: arrays[name][:-1]}, 3)
    with pytest.raises(ValueError, match="for 4 labels"):
        KeptExamples.from_arrays(arrays, 4)


def test_at_most_the_limit_is_kept_and_no_rare_label_goes_missing() -> None:
    every, few = _kept(300), _kept(300, limit=30)
    assert len(few) == 30
    # 10 of each, and what the rarest label lacks is filled up with the others.
    counts, chosen = every.matrix.sum(axis=0), few.matrix.sum(axis=0)
    assert (chosen >= np.minimum(counts, 10)).all()
    rows = [every.texts.index(text) for text in few.texts]
    assert rows == sorted(rows)
    np.testing.assert_array_equal(few.matrix, every.matrix[rows])


def test_nearest_are_those_of_the_greatest_cosine() -> None:
    kept = _kept(600)
    asked = np.random.default_rng(2).normal(size=(300, 8))
    rows, similarities = kept.nearest(asked, 4)
    own = kept.embeddings.astype(np.float64)
    cosine = (asked @ own.T) / np.linalg.norm(asked, axis=1)[:, None] / np.linalg.norm(own, axis=1)
    np.testing.assert_allclose(similarities, -np.sort(-cosine, axis=1)[:, :4], atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(cosine, rows, axis=1), similarities, atol=1e-5)
    assert kept.nearest(asked[:0], 4)[0].shape == (0, 4)
    assert _kept(2).nearest(asked, 4)[0].shape == (300, 2)

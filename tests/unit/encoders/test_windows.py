import numpy as np

from fewfit.encoders.windows import Windows

WINDOWS = Windows([[[1, 7, 2]], [[1, 5, 6, 2], [1, 8, 2]], [[]]])


def test_windows_know_their_texts() -> None:
    assert WINDOWS.several
    assert WINDOWS.counts.tolist() == [1, 2, 1]
    assert WINDOWS.starts.tolist() == [0, 1, 3]
    assert list(WINDOWS.owners) == [0, 1, 1, 2]
    assert WINDOWS.tokens == [[1, 7, 2], [1, 5, 6, 2, 1, 8, 2], []]
    assert WINDOWS.take(np.array([1, 0])).ids == [[1, 5, 6, 2], [1, 8, 2], [1, 7, 2]]


def test_an_embedding_is_the_mean_by_tokens_and_that_of_one_window_its_own() -> None:
    embeddings = np.array([[0.1], [4.0], [0.5], [np.nan]], dtype=np.float32)
    means = WINDOWS.mean(embeddings)
    np.testing.assert_array_equal(means, np.array([[0.1], [2.5], [np.nan]], dtype=np.float32))
    assert means.dtype == np.float32


def test_texts_of_one_window_each_are_left_as_they_are() -> None:
    windows = Windows([[[1, 2]], [[3]]])
    embeddings = np.ones((2, 4), dtype=np.float32)
    assert not windows.several
    assert windows.mean(embeddings) is embeddings
    assert list(windows.owners) == [0, 1]

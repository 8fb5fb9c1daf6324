"""Texts longer than an encoder reads: in several windows, whose embeddings are averaged to the text's."""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fewfit.encoders.batching import length_batches
from fewfit.encoders.tokenizing import Tokenizer

# One text costs at most as much as 8 do, whoever sends it; 8 windows of 256 tokens are about 1,500 English words.
MOST_WINDOWS = 8


class Windows:
    """The windows of some texts, as `Tokenizer.windows` gives them: each text has one or more.

    >>> windows = Windows([[[101, 7592, 102]], [[101, 2088, 3000, 102], [101, 2653, 102]]])
    >>> len(windows.ids), windows.mean(np.array([[1.0], [4.0], [0.5]], dtype=np.float32)).tolist()
    (3, [[1.0], [2.5]])
    """

    def __init__(self, texts: Sequence[Sequence[list[int]]]) -> None:
        self.texts = texts
        self.ids = [ids for windows in texts for ids in windows]  # those of one text after those of another
        self.several = len(self.ids) > len(texts)  # whether any text has more than one

    @cached_property
    def counts(self) -> NDArray[np.intp]:
        """How many windows each text has, (n_texts,)."""
        return np.array([len(windows) for windows in self.texts], dtype=np.intp)

    @cached_property
    def starts(self) -> NDArray[np.intp]:
        """The first window of each text as a place in `ids`, (n_texts,)."""
        return np.asarray(np.cumsum(self.counts) - self.counts)

    @cached_property
    def owners(self) -> Sequence[int]:
        """The text that each window is of, (n_windows,)."""
        if not self.several:
            return range(len(self.ids))
        return [text for text, windows in enumerate(self.texts) for _ in windows]

    @property
    def tokens(self) -> list[list[int]]:
        """All that is read of each text, one window after another."""
        return [[token for ids in windows for token in ids] for windows in self.texts]

    def take(self, texts: NDArray[np.integer]) -> "Windows":
        """The windows of some of the texts."""
        return Windows([self.texts[text] for text in texts])

    def mean(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embeddings of windows (n_windows, embedding) to those of texts (n_texts, embedding).

        A window counts by its tokens, so that a text which is hardly too long is hardly changed by its last words.
        """
        if not self.several:
            return embeddings
        weights = np.array([[max(1, len(ids))] for ids in self.ids], dtype=np.float32)
        sums = np.add.reduceat(embeddings * weights, self.starts, axis=0)
        means = sums / np.add.reduceat(weights, self.starts, axis=0)
        alone = self.counts == 1
        means[alone] = embeddings[self.starts[alone]]  # to the last bit what a model that cuts says
        return np.asarray(means)


def embed_windows(
    windows: Windows,
    tokenizer: Tokenizer,
    run: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]],
    *,
    batch_tokens: int,
) -> NDArray[np.float32]:
    """Embeddings of texts, (n_texts, embedding), by `run` from ids and mask (n, longest) of some windows to theirs."""
    embeddings = np.zeros((len(windows.ids), tokenizer.config.embedding_size), dtype=np.float32)
    for rows in length_batches([len(ids) for ids in windows.ids], batch_tokens):
        ids, mask = tokenizer.pad([windows.ids[row] for row in rows])
        embeddings[rows] = run(ids, mask)
    return windows.mean(embeddings)

"""The training examples that a model keeps: to be updated without them, and to show what an answer rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# At most this many are kept, the same number of each label as far as there are any: 15 MB at 768 wide, plus texts.
LARGEST_NUMBER = 10_000
_ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class KeptExamples:
    """Labelled texts with the embeddings that the model's tail makes of them.

    `embeddings` is float16 (n_examples, embedding), `matrix` boolean (n_examples, n_labels) with the
    model's labels as columns.
    """

    texts: tuple[str, ...]
    embeddings: NDArray[np.float16]
    matrix: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.texts)

    @classmethod
    def of(
        cls, texts: Sequence[str], embeddings: np.ndarray, matrix: np.ndarray, *, limit: int = LARGEST_NUMBER
    ) -> "KeptExamples":
        """The examples, or `limit` of them in which every label has its share; their order stays."""
        rows = _balanced(matrix, limit)
        return cls(tuple(texts[row] for row in rows), embeddings[rows].astype(np.float16), matrix[rows].astype(bool))

    def take(self, rows: np.ndarray) -> "KeptExamples":
        """Some of the examples."""
        return KeptExamples(tuple(self.texts[row] for row in rows), self.embeddings[rows], self.matrix[rows])

    def nearest(self, embeddings: np.ndarray, n: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The rows of the `n` nearest examples of each text and their cosine similarities, both (n_texts, n)."""
        n = min(n, len(self))
        kept = _unit(self.embeddings.astype(np.float32))
        rows, similarities = [], []
        for start in range(0, len(embeddings), _ROWS_AT_ONCE):
            asked = _unit(np.asarray(embeddings[start : start + _ROWS_AT_ONCE], dtype=np.float32))
            similarity = np.einsum("th,eh->te", asked, kept, optimize=True)
            order = np.argsort(-similarity, axis=1, kind="stable")[:, :n]
            rows.append(order)
            similarities.append(np.take_along_axis(similarity, order, axis=1))
        if not rows:
            return np.empty((0, n), dtype=np.int64), np.empty((0, n))
        return np.concatenate(rows), np.concatenate(similarities).astype(np.float64)

    def arrays(self) -> dict[str, np.ndarray]:
        """The examples as arrays, which `from_arrays` reads: texts as UTF-8 bytes and where each ends."""
        encoded = [text.encode() for text in self.texts]
        return {
            "embeddings": np.ascontiguousarray(self.embeddings),
            "labels": self.matrix.astype(np.uint8),
            "text_bytes": np.frombuffer(b"".join(encoded), dtype=np.uint8),
            "text_ends": np.cumsum([len(text) for text in encoded], dtype=np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], n_labels: int) -> "KeptExamples":
        """What `arrays` gave. Raises ValueError or KeyError for other arrays."""
        content, ends = arrays["text_bytes"].tobytes(), arrays["text_ends"].tolist()
        texts = tuple(content[start:end].decode() for start, end in zip([0, *ends], ends, strict=False))
        embeddings, matrix = arrays["embeddings"], arrays["labels"].astype(bool)
        if not len(texts) == len(embeddings) == len(matrix) or matrix.shape[1:] != (n_labels,):
            raise ValueError(
                f"there are {len(texts)} example texts, {len(embeddings)} embeddings, and labels of shape "
                f"{matrix.shape} for {n_labels} labels"
            )
        return cls(texts, embeddings.astype(np.float16, copy=False), matrix)


def _balanced(matrix: np.ndarray, limit: int) -> np.ndarray:
    """At most `limit` rows: each in turn of the rarest label first, so that no label goes missing."""
    n_rows = len(matrix)
    if n_rows <= limit:
        return np.arange(n_rows)
    counts = matrix.sum(axis=0)
    # A row stands for the rarest of its labels; one without labels for a label of its own.
    rarity = np.where(matrix, counts, n_rows + 1)
    group = np.where(matrix.any(axis=1), rarity.argmin(axis=1), matrix.shape[1])
    shuffled = np.random.default_rng(0).permutation(n_rows)
    rank = np.empty(n_rows, dtype=np.int64)
    for label in np.unique(group):
        members = shuffled[group[shuffled] == label]
        rank[members] = np.arange(len(members))
    return np.sort(np.lexsort((shuffled, rank))[:limit])


def _unit(embeddings: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(embeddings / np.maximum(length, 1e-12))

"""What turns texts into embeddings: the seam behind which torch, ONNX Runtime and others stand."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Runtime(Protocol):
    """A trunk and one tail, ready to embed."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embeddings, float32 (n_texts, hidden), in the order of `texts`."""
        ...


class TrunkRunner(Protocol):
    """A base's lower layers, ready to run from several threads at once.

    `on_host` says that what it gives is a numpy array; else it is whatever the tails of its kind take, with
    rows and columns to be picked as in numpy.
    """

    on_host: bool
    size_bytes: int

    def __hash__(self) -> int: ...  # what it made is kept under it

    def run(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Any:
        """Ids and mask (n_texts, longest) to hidden states (n_texts, longest, hidden)."""
        ...


class TailRunner(Protocol):
    """A model's upper layers and pooling, ready to run from several threads at once."""

    size_bytes: int

    @property
    def shared(self) -> "SharedTail | None":
        """The tail that other models use, too, so that texts for them can be asked together; None for one's own."""
        ...

    def run(self, hidden: Any, mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """The trunk's output (n_texts, longest, hidden) and its mask to embeddings (n_texts, embedding)."""
        ...


class SharedTail(Protocol):
    """A base's own tail, which low-rank models change text by text."""

    size_bytes: int

    def run_for(self, tails: Sequence[Any], hidden: Any, mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Like `TailRunner.run`, with a tail for each text: all of them share this one."""
        ...

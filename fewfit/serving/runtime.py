"""What turns texts into embeddings: the seam behind which torch, ONNX Runtime and others stand."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Runtime(Protocol):
    """A trunk and one tail, ready to embed."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Embeddings, float32 (n_texts, hidden), in the order of `texts`."""
        ...

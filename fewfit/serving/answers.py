"""What the engine answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fewfit.decision import Decision
from fewfit.errors import FewfitError


@dataclass(frozen=True)
class Answers:
    """What a model says of some texts.

    `embeddings` is float32 (n_texts, embedding). A text that failed has a row of NaN there, and its
    error is in `errors` under its position; the other texts are answered all the same. A text that the
    fast tier answered has no embedding (NaN), and its confidences are in `fast` under its position. `known` are the
    confidences of all texts where they are known already.
    """

    decision: Decision
    embeddings: NDArray[np.float32]
    errors: Mapping[int, FewfitError]
    fast: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)
    known: NDArray[np.float64] | None = None

    @cached_property
    def confidences(self) -> NDArray[np.float64]:
        """Confidences (n_texts, n_labels), columns as in `decision.labels`; NaN for a text that failed."""
        if self.known is not None:
            return self.known
        if not self.fast:
            return self.decision.probabilities(self.embeddings)
        confidences = np.empty((len(self.embeddings), len(self.decision.labels)))
        rows = np.fromiter(self.fast, dtype=np.intp, count=len(self.fast))
        confidences[rows] = np.stack(list(self.fast.values()))
        others = np.ones(len(confidences), dtype=bool)
        others[rows] = False
        confidences[others] = self.decision.probabilities(self.embeddings[others])
        return confidences

    @cached_property
    def rejected(self) -> NDArray[np.bool_]:
        """Which texts get no label since they are unlike what the model was trained on, (n_texts,)."""
        return self.decision.rejects(self.embeddings)

    def raise_for_errors(self) -> None:
        """Raises the first text's error, if any text failed."""
        if self.errors:
            raise self.errors[min(self.errors)]

"""What callers ask of the engine, text by text."""

import contextlib
import threading
from collections.abc import Mapping
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fewfit.decision import Decision
from fewfit.errors import FewfitError
from fewfit.serving.served import ServedModel

# "fast" lets a model's fast tier answer what it is sure of; "full" asks the model about every text.
Speed = Literal["full", "fast"]


@dataclass(frozen=True)
class Answers:
    """What a model says of some texts.

    `embeddings` is float32 (n_texts, embedding). A text that failed has a row of NaN there, and its
    error is in `errors` under its position; the other texts are answered all the same. A text that the
    fast tier answered has no embedding (NaN), and its confidences are in `fast` under its position.
    """

    decision: Decision
    embeddings: NDArray[np.float32]
    errors: Mapping[int, FewfitError]
    fast: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)

    @cached_property
    def confidences(self) -> NDArray[np.float64]:
        """Confidences (n_texts, n_labels), columns as in `decision.labels`; NaN for a text that failed."""
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


class Request:
    """Some texts of one caller for one model, on their way."""

    def __init__(self, model: ServedModel, n_texts: int, errors: dict[int, FewfitError]) -> None:
        self.model = model
        self.future: Future[Answers] = Future()
        self._embeddings = np.full((n_texts, model.embedding_size), np.nan, dtype=np.float32)
        self._errors = errors
        self._fast: dict[int, NDArray[np.float64]] = {}
        self._open = n_texts - len(errors)
        self._lock = threading.Lock()
        if self._open == 0:
            self._finish()

    @property
    def cancelled(self) -> bool:
        """Whether the caller has given up."""
        return self.future.cancelled()

    def answer(self, position: int, embedding: NDArray[np.float32]) -> None:
        """Takes in the embedding of the text at `position`."""
        self._embeddings[position] = embedding
        self._close(1)

    def answer_fast(self, answers: Mapping[int, NDArray[np.float64]]) -> None:
        """Takes in the fast tier's confidences, by position."""
        if not answers:
            return
        self._fast.update(answers)
        self._close(len(answers))

    def fail(self, position: int, error: FewfitError) -> None:
        """Notes that the text at `position` has no answer, and why."""
        self._errors[position] = error
        self._close(1)

    def _close(self, n_texts: int) -> None:
        with self._lock:
            self._open -= n_texts
            done = self._open == 0
        if done:
            self._finish()

    def _finish(self) -> None:
        with contextlib.suppress(InvalidStateError):  # the caller gave up in this very moment
            self.future.set_result(Answers(self.model.decision, self._embeddings, self._errors, self._fast))


@dataclass(eq=False, slots=True)
class Item:
    """One text of a request: its token ids, and for whom its activations may be kept."""

    request: Request
    position: int
    ids: list[int]
    organisation: str | None
    taken: bool = False

    @property
    def length(self) -> int:
        """How many tokens the text has."""
        return len(self.ids)

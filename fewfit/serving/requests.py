"""What callers ask of the engine, text by text."""

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fewfit.decision import Decision
from fewfit.encoders.windows import Windows
from fewfit.errors import FewfitError
from fewfit.serving.served import ServedModel

# "fast" lets a model's fast tier answer what it is sure of; "full" asks the model about every text.
Speed = Literal["full", "fast"]


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


class Request:
    """Some texts of one caller for one model, on their way, each in its windows.

    `errors` are of the texts that could not be read, by position; each has one window, which nobody computes.
    """

    def __init__(self, model: ServedModel, windows: Windows, errors: dict[int, FewfitError]) -> None:
        self.model = model
        self.future: Future[Answers] = Future()
        self._windows = windows
        self._embeddings = np.full((len(windows.ids), model.embedding_size), np.nan, dtype=np.float32)
        self._errors = errors
        self._fast: dict[int, NDArray[np.float64]] = {}
        self._confidences: dict[int, NDArray[np.float64]] = {}
        self._open = len(windows.ids) - len(errors)
        self._lock = threading.Lock()
        if self._open == 0:
            self._finish()

    @property
    def cancelled(self) -> bool:
        """Whether the caller has given up."""
        return self.future.cancelled()

    def answer(
        self, window: int, embedding: NDArray[np.float32], confidences: NDArray[np.float64] | None = None
    ) -> None:
        """Takes in the embedding of a window, and the confidences (n_labels,) that it has where they are known."""
        self._embeddings[window] = embedding
        if confidences is not None:
            self._confidences[window] = confidences
        self._close(1)

    def answer_fast(self, answers: Mapping[int, NDArray[np.float64]]) -> None:
        """Takes in the fast tier's confidences, by position."""
        if not answers:
            return
        self._fast.update(answers)
        self._close(sum(len(self._windows.texts[position]) for position in answers))

    def fail(self, window: int, error: Exception, *, on_first: Callable[[], None]) -> None:
        """Notes that the text of a window has no answer, and why; `on_first` hears of the first of its windows."""
        position = self._windows.owners[window]
        failure = FewfitError(f"Text {position + 1} could not be answered: {error}")
        with self._lock:
            first = self._errors.setdefault(position, failure) is failure
        if first:
            on_first()
        self._close(1)

    def n_texts(self, items: "Iterable[Item]") -> int:
        """Of how many texts some of its windows are."""
        return len({self._windows.owners[item.window] for item in items})

    def _close(self, n_windows: int) -> None:
        with self._lock:
            self._open -= n_windows
            done = self._open == 0
        if done:
            self._finish()

    def _finish(self) -> None:
        with contextlib.suppress(InvalidStateError):  # the caller gave up in this very moment
            embeddings = self._windows.mean(self._embeddings)
            known = None
            # Of a text in several windows only their mean has confidences.
            if self._confidences and len(self._confidences) == len(self._windows.ids) == len(embeddings):
                known = np.stack([self._confidences[window] for window in range(len(embeddings))])
            self.future.set_result(Answers(self.model.decision, embeddings, self._errors, self._fast, known))


@dataclass(eq=False, slots=True)
class Item:
    """One window of a request's texts: its token ids, and for whom its activations may be kept."""

    request: Request
    window: int
    ids: list[int]
    organisation: str | None
    taken: bool = False

    @property
    def length(self) -> int:
        """How many tokens the window has."""
        return len(self.ids)

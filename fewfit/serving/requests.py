"""What callers ask of the engine, text by text."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fewfit.encoders.windows import Windows
from fewfit.errors import FewfitError
from fewfit.serving.answers import Answers
from fewfit.serving.replies import Reply
from fewfit.serving.served import ServedModel

# "fast" lets a model's fast tier answer what it is sure of; "full" asks the model about every text.
Speed = Literal["full", "fast"]


class Request:
    """Some texts of one caller for one model, on their way, each in its windows.

    `errors` are of the texts that could not be read, by position; each has one window, which nobody computes.
    """

    def __init__(self, model: ServedModel, windows: Windows, errors: dict[int, FewfitError], reply: Reply) -> None:
        self.model = model
        self._reply = reply
        self._windows = windows
        self._embeddings = np.empty((len(windows.ids), model.embedding_size), dtype=np.float32)
        self._embeddings.fill(np.nan)
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
        return self._reply.cancelled()

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
        embeddings = self._windows.mean(self._embeddings)
        known = None
        # Of a text in several windows only their mean has confidences.
        if self._confidences and len(self._confidences) == len(self._windows.ids) == len(embeddings):
            known = np.stack([self._confidences[window] for window in range(len(embeddings))])
        self._reply.send(Answers(self.model.decision, embeddings, self._errors, self._fast, known))


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

"""How an engine has been doing."""

import threading
import time
from dataclasses import asdict, dataclass
from typing import TypedDict, Unpack


@dataclass(frozen=True)
class EngineStatistics:
    """Counts since an engine started, and how things stand now.

    `padding` is the share of computed tokens that were padding, `tokens_per_s` real tokens for each
    second of a worker's work times the number of workers: what the engine manages when it is busy. A text that is
    read in several windows counts as each of them in `waiting_texts` and `texts_per_batch`.
    """

    uptime_s: float
    workers: int
    busy_workers: int
    waiting_texts: int
    waiting_tokens: int
    texts: int
    fast_texts: int
    failed_texts: int
    refused_texts: int
    batches: int
    texts_per_batch: float
    tokens: int
    padding: float
    tokens_per_s: float
    cache_hits: int
    cache_bytes: int
    models: int
    models_in_memory: int
    model_bytes: int
    evictions: int

    def to_dict(self) -> dict[str, float | int]:
        """The figures as plain JSON types."""
        return asdict(self)


class _Standing(TypedDict):
    workers: int
    busy_workers: int
    waiting_texts: int
    waiting_tokens: int
    cache_hits: int
    cache_bytes: int
    models: int
    models_in_memory: int
    model_bytes: int
    evictions: int


class Counters:
    """What an engine counts as it works. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started_s = time.monotonic()
        self._texts = self._fast = self._failed = self._refused = 0
        self._batches = self._batched_texts = self._tokens = self._padded = 0
        self._work_s = 0.0

    def accepted(self, n_texts: int, n_failed: int, n_fast: int) -> None:
        """Texts came in; some of them could not be read, some were answered by a fast tier."""
        with self._lock:
            self._texts += n_texts
            self._fast += n_fast
            self._failed += n_failed

    def refused(self, n_texts: int) -> None:
        """Texts were turned away: the queue was full."""
        with self._lock:
            self._refused += n_texts

    def failed(self) -> None:
        """A text could not be answered."""
        with self._lock:
            self._failed += 1

    def batch(self, n_texts: int, n_tokens: int, n_padded: int, work_s: float) -> None:
        """A batch was computed: real tokens, tokens with padding, seconds of one worker."""
        with self._lock:
            self._batches += 1
            self._batched_texts += n_texts
            self._tokens += n_tokens
            self._padded += n_padded
            self._work_s += work_s

    def statistics(self, **standing: Unpack[_Standing]) -> EngineStatistics:
        """Everything counted, with how things stand now."""
        with self._lock:
            return EngineStatistics(
                uptime_s=time.monotonic() - self._started_s,
                texts=self._texts,
                fast_texts=self._fast,
                failed_texts=self._failed,
                refused_texts=self._refused,
                batches=self._batches,
                texts_per_batch=self._batched_texts / max(1, self._batches),
                tokens=self._tokens,
                padding=1 - self._tokens / max(1, self._padded),
                tokens_per_s=standing["workers"] * self._tokens / self._work_s if self._work_s else 0.0,
                **standing,
            )

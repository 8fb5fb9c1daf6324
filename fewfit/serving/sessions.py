"""Trunks and tails as onnxruntime sessions of one thread each; several workers share one session."""

import ctypes
import sys
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from fewfit.encoders.graphs import Arrays, Graph
from fewfit.encoders.lora import LORA_FIRST, LORA_INPUT


class TrunkSession:
    """A base's lower layers, ready to run: safe to call from several threads at once."""

    on_host = True

    def __init__(self, graph: Graph, arrays: Arrays) -> None:
        self._session, self.size_bytes = _session(graph, arrays)

    def run(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Ids and mask (n_texts, longest) to hidden states (n_texts, longest, hidden)."""
        (hidden,) = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
        return np.asarray(hidden)


class TailSession:
    """A model's upper layers and pooling, ready to run: safe to call from several threads at once."""

    shared = None

    def __init__(self, graph: Graph, arrays: Arrays) -> None:
        self._session, self.size_bytes = _session(graph, arrays)

    def run(self, hidden: NDArray[np.float32], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """The trunk's output (n_texts, longest, hidden) and its mask to embeddings (n_texts, embedding)."""
        (embeddings,) = self._session.run(None, {"trunk_output": hidden, "attention_mask": mask})
        return np.asarray(embeddings)


class SharedTailSession:
    """A base's own upper layers and pooling, for all models whose tails are low-rank changes of them."""

    def __init__(self, graph: Graph, arrays: Arrays) -> None:
        self._session, self.size_bytes = _session(graph, arrays)
        self.changes = _Changes()

    def run_for(
        self, tails: Sequence["LowRankTail"], hidden: NDArray[np.float32], mask: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Hidden states (n_texts, longest, hidden), mask and each text's own tail to embeddings."""
        if all(tail is tails[0] for tail in tails):
            tails = tails[:1]
        first = np.array([tail.first for tail in tails], dtype=np.int64)
        inputs = {"trunk_output": hidden, "attention_mask": mask, LORA_INPUT: self.changes.rows, LORA_FIRST: first}
        (embeddings,) = self._session.run(None, inputs)
        return np.asarray(embeddings)


class LowRankTail:
    """A model's tail as what it adds to that of its base: `rows` as `lora_rows` gives them."""

    def __init__(self, shared: SharedTailSession, rows: NDArray[np.float32]) -> None:
        self.shared = shared
        self.size_bytes = rows.nbytes
        self.first = shared.changes.add(rows)
        weakref.finalize(self, shared.changes.remove, self.first)

    def run(self, hidden: NDArray[np.float32], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """The trunk's output (n_texts, longest, hidden) and its mask to embeddings (n_texts, embedding)."""
        return self.shared.run_for([self], hidden, mask)


class _Changes:
    """The low-rank matrices of many models, all of one rank, in one array that grows with them.

    Sessions read the array while models come and go: it is replaced by a larger one, never resized, and a place is
    used again only when nobody has its model any more.
    """

    def __init__(self) -> None:
        self.rows: NDArray[np.float32] = np.empty((0, 0), dtype=np.float32)
        self._used = 0
        self._free: deque[int] = deque()
        self._lock = threading.Lock()

    def add(self, rows: NDArray[np.float32]) -> int:
        """Takes in the rows of a model; returns where they begin."""
        with self._lock:
            with suppress(IndexError):
                first = self._free.popleft()
                self.rows[first : first + len(rows)] = rows
                return first
            first, self._used = self._used, self._used + len(rows)
            if self._used > len(self.rows):
                # Memory that nothing was written to is not taken from the system yet.
                larger = np.empty((2 * self._used, rows.shape[1]), dtype=np.float32)
                if first:
                    larger[:first] = self.rows[:first]
                self.rows = larger
            self.rows[first : self._used] = rows
            return first

    def remove(self, first: int) -> None:
        """Frees the place of a model. Takes no lock: it may be called wherever an object goes away."""
        self._free.append(first)


def _session(graph: Graph, arrays: Arrays) -> tuple[ort.InferenceSession, int]:
    """A session and the size of its weights in bytes."""
    _share_memory()
    options = ort.SessionOptions()
    # One thread a session, several workers: 1.4 to 1.9 times as fast as one session of two threads.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    weights = graph.weights(arrays)
    if weights:
        values = [ort.OrtValue.ortvalue_from_numpy(value) for value in weights.values()]
        options.add_external_initializers(list(weights), values)
    session = ort.InferenceSession(graph.model, options, providers=["CPUExecutionProvider"])
    return session, sum(value.nbytes for value in weights.values())


@lru_cache(maxsize=1)
def _share_memory() -> None:
    """One pool of working memory for all sessions: a hundred tails would otherwise keep a hundred pools."""
    kind = ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    info = ort.OrtMemoryInfo("Cpu", kind, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(info, None)


def release_freed_memory() -> None:
    """Gives memory that is no longer used back to the system, where the C library would keep it.

    Making a session leaves holes that glibc holds on to: with this, each further tail of MiniLM needs 16 %
    more than its weights, without it 40 %.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@lru_cache(maxsize=1)
def _malloc_trim() -> "ctypes._NamedFuncPointer | None":
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None  # another C library than glibc

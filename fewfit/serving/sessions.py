"""Trunks and tails as onnxruntime sessions of one thread each; several workers share one session."""

import ctypes
import sys
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from fewfit.encoders.graphs import Arrays, Graph
from fewfit.encoders.lora import LORA_INPUT


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

    def run_for(
        self, tails: Sequence["LowRankTail"], hidden: NDArray[np.float32], mask: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Hidden states (n_texts, longest, hidden), mask and each text's own tail to embeddings."""
        alike = all(tail is tails[0] for tail in tails)
        vectors = tails[0].vector if alike else np.concatenate([tail.vector for tail in tails])
        inputs = {"trunk_output": hidden, "attention_mask": mask, LORA_INPUT: vectors}
        (embeddings,) = self._session.run(None, inputs)
        return np.asarray(embeddings)


class LowRankTail:
    """A model's tail as what it adds to that of its base: `vector` (1, size), see `fewfit.encoders.lora`."""

    def __init__(self, shared: SharedTailSession, vector: NDArray[np.float32]) -> None:
        self.shared = shared
        self.vector = vector
        self.size_bytes = vector.nbytes

    def run(self, hidden: NDArray[np.float32], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """The trunk's output (n_texts, longest, hidden) and its mask to embeddings (n_texts, embedding)."""
        return self.shared.run_for([self], hidden, mask)


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

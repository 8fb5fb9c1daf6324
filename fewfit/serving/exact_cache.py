"""Answers to recent texts, exactly as they were computed."""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

_Key = tuple[str | None, Hashable, bytes]

_OVERHEAD_BYTES = 400  # of an entry: its key, its place, the array's header


class ExactCache:
    """Arrays by organisation, what made them, and token ids; the least recently used leave first.

    What one organisation has asked never speeds up another's answer, so that nobody can find out by the
    clock what others ask. `limit_bytes` of 0 keeps nothing.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.size_bytes = 0
        self.hits = 0
        self._arrays: OrderedDict[_Key, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, organisation: str | None, made_by: Hashable, ids: Sequence[int]) -> NDArray[np.float32] | None:
        """What `made_by` made of these tokens for this organisation, or None."""
        if not self.limit_bytes:
            return None
        key = _key(organisation, made_by, ids)
        with self._lock:
            found = self._arrays.get(key)
            if found is None:
                return None
            self.hits += 1
            self._arrays.move_to_end(key)
            return found

    def put(self, organisation: str | None, made_by: Hashable, ids: Sequence[int], array: NDArray[np.float32]) -> None:
        """Keeps a copy of an array, unless it is larger than a hundredth of the limit."""
        size = array.nbytes + 4 * len(ids) + _OVERHEAD_BYTES
        if size > self.limit_bytes / 100:
            return
        key = _key(organisation, made_by, ids)
        kept = array.copy()
        kept.flags.writeable = False
        with self._lock:
            if key in self._arrays:
                return
            self._arrays[key] = kept
            self.size_bytes += size
            while self.size_bytes > self.limit_bytes:
                (_, _, old_ids), old = self._arrays.popitem(last=False)
                self.size_bytes -= old.nbytes + len(old_ids) + _OVERHEAD_BYTES


def _key(organisation: str | None, made_by: Hashable, ids: Sequence[int]) -> _Key:
    return organisation, made_by, np.asarray(ids, dtype=np.int32).tobytes()

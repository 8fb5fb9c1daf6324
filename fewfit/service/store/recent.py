"""What the store said a moment ago: requests are answered from memory, and the store is asked now and then."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass
class _Entry(Generic[V]):
    value: V
    renew_s: float
    until_s: float


class Recent(Generic[K, V]):
    """Values that are believed for `keep_s` seconds after the store was asked. Safe for threads.

    What this process itself changes it forgets at once (`forget`); what another process changes is noticed
    within `keep_s`. When half of that is over, one caller is sent to the store while the others are still
    answered from here, so that many requests at once never all wait for it.
    """

    def __init__(self, keep_s: float, limit: int) -> None:
        self._keep_s = keep_s
        self._limit = limit
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()
        self._forgotten = 0
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """What is believed of `key`; None where the store is to be asked (`ask`)."""
        with self._lock:
            entry = self._entries.get(key)
            now_s = time.monotonic()
            if entry is None or entry.until_s <= now_s:
                return None
            if entry.renew_s <= now_s:
                entry.renew_s = entry.until_s
                return None
            return entry.value

    def knows(self, key: K) -> bool:
        """Whether something is believed of `key`."""
        with self._lock:
            entry = self._entries.get(key)
            return entry is not None and entry.until_s > time.monotonic()

    def ask(self, key: K, look_up: Callable[[], V]) -> V:
        """What the store says of `key`, believed from now on. An error of `look_up` is passed on, not kept."""
        with self._lock:
            forgotten = self._forgotten
        asked_s = time.monotonic()
        value = look_up()
        with self._lock:
            if forgotten == self._forgotten:  # else it may be what was just forgotten
                self._entries[key] = _Entry(value, asked_s + self._keep_s / 2, asked_s + self._keep_s)
                self._entries.move_to_end(key)
                while len(self._entries) > self._limit:
                    self._entries.popitem(last=False)
        return value

    def forget(self, gone: Callable[[V], bool]) -> None:
        """Lets go of the values that are `gone`, also of those that are being looked up right now."""
        with self._lock:
            self._forgotten += 1
            for key in [key for key, entry in self._entries.items() if gone(entry.value)]:
                del self._entries[key]

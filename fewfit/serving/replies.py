"""How answers come back to those who asked: threads and coroutines."""

import asyncio
import threading
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Protocol
from weakref import WeakKeyDictionary

from fewfit.serving.answers import Answers


class Reply(Protocol):
    """Where the answers to a request go."""

    def cancelled(self) -> bool:
        """Whether the caller has given up."""
        ...

    def send(self, answers: Answers) -> None:
        """Hands them over, from any thread; a caller who has given up gets nothing."""
        ...


class ThreadReply:
    """A reply that threads wait for, by its `future`."""

    def __init__(self) -> None:
        self.future: Future[Answers] = Future()

    def cancelled(self) -> bool:
        """Whether the future was cancelled."""
        return self.future.cancelled()

    def send(self, answers: Answers) -> None:
        """Sets the future's result."""
        with suppress(InvalidStateError):  # the caller gave up in this very moment
            self.future.set_result(answers)


class LoopReply:
    """A reply that a coroutine of the running event loop waits for, by its `future`."""

    def __init__(self, mailboxes: "Mailboxes") -> None:
        loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Answers] = loop.create_future()
        self._mailbox = mailboxes.of(loop)

    def cancelled(self) -> bool:
        """Whether the coroutine was cancelled."""
        return self.future.cancelled()

    def send(self, answers: Answers) -> None:
        """Puts them into the mailbox of the coroutine's event loop."""
        self._mailbox.put(self.future, answers)


class Mailbox:
    """The answers for the coroutines of an event loop, which takes all that have come at once.

    A thread's future for each, chained to one of the loop's, would take more of the loop's time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._full: list[tuple[asyncio.Future[Answers], Answers]] = []

    def put(self, future: "asyncio.Future[Answers]", answers: Answers) -> None:
        """Answers a future of the loop soon, from any thread."""
        with self._lock:
            self._full.append((future, answers))
            is_first = len(self._full) == 1
        if is_first:
            try:
                future.get_loop().call_soon_threadsafe(self._hand_out)
            except RuntimeError:  # the loop is closed: nobody waits any more
                self._take()

    def _hand_out(self) -> None:
        for future, answers in self._take():
            if not future.done():
                future.set_result(answers)

    def _take(self) -> "list[tuple[asyncio.Future[Answers], Answers]]":
        with self._lock:
            full, self._full = self._full, []
        return full


class Mailboxes:
    """Those of all event loops, each kept as long as its loop."""

    def __init__(self) -> None:
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Mailbox] = WeakKeyDictionary()

    def of(self, loop: asyncio.AbstractEventLoop) -> Mailbox:
        """The loop's own, to be called on its thread."""
        found = self._by_loop.get(loop)
        if found is None:
            found = self._by_loop[loop] = Mailbox()
        return found

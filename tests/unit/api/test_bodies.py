"""Clients that leave before they are answered."""

import asyncio
from collections.abc import Callable

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from fewfit.api import bodies
from fewfit.api.bodies import unless_gone


@pytest.fixture(autouse=True)
def watched_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_WATCHED_AFTER_S", 0)


class _Client:
    """A client whose request has arrived whole, and who leaves when told to."""

    def __init__(self) -> None:
        self.leave = asyncio.Event()

    async def receive(self) -> Message:
        await self.leave.wait()
        return {"type": "http.disconnect"}


class _Work:
    """Something that takes until it is told to end."""

    def __init__(self) -> None:
        self.begun, self.end = asyncio.Event(), asyncio.Event()
        self.cancelled = False

    async def run(self) -> str:
        self.begun.set()
        try:
            await self.end.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return "done"


def _while_it_works(then: Callable[[_Client, _Work, "asyncio.Task[str]"], object]) -> tuple[_Work, object]:
    """What comes of a request in whose middle something happens."""

    async def play() -> tuple[_Work, object]:
        client, work = _Client(), _Work()
        task = asyncio.create_task(unless_gone(client.receive, work.run()))
        await work.begun.wait()
        await asyncio.sleep(0.01)
        then(client, work, task)
        (found,) = await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}, "nobody watches any more"
        return work, found

    return asyncio.run(play())


def test_what_a_client_asked_who_has_gone_is_not_done() -> None:
    work, found = _while_it_works(lambda client, work, task: client.leave.set())
    assert isinstance(found, ClientDisconnect)
    assert work.cancelled


def test_a_client_who_waits_gets_the_answer() -> None:
    _, found = _while_it_works(lambda client, work, task: work.end.set())
    assert found == "done"


def test_a_server_that_stops_is_no_client_that_leaves() -> None:
    work, found = _while_it_works(lambda client, work, task: task.cancel())
    assert isinstance(found, asyncio.CancelledError)
    assert work.cancelled

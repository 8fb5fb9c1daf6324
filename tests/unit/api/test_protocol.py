"""What a connection may send before anybody knows who it is."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from fewfit.api import protocol
from fewfit.api.protocol import BoundedProtocol

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_ASK = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"


async def _length(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the length of the body."""
    found, more = 0, True
    while more:
        message = await receive()
        found += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = str(found).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _talk(what: Callable[[Connection], Awaitable[bytes]]) -> bytes:
    async def run() -> bytes:
        config = uvicorn.Config(_length, lifespan="off", log_config=None)
        config.load()
        loop, state = asyncio.get_running_loop(), ServerState()
        server = await loop.create_server(lambda: BoundedProtocol(config, state, {}), "127.0.0.1", 0)
        async with server:
            host, port = server.sockets[0].getsockname()
            reader, writer = await asyncio.open_connection(host, port)
            try:
                return await asyncio.wait_for(what((reader, writer)), 20)
            finally:
                writer.close()

    return asyncio.run(run())


async def _answer(reader: asyncio.StreamReader) -> bytes:
    """A whole answer: its head and its short body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
    return head + await reader.readexactly(int(length.split(b":")[1]))


@pytest.mark.parametrize("piece", [b"X-Some: more and more\r\n" * 50, b"a" * 1000])
def test_headers_without_an_end_are_refused_and_not_kept(piece: bytes) -> None:
    async def ask(connection: Connection) -> bytes:
        reader, writer = connection
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\nX-First: ")
        try:
            for _ in range(2000):
                writer.write(piece)
                await writer.drain()
            return await reader.read()
        except ConnectionError:
            return b"closed"  # the answer is lost where more is on its way

    said = _talk(ask)
    assert said == b"closed" or said.startswith(b"HTTP/1.1 431 ")


def test_too_many_headers_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MOST_HEAD_BYTES", 1000)

    async def ask(connection: Connection) -> bytes:
        reader, writer = connection
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X-Some: more\r\n" * 100)
        return await reader.read()

    said = _talk(ask)
    assert said.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b'{"message":"The request cannot be read: more than 1,000 bytes of headers."}' in said


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost"])
def test_headers_that_do_not_arrive_are_not_waited_for(monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT_S", 0.05)

    async def ask(connection: Connection) -> bytes:
        reader, writer = connection
        writer.write(begun)
        return await reader.read()

    assert _talk(ask).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("said", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/1.1\r\nno colon\r\n\r\n"])
def test_what_is_no_http_is_refused_in_the_words_of_the_api(said: bytes) -> None:
    async def ask(connection: Connection) -> bytes:
        reader, writer = connection
        writer.write(said)
        return await reader.read()

    head, _, body = _talk(ask).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/json" in head
    assert json.loads(body) == {"message": "The request cannot be read: it is no valid HTTP."}


def test_bodies_and_further_requests_are_not_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MOST_HEAD_BYTES", 200)
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT_S", 0.2)

    async def ask(connection: Connection) -> bytes:
        reader, writer = connection
        said = b""
        for size in (5000, 0, 300_000):
            writer.write(_ASK % size + b"x" * (size // 2))
            await asyncio.sleep(0.3)  # a slow body is no slow head
            writer.write(b"x" * (size - size // 2))
            said += await _answer(reader)
        # The end of a body and the next request in one piece.
        writer.write(_ASK % 1000 + b"x" * 10)
        await asyncio.sleep(0.05)
        writer.write(b"x" * 990 + _ASK[:20])
        said += await _answer(reader)
        writer.write(_ASK[20:] % 7 + b"1234567")
        return said + await _answer(reader)

    said = _talk(ask)
    assert said.count(b"HTTP/1.1 200 OK") == 5
    assert [part.rpartition(b"\r\n\r\n")[2] for part in said.split(b"HTTP/1.1 200 OK")[1:]] == [
        b"5000", b"0", b"300000", b"1000", b"7"
    ]  # fmt: skip

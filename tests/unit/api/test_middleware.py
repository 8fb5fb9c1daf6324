"""What is around every request: ids, limits, headers, logs."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from starlette.types import Message, Receive, Scope, Send

from fewfit.api import bodies
from fewfit.api.admission import Admission
from fewfit.api.authentication import Authentication
from fewfit.api.metrics import Metrics
from fewfit.api.middleware import Gateway
from fewfit.logs import JsonFormatter
from fewfit.service.interface import KeysLike
from fewfit.service.records import Caller
from fewfit.web.body_limit import BodyLimit

Handler = Callable[[Scope, Receive, Send], Awaitable[None]]


async def read_all(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message["body"])
        if not message.get("more_body"):
            return body


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await read_all(receive)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode() + b" " + body})


def gateway(app: Handler = echo, **limits: Any) -> Gateway:
    return Gateway(app, Metrics(), **{"body_limit_bytes": 1000, "body_timeout_s": 1} | limits)


async def request(
    app: Gateway, path: str = "/v1/x", body: bytes = b"", receive: Receive | None = None, **headers: str
) -> dict[str, Any]:
    found: dict[str, Any] = {"body": b""}
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "headers": given}

    async def whole() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            found["status"] = message["status"]
            found["headers"] = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            found["body"] += message["body"]

    await app(scope, receive or whole, send)
    return found


def test_every_answer_has_an_id_and_is_not_for_other_sites() -> None:
    answer = asyncio.run(request(gateway(), "/v1/x"))
    assert len(answer["headers"]["x-request-id"]) == 36
    assert answer["headers"]["x-content-type-options"] == "nosniff"
    assert answer["headers"]["cache-control"] == "no-store"
    assert "cache-control" not in asyncio.run(request(gateway(), "/healthz"))["headers"]


def test_the_doubled_prefix_is_dropped() -> None:
    assert asyncio.run(request(gateway(), "/v1/v1/datasets", b"x"))["body"] == b"/v1/datasets x"
    assert asyncio.run(request(gateway(), "/v1/v1", b"x"))["body"] == b"/v1/v1 x"
    # A base URL that ends in a slash.
    for path in ("//v1/datasets", "/v1//datasets", "//v1/v1/datasets"):
        assert asyncio.run(request(gateway(), path, b"x"))["body"] == b"/v1/datasets x"
    # An id that is empty is not there.
    for path in ("/v1/datasets/", "/v1/models//x", "//x"):
        assert asyncio.run(request(gateway(), path, b"x"))["body"] == path.encode() + b" x"


def test_a_body_stops_where_it_is_too_large() -> None:
    from fewfit.web.errors import RequestError

    reasons: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(RequestError) as caught:
            await read_all(receive)
        reasons.append(str(caught.value))

    for kind in ("application/json", "multipart/form-data; boundary=x"):
        asyncio.run(request(gateway(app), body=b"x" * 1001, content_type=kind))
        assert "1,000 bytes" in reasons.pop()


def test_a_compressed_body_is_refused_as_such() -> None:
    from fewfit.web.errors import RequestError

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(RequestError, match=r"compressed \(Content-Encoding: gzip\)"):
            await read_all(receive)

    pieces = [b"x" * 10, b"x" * 10]

    async def receive() -> Message:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    asyncio.run(request(gateway(app), receive=receive, content_encoding="gzip"))
    assert not pieces, "a client that is still sending would not see the answer"
    assert asyncio.run(request(gateway(), body=b"x", content_encoding="identity"))["body"] == b"/v1/x x"


def test_who_streams_an_upload_has_a_limit_of_its_own() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        BodyLimit.lift(scope)
        await echo(scope, receive, send)

    assert len(asyncio.run(request(gateway(app), body=b"x" * 100_000))["body"]) > 100_000


def test_a_body_that_stops_arriving_is_refused() -> None:
    from fewfit.web.errors import RequestTimeoutError

    async def silence() -> Message:
        await asyncio.sleep(60)
        raise AssertionError

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(RequestTimeoutError, match=r"0\.05 s"):
            await receive()

    asyncio.run(request(gateway(app, body_timeout_s=0.05), receive=silence))


def test_more_than_can_wait_are_told_to_come_again() -> None:
    async def run() -> list[dict[str, Any]]:
        go_on = asyncio.Event()

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] == "/v1/slow":
                await go_on.wait()
            await echo(scope, receive, send)

        app = gateway(Admission(slow, max_waiting=2))
        waiting = [asyncio.create_task(request(app, "/v1/slow")) for _ in range(2)]
        await asyncio.sleep(0.01)
        refused = await request(app, "/v1/slow")
        healthy = await request(app, "/healthz")
        go_on.set()
        return [refused, healthy, *await asyncio.gather(*waiting), await request(app)]

    refused, healthy, *others = asyncio.run(run())
    assert refused["status"] == 429
    assert int(refused["headers"]["retry-after"]) >= 1
    assert json.loads(refused["body"])["id"] == refused["headers"]["x-request-id"]
    assert healthy["status"] == 200
    assert [one["status"] for one in others] == [200, 200, 200]


def test_who_has_no_key_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "DRAIN_S", 0.2)

    class Keys:
        def authenticate_at_once(self, secret: str) -> Caller:
            return Caller("default", "me", frozenset({"read"}), "key")

    async def silence() -> Message:
        await asyncio.sleep(60)
        raise AssertionError

    async def run() -> tuple[list[dict[str, Any]], dict[str, Any]]:
        app = gateway(Authentication(Admission(echo, max_waiting=2), cast(KeysLike, Keys())), body_timeout_s=30)
        strangers = [asyncio.create_task(request(app, "/v1/x", receive=silence)) for _ in range(5)]
        await asyncio.sleep(0.01)
        assert not any(stranger.done() for stranger in strangers)
        answer = await request(app, "/v1/x", b"hello", authorization="Bearer mine")
        return await asyncio.gather(*strangers), answer

    strangers, answer = asyncio.run(run())
    assert answer["status"] == 200
    assert [one["status"] for one in strangers] == [401] * 5, "told without the body that they do not send"


def test_a_log_line_is_json_without_what_an_error_quotes() -> None:
    try:
        raise ValueError("my secret text")
    except ValueError as error:
        record = logging.LogRecord(
            "fewfit", logging.ERROR, "x.py", 1, "failed", (), (ValueError, error, error.__traceback__)
        )
    record.request_id = "abc"
    line = json.loads(JsonFormatter().format(record))
    assert (line["message"], line["error"], line["request_id"]) == ("failed", "ValueError", "abc")
    assert "secret" not in json.dumps(line)
    assert "test_middleware.py" in line["stack"][-1]

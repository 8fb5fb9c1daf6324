"""Request bodies: how much, how slowly, and what becomes of the rest when a request is refused."""

import asyncio
import json
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from anyio import to_thread
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope

from fewfit.web.body_limit import BodyLimit
from fewfit.web.errors import RequestError, RequestTimeoutError

# Read and dropped before a refusal is answered, for so long: a client that is still sending would not see the answer.
DRAIN_BYTES = 64 * 1024 * 1024
DRAIN_S = 10.0
# Larger bodies are read in a thread, so that the event loop goes on.
_INLINE_BYTES = 256 * 1024
# So long a client is not watched that waits for its answer.
_WATCHED_AFTER_S = 0.5

Body = TypeVar("Body", bound=BaseModel)
T = TypeVar("T")


def limited(scope: Scope, receive: Receive, *, limit_bytes: int, timeout_s: float) -> Receive:
    """A `receive` that raises RequestError for a body that is compressed, too large, or stops arriving.

    Who takes an upload lifts the limit (`BodyLimit`); then its pace alone is watched.
    """
    limit = scope[BodyLimit.PLACE] = BodyLimit(limit_bytes)
    encoding = Headers(scope=scope).get("content-encoding", "identity")
    received = 0
    whole = False

    async def next_message() -> Message:
        nonlocal received, whole
        if whole:  # what comes now is the end of the connection, which takes as long as it takes
            return await receive()
        try:
            async with asyncio.timeout(timeout_s):
                message = await receive()
        except TimeoutError:
            raise RequestTimeoutError(
                f"The body stopped arriving after {received:,} bytes; nothing more came for {timeout_s:g} s."
            ) from None
        if message["type"] != "http.request":
            return message
        received += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if encoding != "identity":
            if not whole:
                await drain(receive)
            raise RequestError(
                f"The body is compressed (Content-Encoding: {encoding[:20]}), which is not read here; send it as it is."
            )
        if not limit.lifted and received > limit.limit_bytes:
            if not whole:
                await drain(receive)
            raise RequestError(f"The body is larger than {limit.limit_bytes:,} bytes, the most that is allowed here.")
        return message

    return next_message


async def read_json(receive: Receive, kind: type[Body]) -> Body:
    """A JSON body as a pydantic model, read straight from its bytes.

    Raises RequestValidationError as FastAPI does, ClientDisconnect where the body ends too soon.
    """
    pieces: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    content = b"".join(pieces)
    try:
        if len(content) > _INLINE_BYTES:
            return await to_thread.run_sync(_as_model, content, kind)
        return _as_model(content, kind)
    except ValidationError as error:
        raise RequestValidationError(
            [{**problem, "loc": ("body", *problem["loc"])} for problem in error.errors(include_url=False)]
        ) from None


def _as_model(content: bytes, kind: type[Body]) -> Body:
    """JSON as pydantic reads it at once, or as the other endpoints do, with Python's reader.

    That one takes a byte-order mark, and halves of surrogate pairs, which are told with their place later on.
    """
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        if error.errors(include_url=False)[0]["type"] != "json_invalid":
            raise
        try:
            values = json.loads(content)
        except (ValueError, RecursionError):
            raise error from None
    return kind.model_validate(values)


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives; where the client closes the connection first, it is cancelled and ClientDisconnect raised.

    The body must have been read. For work that is done in a moment nothing is watched, which takes time, too.
    """
    task = asyncio.current_task()
    assert task is not None
    watch: asyncio.Task[None] | None = None
    gone = False

    async def wait_for_the_end() -> None:
        nonlocal gone
        if (await receive())["type"] == "http.disconnect":
            gone = True
            task.cancel()

    def begin() -> None:
        nonlocal watch
        watch = asyncio.create_task(wait_for_the_end())

    timer = asyncio.get_running_loop().call_later(_WATCHED_AFTER_S, begin)
    try:
        return await work
    except asyncio.CancelledError:
        if not gone:
            raise
        task.uncancel()
        raise ClientDisconnect from None
    finally:
        timer.cancel()
        if watch is not None:
            watch.cancel()


async def drain(receive: Receive) -> None:
    """Reads and drops the rest of a body, within limits."""
    dropped = 0
    with suppress(RequestError, TimeoutError):  # the request is being refused already
        async with asyncio.timeout(DRAIN_S):
            while dropped < DRAIN_BYTES:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
                dropped += len(message.get("body", b""))

"""Multipart bodies, streamed: memory stays flat whatever arrives, with or without a filename."""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Protocol

from anyio import to_thread
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from fewfit.errors import FewfitError
from fewfit.web.body_limit import BodyLimit
from fewfit.web.errors import RequestError

_BUFFER_BYTES = 256 * 1024
# Read and dropped before a refusal is answered: a client that is still sending would not see the answer.
_DRAIN_BYTES = 64 * 1024 * 1024
HEAD_BYTES = 256


class Sink(Protocol):
    """Where a part's bytes go."""

    def write(self, data: bytes, /) -> object:
        """Takes the next bytes."""


@dataclass
class Part:
    """A part that arrived. `filename` is what the client called it, without folders, if anything."""

    name: str
    filename: str | None
    size_bytes: int = 0
    head: bytes = b""

    def took(self, data: bytes) -> None:
        """Notes the bytes that were written."""
        self.size_bytes += len(data)
        if len(self.head) < HEAD_BYTES:
            self.head += data[: HEAD_BYTES - len(self.head)]


@dataclass
class _Reader:
    """Hands a multipart body's parts to sinks as the parser finds them."""

    open_sink: Callable[[Part], Sink]
    parts: list[Part] = field(default_factory=list)
    whole: bool = False
    _sink: Sink | None = None
    _header: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _headers: dict[str, bytes] = field(default_factory=dict)

    def callbacks(self) -> dict[str, Callable[..., None]]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_end,
            "on_part_data": self._data,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._headers = {}

    def _header_end(self) -> None:
        self._headers[self._header.decode("latin-1").lower()] = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        filename = options[b"filename"].decode("utf-8", "replace") if b"filename" in options else None
        part = Part(name, _plain_filename(filename or "") or None)
        self._sink = self.open_sink(part)
        self.parts.append(part)

    def _data(self, data: bytes, start: int, end: int) -> None:
        assert self._sink is not None
        piece = data[start:end]
        self._sink.write(piece)
        self.parts[-1].took(piece)

    def _end(self) -> None:
        self.whole = True


def _plain_filename(sent: str) -> str:
    """A filename without folders and without characters that no name has."""
    return "".join(character for character in re.split(r"[/\\]", sent)[-1] if character.isprintable())


async def read_multipart(request: Request, open_sink: Callable[[Part], Sink], *, limit_bytes: int) -> list[Part]:
    """Streams a multipart body into sinks and returns its parts.

    `open_sink` is called as a part begins; what it returns gets the part's bytes. It may raise to refuse the
    part. Sinks are used from a worker thread and are not closed here. Raises RequestError where the body is no
    form, is cut off, or is larger than `limit_bytes`.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise RequestError(
            f"The body is of the type '{kind.decode('latin-1')[:60]}'; expected multipart/form-data with a part 'data'."
        )
    BodyLimit.lift(request.scope)
    reader = _Reader(open_sink)
    chunks = request.stream()
    try:
        received = await _read(chunks, MultipartParser(boundary, reader.callbacks()), limit_bytes)  # type: ignore[arg-type]
    except FormParserError as error:
        await _drain(chunks)
        raise RequestError(f"The multipart body cannot be read: {error}") from error
    except FewfitError:
        await _drain(chunks)
        raise
    if not reader.whole:
        raise RequestError(f"The multipart body ends after {received:,} bytes without its closing boundary.")
    return reader.parts


async def _read(chunks: AsyncIterator[bytes], parser: MultipartParser, limit_bytes: int) -> int:
    received = 0
    waiting = bytearray()
    async for chunk in chunks:
        received += len(chunk)
        if received > limit_bytes:
            raise RequestError(f"The upload is larger than {limit_bytes:,} bytes, the most that is allowed.")
        waiting += chunk
        if len(waiting) >= _BUFFER_BYTES:
            await to_thread.run_sync(parser.write, bytes(waiting))
            waiting.clear()
    if waiting:
        await to_thread.run_sync(parser.write, bytes(waiting))
    return received


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    dropped = 0
    async for chunk in chunks:
        dropped += len(chunk)
        if dropped > _DRAIN_BYTES:
            return

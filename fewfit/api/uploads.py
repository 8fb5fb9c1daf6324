"""Multipart bodies, streamed: memory stays flat whatever arrives, with or without a filename."""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Protocol

from anyio import to_thread
from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from fewfit.api.errors import RequestError
from fewfit.errors import InputError

# Cohere's own curl sample calls the part "file".
PART_NAMES = {"data": "data", "file": "data", "eval_data": "eval_data"}
# Endings of files that are surely neither CSV nor JSONL; anything else is looked into.
OTHER_FORMATS = (
    *(".avro", ".doc", ".docx", ".gz", ".json", ".ods", ".parquet", ".pdf", ".tsv", ".txt"),
    *(".xls", ".xlsx", ".xml", ".yaml", ".yml", ".zip", ".zst"),
)
_BUFFER_BYTES = 256 * 1024
# Read and dropped before a refusal is answered: a client that is still sending would not see the answer.
_DRAIN_BYTES = 64 * 1024 * 1024
_OBJECT = b"[object Object]"


class Sink(Protocol):
    """Where a part's bytes go."""

    def write(self, data: bytes, /) -> object:
        """Takes the next bytes."""


@dataclass
class Part:
    """A part that arrived whole. `name` is data or eval_data, `filename` what the client called it, if anything."""

    name: str
    filename: str | None
    size_bytes: int = 0
    _head: bytes = b""

    @property
    def format(self) -> str | None:
        """Csv or jsonl where the filename says so."""
        ending = PurePosixPath(self.filename or "").suffix.lower()
        return ending[1:] if ending in (".csv", ".jsonl") else None

    def took(self, data: bytes) -> None:
        """Notes the bytes that were written."""
        self.size_bytes += len(data)
        if len(self._head) <= len(_OBJECT) + 2:
            self._head += data[: len(_OBJECT) + 2]

    def check(self) -> None:
        """Raises RequestError for what is visibly no dataset."""
        shown = f"The part '{self.name}'"
        if self.size_bytes == 0:
            raise RequestError(f"{shown} is empty; expected a CSV or JSONL file.")
        if self.size_bytes <= len(_OBJECT) + 2 and self._head.strip() == _OBJECT:
            raise RequestError(
                f"{shown} holds the 15 characters '[object Object]' in place of your file. The Node SDK sends that for "
                "fs.createReadStream(path), {path} and {data, filename}. Read the file first and hand over its bytes: "
                'new File([fs.readFileSync(path)], "train.csv").'
            )
        ending = PurePosixPath(self.filename or "").suffix.lower()
        if ending in OTHER_FORMATS:
            raise RequestError(f"{shown} is called '{self.filename}'; expected a .csv or .jsonl file.")


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
        given = options.get(b"name", b"").decode("utf-8", "replace")
        if given not in PART_NAMES:
            raise RequestError(
                f"The form has a part called '{given[:60]}'; expected 'data' and, if you like, 'eval_data'."
            )
        name = PART_NAMES[given]
        if any(part.name == name for part in self.parts):
            raise RequestError(f"The form has more than one part '{name}'; expected one.")
        filename = options[b"filename"].decode("utf-8", "replace") if b"filename" in options else None
        part = Part(name, re.split(r"[/\\]", filename)[-1] if filename else None)
        self.parts.append(part)
        self._sink = self.open_sink(part)

    def _data(self, data: bytes, start: int, end: int) -> None:
        assert self._sink is not None
        piece = data[start:end]
        self._sink.write(piece)
        self.parts[-1].took(piece)

    def _end(self) -> None:
        self.whole = True


async def receive_parts(request: Request, open_sink: Callable[[Part], Sink], *, limit_bytes: int) -> list[Part]:
    """Streams a multipart body into sinks and returns its parts, each checked.

    `open_sink` is called as a part begins; what it returns gets the part's bytes. Sinks are used from a
    worker thread and are not closed here. Raises RequestError where the body is no form, has parts that it should
    not have, is cut off, or is larger than `limit_bytes`.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise RequestError(
            f"The body is of the type '{kind.decode('latin-1')[:60]}'; expected multipart/form-data with a part 'data'."
        )
    reader = _Reader(open_sink)
    chunks = request.stream()
    try:
        received = await _read(chunks, MultipartParser(boundary, reader.callbacks()), limit_bytes)  # type: ignore[arg-type]
    except MultipartParseError as error:
        await _drain(chunks)
        raise RequestError(f"The multipart body cannot be read: {error}") from error
    except InputError:
        await _drain(chunks)
        raise
    if not reader.whole:
        raise RequestError(f"The multipart body ends after {received:,} bytes without its closing boundary.")
    if not any(part.name == "data" for part in reader.parts):
        raise RequestError("The form has no part 'data'; expected the dataset's file under that name.")
    for part in reader.parts:
        part.check()
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

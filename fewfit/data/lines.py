"""A byte stream as lines of text, with the rows and bytes that are not UTF-8."""

import io
from collections.abc import Iterator
from typing import BinaryIO

from fewfit.data.problems import Problems

_HEAD_BYTES = 64 * 1024
_BOM = "\ufeff"


class _Rejoined(io.RawIOBase):
    """A stream whose head was read already, from its beginning again (also where it cannot seek)."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._head:
            chunk, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        else:
            chunk = _read_available(self._rest, len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)


class ByteSource:
    """A binary stream with its first bytes to look at. It is left open."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._start = stream.tell() if _can_seek(stream) else None
        self.head = _read_available(stream, _HEAD_BYTES)

    def look_further(self) -> bool:
        """Waits for more first bytes, as from a pipe that is written slowly; False where there are no more."""
        more = _read_available(self._stream, max(0, _HEAD_BYTES - len(self.head)))
        self.head += more
        return bool(more)

    def reader(self) -> io.BufferedReader:
        """The whole stream, its head included. Call it once."""
        return io.BufferedReader(_Rejoined(self.head, self._stream))

    def seekable(self) -> BinaryIO:
        """The whole stream as one that can seek, in memory if need be. Call this or `reader`, once."""
        if self._start == 0:
            self._stream.seek(0)
            return self._stream
        return io.BytesIO(self.reader().read())


class TextLines:
    """The lines of a UTF-8 byte stream, one by one, with their endings; a byte-order mark is dropped.

    Iterate once. Lines that are not UTF-8 or have a NUL are reported to `problems` with their place;
    their numbers are in `bad`, and what could not be decoded stays in them as lone surrogates.
    """

    def __init__(self, source: ByteSource, problems: Problems) -> None:
        self._source = source
        self._problems = problems
        self.bad: set[int] = set()

    def __iter__(self) -> Iterator[str]:
        # newline="": \n, \r\n and \r end a line and stay as they are, as the csv module wants them.
        wrapper = io.TextIOWrapper(self._source.reader(), encoding="utf-8", errors="surrogateescape", newline="")
        offset = 0
        for number, decoded in enumerate(wrapper, start=1):
            line = decoded
            size = len(line) if line.isascii() else self._size(line, number, offset)
            if "\0" in line:
                before = len(line[: line.index("\0")].encode("utf-8", "surrogateescape"))
                self._report("nul_byte", number, f"at byte {offset + before:,}")
            if number == 1:
                line = line.removeprefix(_BOM)
            offset += size
            yield line

    def _size(self, line: str, number: int, offset: int) -> int:
        data = line.encode("utf-8", "surrogateescape")
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            byte = data[error.start]
            self._report("bad_utf8", number, f"byte 0x{byte:02X} at byte {offset + error.start:,}{_guess(byte)}")
        return len(data)

    def _report(self, code: str, number: int, detail: str) -> None:
        self.bad.add(number)
        self._problems.add(code, number, detail)


def _guess(byte: int) -> str:
    """What the byte means in the encoding that most files in the wrong encoding have."""
    try:
        character = bytes([byte]).decode("cp1252")
    except UnicodeDecodeError:
        return ""
    return f", {character!r} in Windows-1252"


def _can_seek(stream: BinaryIO) -> bool:
    seekable = getattr(stream, "seekable", None)
    return bool(seekable is not None and seekable())


def _read_available(stream: BinaryIO, size: int) -> bytes:
    """Some bytes without waiting for more than there are, so that piped lines are seen as they come."""
    read1 = getattr(stream, "read1", None)
    data: bytes = stream.read(size) if read1 is None else read1(size)
    return data or b""

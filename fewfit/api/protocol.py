"""How a connection is read: uvicorn's own way, with bounds on a request's head, which it has none for."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES = 64 * 1024
HEAD_TIMEOUT_S = 30.0


class BoundedProtocol(HttpToolsProtocol):
    """A request's line and headers may have `MOST_HEAD_BYTES` and must be there within `HEAD_TIMEOUT_S`.

    The time counts from the start of a connection, or from the first byte of a further request on it; between requests
    uvicorn's own time counts. Nobody has shown a key by then, so that anybody could fill the memory otherwise.
    """

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Waits for the first head."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no longer."""
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Counts what belongs to a head: a piece with the end of a body does not, whatever else is in it."""
        awaited = self._head_timer is not None
        super().data_received(data)
        if awaited and self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self._refuse(b"431 Request Header Fields Too Large", f"more than {MOST_HEAD_BYTES:,} bytes of headers")

    def send_400_response(self, msg: str) -> None:
        """Refuses what is no HTTP in the API's words; uvicorn's own are plain text."""
        self._refuse(b"400 Bad Request", "it is no valid HTTP")

    def on_message_begin(self) -> None:
        """A further request begins on this connection."""
        super().on_message_begin()
        if self._head_timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._head_is_there()
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._too_slow)

    def _head_is_there(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._refuse(b"408 Request Timeout", f"the headers did not arrive within {HEAD_TIMEOUT_S:g} s")

    def _refuse(self, status: bytes, why: str) -> None:
        self._head_is_there()
        if self.transport.is_closing():
            return
        body = b'{"message":"The request cannot be read: ' + why.encode() + b'."}'
        head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (status, len(body)) + body)
        self.transport.close()

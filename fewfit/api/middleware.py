"""Around every request: its id, limits on its body, headers of the answer, the log line and the metrics."""

import logging
import re
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fewfit.api.bodies import limited
from fewfit.api.metrics import Metrics
from fewfit.web.ids import new_id

logger = logging.getLogger("fewfit.api.access")

_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_API_HEADERS = [
    *_HEADERS,
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]


class Gateway:
    """Wraps the application.

    A body that is not an upload may be at most `body_limit_bytes` long, and every next piece of a body must
    arrive within `body_timeout_s`: slow clients do not hold anything for long.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, *, body_limit_bytes: int, body_timeout_s: float) -> None:
        self._app = app
        self._metrics = metrics
        self._body_limit_bytes = body_limit_bytes
        self._body_timeout_s = body_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope["fewfit.request_id"] = new_id()
        _with_one_prefix(scope)
        is_api = scope["path"].startswith("/v1/")
        started = time.perf_counter()
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message.get("headers", ()))
                given = {name for name, _ in headers}
                headers.append((b"x-request-id", request_id.encode()))
                headers += [item for item in (_API_HEADERS if is_api else _HEADERS) if item[0] not in given]
                message["headers"] = headers
            await send(message)

        body = limited(scope, receive, limit_bytes=self._body_limit_bytes, timeout_s=self._body_timeout_s)
        self._metrics.in_flight.inc()
        try:
            await self._app(scope, body, send_with_headers)
        except Exception:
            # Starlette raises again what the handler of unexpected errors has answered and logged.
            if status != 500:
                raise
        finally:
            self._metrics.in_flight.dec()
            self._note(scope, status, time.perf_counter() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "(none)")
        self._metrics.answered(scope["method"], route, status, seconds)
        level = logging.ERROR if status >= 500 else logging.INFO
        logger.log(
            level,
            "request",
            extra={
                "request_id": scope["fewfit.request_id"],
                "method": scope["method"],
                "route": route,
                "status": status,
                "ms": round(seconds * 1000, 2),
                "key": scope.get("fewfit.key_id"),
                "client": Headers(scope=scope).get("x-client-name"),
            },
        )


# Base URLs that end in a slash or in /v1 make clients call //v1/..., /v1//... or /v1/v1/...: the same place.
_PREFIX = re.compile(r"/+(v1/+)+")
_RAW_PREFIX = re.compile(_PREFIX.pattern.encode())


def _with_one_prefix(scope: Scope) -> None:
    if scope["path"].startswith(("//", "/v1//", "/v1/v1/")):
        scope["path"] = _PREFIX.sub("/v1/", scope["path"], count=1)
        if scope.get("raw_path"):
            scope["raw_path"] = _RAW_PREFIX.sub(b"/v1/", scope["raw_path"], count=1)

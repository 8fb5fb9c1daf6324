"""How many requests of those who have a key are answered at once."""

from starlette.types import ASGIApp, Receive, Scope, Send

from fewfit.api.bodies import drain
from fewfit.api.errors import fewfit_error_response
from fewfit.service.errors import BusyError


class Admission:
    """Wraps the application, inside of `Authentication`: whoever has no key takes no place.

    Beyond `max_waiting` requests under /v1/ at once, further ones are refused at once: their clients come again when
    there is time for them.
    """

    def __init__(self, app: ASGIApp, *, max_waiting: int) -> None:
        self._app = app
        self._max_waiting = max_waiting
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        if self._waiting >= self._max_waiting:
            busy = BusyError(f"{self._waiting} requests are being answered, as many as at once; try again in a second.")
            await drain(receive)
            await fewfit_error_response(scope, busy)(scope, receive, send)
            return
        self._waiting += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._waiting -= 1

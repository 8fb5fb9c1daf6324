"""Who asks: everything under /v1/ needs a key, before a byte of the body is looked at."""

from typing import Annotated

from anyio import to_thread
from fastapi import Depends, Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from fewfit.api.bodies import drain
from fewfit.api.errors import fewfit_error_response
from fewfit.errors import FewfitError
from fewfit.service.errors import UnauthorizedError
from fewfit.service.interface import KeysLike
from fewfit.service.records import Caller


class Authentication:
    """Wraps the application: a request under /v1/ goes on with its caller in the scope, or is refused."""

    def __init__(self, app: ASGIApp, keys: KeysLike) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/v1/"):
            try:
                secret = bearer(Headers(scope=scope).get("authorization"))
                caller = self._keys.authenticate_at_once(secret)
                if caller is None:
                    caller = await to_thread.run_sync(self._keys.authenticate, secret)
            except FewfitError as error:
                await drain(receive)
                await fewfit_error_response(scope, error)(scope, receive, send)
                return
            scope["fewfit.caller"] = caller
            scope["fewfit.key_id"] = caller.key_id
        await self._app(scope, receive, send)


def bearer(header: str | None) -> str:
    """The key of an Authorization header. Raises UnauthorizedError where there is none."""
    scheme, _, secret = (header or "").strip().partition(" ")
    if not header or not secret.strip():
        raise UnauthorizedError("no api key supplied: send the header 'Authorization: Bearer YOUR_KEY'")
    if scheme.lower() != "bearer":
        raise UnauthorizedError(f"the Authorization header has the scheme '{scheme[:20]}'; expected 'Bearer YOUR_KEY'")
    return secret.strip()


def caller_of(scope: Scope) -> Caller:
    """Who asks; `Authentication` has found out."""
    caller = scope["fewfit.caller"]
    assert isinstance(caller, Caller)
    return caller


async def current_caller(request: Request) -> Caller:
    """Who asks, for FastAPI."""
    return caller_of(request.scope)


CurrentCaller = Annotated[Caller, Depends(current_caller)]

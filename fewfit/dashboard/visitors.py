"""Who looks at a page: signed in with a session cookie, or a program that sends a key with each request."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Annotated

from anyio import to_thread
from fastapi import Depends, Request
from fastapi.responses import Response

from fewfit.dashboard.context import Context, CurrentContext
from fewfit.service.errors import UnauthorizedError
from fewfit.service.records import Caller

SESSION_COOKIE = "fewfit_session"
# Before there is a session, the sign-in form is tied to this.
_FORM_COOKIE = "fewfit_form"
_WEEK_S = 7 * 24 * 3600


@dataclass(frozen=True)
class Visitor:
    """A caller, and what their forms must carry. `csrf` is empty for a program with a key: no cookie, no need."""

    caller: Caller
    csrf: str


def csrf_of(token: str) -> str:
    """What forms of a session must carry; it cannot be told from outside, nor the token from it."""
    return hmac.new(token.encode("utf-8", "replace"), b"fewfit form", hashlib.sha256).hexdigest()


def keep_session(response: Response, token: str, *, https: bool) -> None:
    """Lets the browser keep a session: out of reach of scripts, and not sent along by other sites."""
    response.set_cookie(
        SESSION_COOKIE, token, max_age=_WEEK_S, path="/", secure=https, httponly=True, samesite="strict"
    )


def drop_session(response: Response, *, https: bool) -> None:
    """Lets the browser forget a session."""
    response.delete_cookie(SESSION_COOKIE, path="/", secure=https, httponly=True, samesite="strict")


def form_token(request: Request) -> tuple[str, str]:
    """The secret of the sign-in form's cookie, new where there is none, and what the form must carry."""
    secret = request.cookies.get(_FORM_COOKIE) or secrets.token_urlsafe(32)
    return secret, csrf_of(secret)


def keep_form(response: Response, secret: str, *, https: bool) -> None:
    """Ties the sign-in form to this browser."""
    response.set_cookie(_FORM_COOKIE, secret, path="/sign-in", secure=https, httponly=True, samesite="strict")


async def _current_visitor(request: Request, context: CurrentContext) -> Visitor:
    visitor = await to_thread.run_sync(_find, request, context)
    request.state.visitor = visitor
    return visitor


def _find(request: Request, context: Context) -> Visitor:
    """Raises UnauthorizedError where nobody is signed in."""
    scheme, _, secret = request.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer":
        return Visitor(context.service.keys.authenticate(secret.strip()), "")
    token = request.cookies.get(SESSION_COOKIE, "")
    if not token:
        raise UnauthorizedError("You are not signed in. Sign in with an API key.")
    return Visitor(context.service.sessions.caller(token, counts=request.method != "GET"), csrf_of(token))


CurrentVisitor = Annotated[Visitor, Depends(_current_visitor)]

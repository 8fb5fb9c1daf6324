"""Every error as HTTP: one JSON shape, and statuses that the SDKs have classes for and do not retry in vain."""

import logging
import math
from collections.abc import Awaitable, Callable, Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Scope

from fewfit.errors import FewfitError
from fewfit.web.errors import message_of, status_of

logger = logging.getLogger(__name__)


def error_response(request_id: str, status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error in the one shape that all have."""
    sendable = message.encode("utf-8", "backslashreplace").decode()  # it may quote half of a surrogate pair
    return JSONResponse({"message": sendable, "id": request_id}, status, headers=dict(headers or {}))


def handle_errors(app: FastAPI) -> None:
    """Makes the app answer every error in our shape."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)


async def error_answer(request: Request, error: Exception) -> Response:
    """How the application answers an error, for what is answered before it."""
    handler = next(_HANDLERS[kind] for kind in type(error).__mro__ if kind in _HANDLERS)
    return await handler(request, error)


def fewfit_error_response(scope: Scope, error: FewfitError) -> Response:
    """One of our errors as an answer."""
    status = status_of(error)
    request_id = scope.get("fewfit.request_id", "")
    if status >= 500:
        logger.error("%s: %s", type(error).__name__, error, extra={"request_id": request_id})
    headers: dict[str, str] = {}
    if status == 429:
        headers["Retry-After"] = str(max(1, math.ceil(getattr(error, "retry_after_s", 1.0))))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return error_response(request_id, status, message_of(error, request_id), headers)


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, FewfitError)
    return fewfit_error_response(request.scope, error)


async def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return error_response(_id(request), 400, "invalid request: " + "; ".join(map(_told, error.errors()[:5])))


def _told(problem: Mapping[str, object]) -> str:
    """One of pydantic's findings: where, what was expected, what was found."""
    kind = problem["type"]
    if kind == "json_invalid":
        context = problem.get("ctx")
        reason = context.get("error", "") if isinstance(context, dict) else ""
        return _no_json(reason)
    place = problem["loc"]
    assert isinstance(place, tuple)
    where = ".".join(str(part) for part in place[1:]) or f"the {place[0]}"
    if kind == "missing":
        return f"{where} is required" + ("" if place[0] == "body" else f" in the {place[0]}")
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: {message[:1].lower()}{message[1:]}, got {_shown(problem.get('input'))}"


def _no_json(reason: object) -> str:
    return f"the body is not valid JSON ({reason}); send a JSON object with Content-Type: application/json"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


async def _routing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    # FastAPI wraps whatever happens while it reads a body.
    if isinstance(error.__cause__, FewfitError):
        return await _ours(request, error.__cause__)
    if isinstance(error.__cause__, ClientDisconnect):
        return await _cut_off(request, error.__cause__)
    message = str(error.detail)
    if error.status_code == 404:
        message = f"There is nothing at {request.url.path}. See /docs for what there is."
    elif error.status_code == 405:
        message = f"{request.url.path} does not take {request.method}. See /docs for what it takes."
    elif error.status_code == 400 and error.__cause__ is not None:  # FastAPI could not read the body and hides why
        message = f"invalid request: {_no_json(error.__cause__)}"
    elif error.status_code == 400:
        message = f"invalid request: {message}"
    return error_response(_id(request), error.status_code, message, error.headers)


async def _cut_off(request: Request, error: Exception) -> Response:
    return error_response(_id(request), 499, "The client closed the connection.")


async def _unexpected(request: Request, error: Exception) -> Response:
    logger.error("unexpected error", exc_info=error, extra={"request_id": _id(request)})
    return error_response(
        _id(request), 500, f"Something went wrong inside fewfit. The server's log has it under {_id(request)}."
    )


_HANDLERS: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    FewfitError: _ours,
    RequestValidationError: _malformed,
    HTTPException: _routing,
    ClientDisconnect: _cut_off,
    Exception: _unexpected,
}


def _id(request: Request) -> str:
    return str(request.scope.get("fewfit.request_id", ""))

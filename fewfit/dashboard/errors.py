"""Every error as a page, with what to do next and the request's id."""

import logging
import math
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from fewfit.dashboard.forms import OldFormError, read_form
from fewfit.dashboard.pages import show, wants_json
from fewfit.dashboard.uploading import read_pasted
from fewfit.errors import FewfitError
from fewfit.service.errors import UnauthorizedError
from fewfit.web.errors import RequestError, message_of, status_of

# Whoever sends a form that is to be sent again may be anybody.
_MOST_KEPT_BYTES = 256 * 1024
logger = logging.getLogger(__name__)


def handle_errors(app: FastAPI) -> None:
    """Makes the app answer every error with a page, or with JSON where that is asked for."""
    app.add_exception_handler(FewfitError, _ours)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _routing)
    app.add_exception_handler(Exception, _unexpected)


def error_page(request: Request, status: int, message: str, again: Sequence[tuple[str, str]] | None = None) -> Response:
    """An error as a page, or in the one JSON shape that all have. `again` are fields to be sent once more."""
    request_id = str(request.scope.get("fewfit.request_id", ""))
    if _is_program(request):
        return JSONResponse({"message": message, "id": request_id}, status)
    title = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"
    view = {"title": title, "status": status, "message": message, "request_id": request_id, "again": again}
    return show(request, "error.html", view | {"is_upload": _is_upload(request)}, status=status)


def _is_program(request: Request) -> bool:
    """Whether an error is read by a program. Browsers say that they take HTML; an SDK with a wrong path does not."""
    return wants_json(request) or "text/html" not in request.headers.get("accept", "")


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, FewfitError)
    status = status_of(error)
    if isinstance(error, UnauthorizedError | OldFormError) and not _is_program(request):
        written = await _written(request)
        if written or isinstance(error, OldFormError):
            return error_page(request, status, str(error), written)
    if isinstance(error, UnauthorizedError) and not _is_program(request):
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        following = f"?next={quote(here, safe='')}" if request.method == "GET" and here != "/" else ""
        return RedirectResponse(f"/sign-in{following}", 303, headers={"Cache-Control": "no-store"})
    if status >= 500:
        logger.error(
            "%s: %s", type(error).__name__, error, extra={"request_id": request.scope.get("fewfit.request_id")}
        )
    answer = error_page(request, status, message_of(error, str(request.scope.get("fewfit.request_id", ""))))
    if status == 429:
        answer.headers["Retry-After"] = str(max(1, math.ceil(getattr(error, "retry_after_s", 1.0))))
    return answer


def _is_upload(request: Request) -> bool:
    return request.headers.get("content-type", "").startswith("multipart/form-data")


async def _written(request: Request) -> list[tuple[str, str]]:
    """The fields of a form of our own page that came after its session had ended, so that they can be sent again."""
    if request.method != "POST" or request.headers.get("sec-fetch-site") != "same-origin":
        return []
    try:
        if _is_upload(request):
            return await read_pasted(request, limit_bytes=_MOST_KEPT_BYTES)
        return (await read_form(request, limit_bytes=_MOST_KEPT_BYTES)).pairs()
    except RequestError:
        return []


async def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"][1:])
    return error_page(request, 400, f"{where}: {problem['msg']}, got {str(problem.get('input'))[:60]!r}.")


async def _routing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, FewfitError):
        return await _ours(request, error.__cause__)
    message = str(error.detail)
    if error.status_code == 404:
        message = f"There is no page {request.url.path}."
    elif error.status_code == 405:
        message = f"{request.url.path} does not take {request.method}."
    return error_page(request, error.status_code, message)


async def _unexpected(request: Request, error: Exception) -> Response:
    request_id = str(request.scope.get("fewfit.request_id", ""))
    logger.error("unexpected error", exc_info=error, extra={"request_id": request_id})
    return error_page(request, 500, f"Something went wrong inside fewfit. The server's log has it under {request_id}.")

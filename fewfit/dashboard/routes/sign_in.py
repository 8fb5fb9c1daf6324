"""Signing in with a key, and out."""

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response

from fewfit.dashboard.context import CurrentContext
from fewfit.dashboard.forms import CSRF_FIELD, CurrentForm, OldFormError, check_csrf, check_origin, read_form
from fewfit.dashboard.pages import go_to, own_path, show
from fewfit.dashboard.visitors import (
    SESSION_COOKIE,
    CurrentVisitor,
    drop_session,
    form_token,
    keep_form,
    keep_session,
)
from fewfit.service.errors import UnauthorizedError

router = APIRouter()

# Anybody may send this form: a key and where to go.
_MOST_BYTES = 64 * 1024


@router.get("/sign-in")
async def ask(request: Request, context: CurrentContext, next: str = "/") -> Response:  # noqa: A002
    """The form that asks for a key."""
    return _form(request, context, next, "")


@router.post("/sign-in")
async def sign_in(request: Request, context: CurrentContext) -> Response:
    """Begins a session with a key, which is kept nowhere."""
    form = await read_form(request, limit_bytes=_MOST_BYTES)
    check_origin(request)
    try:
        check_csrf(form_token(request)[1], form.get(CSRF_FIELD))
    except OldFormError:
        return _form(request, context, form.get("next"), "The page was too old. Enter the key once more.")
    try:
        token = await to_thread.run_sync(context.service.sessions.start, form.get("key").strip())
    except UnauthorizedError as error:
        return _form(request, context, form.get("next"), str(error))
    answer = go_to(request, own_path(form.get("next", "/")))
    keep_session(answer, token, https=context.is_https(request))
    return answer


@router.post("/sign-out")
def sign_out(request: Request, context: CurrentContext, visitor: CurrentVisitor, form: CurrentForm) -> Response:
    """Ends the session."""
    del visitor, form  # signed in, and the form is ours
    context.service.sessions.end(request.cookies.get(SESSION_COOKIE, ""))
    answer = go_to(request, "/sign-in")
    drop_session(answer, https=context.is_https(request))
    return answer


def _form(request: Request, context: CurrentContext, following: str, problem: str) -> Response:
    secret, token = form_token(request)
    view = {"next": own_path(following), "problem": problem}
    answer = show(request, "sign_in.html", view | {"form_csrf": token}, status=401 if problem else 200)
    keep_form(answer, secret, https=context.is_https(request))
    return answer

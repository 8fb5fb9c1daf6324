"""API keys: made, scoped, revoked."""

from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fewfit.dashboard.context import CurrentContext
from fewfit.dashboard.forms import CurrentForm
from fewfit.dashboard.pages import go_to, show
from fewfit.dashboard.visitors import CurrentVisitor
from fewfit.service.records import SCOPES
from fewfit.service.store.tables import utc_now
from fewfit.web.errors import RequestError

router = APIRouter(prefix="/keys")

_LONGEST_DAYS = 3650


@router.get("")
def keys_page(request: Request, context: CurrentContext, visitor: CurrentVisitor) -> Response:
    """The organisation's keys, without their secrets."""
    return show(request, "keys.html", _view(context, visitor))


@router.post("")
def make(request: Request, context: CurrentContext, visitor: CurrentVisitor, form: CurrentForm) -> Response:
    """Makes a key. Its secret is in this answer and nowhere else, so there is no redirect."""
    days = form.number("days")
    if days is not None and not 1 <= days <= _LONGEST_DAYS:
        raise RequestError(f"The key would be good for {days} days; expected 1 to {_LONGEST_DAYS:,}, or nothing.")
    new = context.service.keys.create(
        visitor.caller,
        name=form.get("name"),
        scopes=form.all("scope"),
        expires_at=utc_now() + timedelta(days=days) if days is not None else None,
    )
    return show(request, "keys.html", _view(context, visitor) | {"new": new.key, "secret": new.secret})


@router.post("/{key_id}/revoke")
def revoke(
    request: Request, key_id: str, context: CurrentContext, visitor: CurrentVisitor, form: CurrentForm
) -> Response:
    """Ends a key at once."""
    del form  # ours
    context.service.keys.revoke(visitor.caller, key_id)
    return go_to(request, "/keys")


def _view(context: CurrentContext, visitor: CurrentVisitor) -> dict[str, object]:
    caller = visitor.caller
    return {
        "keys": context.service.keys.list(caller) if caller.may("admin") else (),
        "may_admin": caller.may("admin"),
        "own_key": caller.key_id,
        "scopes": SCOPES,
        "now": utc_now(),
        "new": None,
        "secret": "",
    }

"""Home, and who is signed in."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fewfit.dashboard.context import CurrentContext
from fewfit.dashboard.pages import show
from fewfit.dashboard.visitors import CurrentVisitor

router = APIRouter()


@router.get("/")
def home(request: Request, context: CurrentContext, visitor: CurrentVisitor) -> Response:
    """The newest models and datasets."""
    caller = visitor.caller
    view = {
        "models": list(context.service.models.list(caller, page_size=10)),
        "datasets": context.service.datasets.list(caller, limit=10),
    }
    return show(request, "home.html", view)


@router.get("/account")
def account(request: Request, visitor: CurrentVisitor) -> Response:
    """Who is signed in, and the way out."""
    caller = visitor.caller
    view = {
        "owner": caller.owner_id,
        "organization": caller.organization_id,
        "scopes": sorted(caller.scopes),
        "key_id": caller.key_id,
    }
    return show(request, "account.html", view)

"""From what the service gives to an answer: a page for people, or its twin for programs.

One rule for the twin: who asks for `application/json` in the Accept header gets JSON, everybody else the page.
Both are made from the same values, so neither knows more than the other.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from fewfit.dashboard.context import context_of

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {"Cache-Control": "no-store", "Vary": "Accept, Cookie, Authorization"}
# Where in the top bar a page belongs, by the first part of its path.
_PLACES: Final = {"": "models", "models": "models", "playground": "models", "samples": "models", "datasets": "datasets"}
_ALSO: Final = {"review": "review", "usage": "usage", "keys": "usage", "account": "account"}


def wants_json(request: Request) -> bool:
    """Whether the request asks for the page's twin."""
    return "application/json" in request.headers.get("accept", "")


def show(request: Request, template: str, view: Mapping[str, Any], *, status: int = 200) -> Response:
    """The page that a template makes of a view, or the view as JSON."""
    if wants_json(request):
        return JSONResponse(jsonable_encoder(dict(view)), status, headers=_HEADERS)
    visitor = getattr(request.state, "visitor", None)
    frame = {
        "caller": visitor.caller if visitor else None,
        "csrf": visitor.csrf if visitor else "",
        "place": (_PLACES | _ALSO).get(request.url.path.strip("/").partition("/")[0], ""),
        "path": request.url.path,
    }
    html = context_of(request).templates.render(template, frame | dict(view))
    return HTMLResponse(html, status, headers=_HEADERS | {"Content-Security-Policy": CONTENT_SECURITY_POLICY})


def go_to(request: Request, path: str, **values: Any) -> Response:
    """After a form was taken: the page to look at next; a program is told where that is."""
    assert path.startswith("/")
    if wants_json(request):
        return JSONResponse(jsonable_encoder({"location": path} | values), headers=_HEADERS)
    return RedirectResponse(path, 303, headers=_HEADERS)


def own_path(value: str) -> str:
    """A path of this site; the home page for anything that leads elsewhere."""
    parts = urlsplit(value)
    inside = value.startswith("/") and not value.startswith("//") and "\\" not in value and value.isprintable()
    return value if inside and not parts.scheme and not parts.netloc else "/"

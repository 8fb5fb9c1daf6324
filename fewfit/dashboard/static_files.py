"""Styles and scripts, from the package itself. Their address names their content, so browsers keep them for good."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fewfit.service.errors import NotFoundError

router = APIRouter(prefix="/static")

_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


@dataclass(frozen=True)
class _File:
    content: bytes
    media_type: str
    digest: str


def _read() -> dict[str, _File]:
    found = {}
    for path in resources.files("fewfit.dashboard").joinpath("static").iterdir():
        ending = path.name.rpartition(".")[2]
        if ending in _TYPES:
            content = path.read_bytes()
            found[path.name] = _File(content, _TYPES[ending], hashlib.sha256(content).hexdigest()[:12])
    return found


_FILES: Mapping[str, _File] = _read()


def static_url(name: str) -> str:
    """The address of a style sheet or script."""
    return f"/static/{name}?v={_FILES[name].digest}"


@router.get("/{name}")
async def send(request: Request, name: str) -> Response:
    """A style sheet or script; nobody needs to be signed in for it."""
    file = _FILES.get(name)
    if file is None:
        raise NotFoundError(f"There is no file {name[:80]!r}.")
    fresh = request.query_params.get("v") == file.digest
    caching = "public, max-age=31536000, immutable" if fresh else "no-cache"
    headers = {"Cache-Control": caching, "ETag": f'"{file.digest}"', "Content-Security-Policy": "default-src 'none'"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)

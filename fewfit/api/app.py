"""The application: every route, behind keys, limits and logs."""

from threading import Lock
from typing import Any

from fastapi import APIRouter, FastAPI, Security
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp, Receive, Scope, Send

from fewfit.api import reference
from fewfit.api.admission import Admission
from fewfit.api.authentication import Authentication
from fewfit.api.context import Context
from fewfit.api.errors import handle_errors
from fewfit.api.metrics import Metrics
from fewfit.api.middleware import Gateway
from fewfit.api.routes import classify, datasets, exports, finetuning, keys, models, operations
from fewfit.api.wire.common import ErrorBody
from fewfit.service.interface import ServiceLike
from fewfit.settings import Settings
from fewfit.version import __version__

_ERRORS = {
    400: "The request cannot be answered as it is.",
    401: "The key is missing, wrong, expired or revoked.",
    403: "The key may not do this.",
    404: "There is nothing with this id.",
    429: "Too much at the moment; see Retry-After.",
}

# What is the API's; every other path is the dashboard's.
_API_FOLDERS = ("/v1/", "/files/")
_API_PATHS = frozenset({"/v1", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"})


class _Api(FastAPI):
    """Describes itself when it is first asked to: that takes longer than all else that a start does here."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._describing = Lock()

    def openapi(self) -> dict[str, Any]:
        """FastAPI describes its own 422, which is never sent: what cannot be read is 400, as the SDKs expect."""
        with self._describing:
            described = self.openapi_schema is not None
            description = super().openapi()  # kept by FastAPI from then on
            if not described:
                for methods in description["paths"].values():
                    for operation in methods.values():
                        operation["responses"].pop("422", None)
                for name in ("HTTPValidationError", "ValidationError"):
                    description["components"]["schemas"].pop(name, None)
        return description


def create_api(service: ServiceLike, settings: Settings, metrics: Metrics | None = None) -> FastAPI:
    """The routes alone. They trust that a caller was found; serve what `create_app` gives."""
    api = _Api(
        title="fewfit",
        version=__version__,
        description="Fine-tune text classifiers from few examples and classify with them, with the Cohere SDKs.",
        docs_url=None,
        redoc_url=None,
        strict_content_type=False,
        redirect_slashes=False,
    )
    api.state.context = Context(service, settings, metrics or Metrics())
    handle_errors(api)
    keyed = APIRouter(
        dependencies=[Security(HTTPBearer(auto_error=False, description="An API key: ff_..."))],
        responses={status: {"model": ErrorBody, "description": text} for status, text in _ERRORS.items()},
    )
    for noun in (classify, datasets, finetuning, exports, models, keys):
        keyed.include_router(noun.router)
    api.include_router(keyed)
    api.include_router(datasets.files)
    api.include_router(operations.router)
    api.include_router(reference.router)
    return api


def create_app(service: ServiceLike, settings: Settings, pages: ASGIApp | None = None) -> ASGIApp:
    """The whole application for an ASGI server; what is not the API's is answered by `pages`, the dashboard."""
    metrics = Metrics()
    routes = create_api(service, settings, metrics)
    at_once = classify.ClassifyAtOnce(routes, routes.state.context)
    api: ASGIApp = Authentication(Admission(at_once, max_waiting=settings.max_waiting_requests), service.keys)
    return Gateway(
        api if pages is None else _Fork(api, pages),
        metrics,
        body_limit_bytes=settings.max_body_bytes,
        body_timeout_s=settings.body_timeout_s,
    )


class _Fork:
    """Hands each request to the API or to the pages, by its path."""

    def __init__(self, api: ASGIApp, pages: ASGIApp) -> None:
        self._api = api
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_api = scope["type"] != "http" or scope["path"].startswith(_API_FOLDERS) or scope["path"] in _API_PATHS
        await (self._api if is_api else self._pages)(scope, receive, send)

"""The application: every route, behind keys, limits and logs."""

from fastapi import APIRouter, FastAPI, Security
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp

from fewfit.api import reference
from fewfit.api.authentication import Authentication
from fewfit.api.context import Context
from fewfit.api.errors import handle_errors
from fewfit.api.metrics import Metrics
from fewfit.api.middleware import Gateway
from fewfit.api.routes import classify, datasets, finetuning, keys, models, operations
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


def create_api(service: ServiceLike, settings: Settings, metrics: Metrics | None = None) -> FastAPI:
    """The routes alone. They trust that a caller was found; serve what `create_app` gives."""
    api = FastAPI(
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
    for noun in (classify, datasets, finetuning, models, keys):
        keyed.include_router(noun.router)
    api.include_router(keyed)
    api.include_router(datasets.files)
    api.include_router(operations.router)
    api.include_router(reference.router)
    _describe_errors(api)
    return api


def create_app(service: ServiceLike, settings: Settings) -> ASGIApp:
    """The whole application for an ASGI server."""
    metrics = Metrics()
    api = create_api(service, settings, metrics)
    return Gateway(
        Authentication(api, service.keys),
        metrics,
        body_limit_bytes=settings.max_body_bytes,
        body_timeout_s=settings.body_timeout_s,
        max_waiting=settings.max_waiting_requests,
    )


def _describe_errors(api: FastAPI) -> None:
    """FastAPI describes its own 422, which is never sent: what cannot be read is 400, as the SDKs expect."""
    description = api.openapi()  # kept by FastAPI from now on
    for methods in description["paths"].values():
        for operation in methods.values():
            operation["responses"].pop("422", None)
    for name in ("HTTPValidationError", "ValidationError"):
        description["components"]["schemas"].pop(name, None)

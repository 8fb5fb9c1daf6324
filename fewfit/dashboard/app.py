"""The dashboard as an application: its pages, its styles and scripts, and its errors."""

from fastapi import FastAPI

from fewfit.dashboard import static_files
from fewfit.dashboard.context import Context
from fewfit.dashboard.errors import handle_errors
from fewfit.dashboard.routes import (
    calling,
    datasets,
    home,
    keys,
    model,
    new_model,
    playground,
    review,
    sign_in,
    trying,
    usage,
)
from fewfit.dashboard.templating import Templates
from fewfit.service.interface import ServiceLike
from fewfit.settings import Settings

# Each module of routes holds the pages of one noun.
# `model` comes last: its pages begin with /models/ and an id, where others have a word.
_NOUNS = (sign_in, home, new_model, datasets, playground, usage, keys, review, trying, calling, model)


def create_dashboard(service: ServiceLike, settings: Settings) -> FastAPI:
    """The pages over a service; `fewfit.api.app.create_app` puts the request's id, limits and logs around them."""
    app = FastAPI(title="fewfit dashboard", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.context = Context(service, settings, Templates())
    handle_errors(app)
    app.include_router(static_files.router)
    for noun in _NOUNS:
        app.include_router(noun.router)
    return app

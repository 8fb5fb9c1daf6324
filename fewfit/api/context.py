"""What every route has at hand."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from fewfit.api.metrics import Metrics
from fewfit.service.interface import ServiceLike
from fewfit.settings import Settings


@dataclass(frozen=True)
class Context:
    """The service behind the routes, its settings, and the server's counters."""

    service: ServiceLike
    settings: Settings
    metrics: Metrics


async def current_context(request: Request) -> Context:
    """What the application was made with."""
    context = request.app.state.context
    assert isinstance(context, Context)
    return context


def public_url(request: Request, settings: Settings) -> str:
    """The address that clients reach the server under, without a slash at its end."""
    return (settings.public_url or f"{request.url.scheme}://{request.url.netloc}").rstrip("/")


CurrentContext = Annotated[Context, Depends(current_context)]

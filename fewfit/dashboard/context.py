"""What every page has at hand."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from fewfit.dashboard.templating import Templates
from fewfit.service.interface import ServiceLike
from fewfit.settings import Settings


@dataclass(frozen=True)
class Context:
    """The service behind the pages, its settings, and the templates."""

    service: ServiceLike
    settings: Settings
    templates: Templates

    def is_https(self, request: Request) -> bool:
        """Whether browsers reach the server over https, so that cookies may insist on it."""
        return request.url.scheme == "https" or self.settings.public_url.startswith("https://")

    def public_url(self, request: Request) -> str:
        """The address that clients reach the server under, without a slash at its end."""
        return (self.settings.public_url or f"{request.url.scheme}://{request.url.netloc}").rstrip("/")


def context_of(request: Request) -> Context:
    """The context of the app that a request came to."""
    context = request.app.state.context
    assert isinstance(context, Context)
    return context


async def _context(request: Request) -> Context:
    return context_of(request)


CurrentContext = Annotated[Context, Depends(_context)]

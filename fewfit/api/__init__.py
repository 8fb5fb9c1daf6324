"""The HTTP service: routes, wire schemas, errors. Knows nothing of how anything is computed."""

from fewfit.api.app import create_app

__all__ = ["create_app"]

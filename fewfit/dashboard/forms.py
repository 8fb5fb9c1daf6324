"""Forms that a page sends: read within limits, and taken only from our own pages."""

import hmac
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, Request

from fewfit.dashboard.visitors import CurrentVisitor
from fewfit.service.errors import ForbiddenError
from fewfit.web.body_limit import BodyLimit
from fewfit.web.errors import RequestError

CSRF_FIELD = "csrf"
_MOST_FIELDS = 20_000


class OldFormError(ForbiddenError):
    """The form is not one of this session: you may have signed in again. Load its page again, and send it once more."""


class Form:
    """The fields of a form. A field that is missing is an empty string."""

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        self._fields = fields

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def get(self, name: str, default: str = "") -> str:
        """The value of a field, the last one where it was sent more than once."""
        values = self._fields.get(name)
        return values[-1] if values else default

    def all(self, name: str) -> list[str]:
        """Every value of a field."""
        return self._fields.get(name, [])

    def pairs(self) -> list[tuple[str, str]]:
        """What a page needs to send the fields again; the token is its own."""
        return [(name, value) for name, values in self._fields.items() if name != CSRF_FIELD for value in values]

    def number(self, name: str) -> int | None:
        """A whole number; None where the field is empty. Raises RequestError for anything else."""
        value = self.get(name).strip()
        if not value:
            return None
        if not (value.isascii() and value.lstrip("-").isdigit() and len(value) < 16):
            raise RequestError(f"{name} is {value[:40]!r}; expected a whole number.")
        return int(value)


def check_origin(request: Request) -> None:
    """Raises ForbiddenError for a request that a page of another site has sent."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ForbiddenError("The form was sent by a page of another site. Open the page here and send it again.")


def check_csrf(expected: str, given: str) -> None:
    """Raises ForbiddenError for a form that does not carry what ours carry."""
    if not hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace")):
        raise OldFormError


async def read_form(request: Request, *, limit_bytes: int | None = None) -> Form:
    """The fields of an urlencoded form. Raises RequestError for anything else, and where it is too large.

    `limit_bytes` is for forms of whoever is not signed in (None: what all requests may have).
    """
    if limit_bytes is not None:
        BodyLimit.lower(request.scope, limit_bytes)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if not body:
        return Form({})
    if kind != "application/x-www-form-urlencoded":
        raise RequestError(f"The form is of the type {kind[:60]!r}; expected application/x-www-form-urlencoded.")
    try:
        text = body.decode("ascii").replace("%0D%0A", "%0A")  # browsers send every line break as two characters
        return Form(parse_qs(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="replace"))
    except ValueError as error:
        raise RequestError(f"The form cannot be read: {error}.") from error


async def _current_form(request: Request, visitor: CurrentVisitor) -> Form:
    form = await read_form(request)
    if visitor.csrf:
        check_origin(request)
        check_csrf(visitor.csrf, request.headers.get("x-csrf-token") or form.get(CSRF_FIELD))
    return form


CurrentForm = Annotated[Form, Depends(_current_form)]

"""Lists in pages: each page begins after the last item of the one before, whatever came or went in between."""

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import UTC, datetime

from fewfit.errors import InputError

DEFAULT_SIZE = 50
LARGEST_SIZE = 1000


def size_of_page(wanted: int) -> int:
    """How many items a page has; 0 is the default. Raises InputError for senseless numbers."""
    if wanted < 0:
        raise InputError(f"page_size is {wanted}; expected a number from 1 to {LARGEST_SIZE}, or 0 for {DEFAULT_SIZE}.")
    return min(wanted or DEFAULT_SIZE, LARGEST_SIZE)


def newest_first(order_by: str) -> bool:
    """Whether a list runs from new to old, by an `order_by` such as "created_at desc". Empty: it does."""
    fields = [field.split() for field in order_by.split(",") if field.strip()]
    descending = True
    for field in fields:
        direction = field[1:] or ["asc"]
        if field[0] != "created_at" or direction[0] not in ("asc", "desc") or len(field) > 2:
            raise InputError(f"order_by is {order_by!r}; expected 'created_at' or 'created_at desc'.")
        descending = direction[0] == "desc"
    return descending


def write_token(*values: str | int) -> str:
    """The token of the page after the item that these values belong to."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def read_token(token: str, kinds: Sequence[type]) -> list[str | int]:
    """What `write_token` was given. Raises InputError for anything else."""
    try:
        values = json.loads(base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4)))
        matches = isinstance(values, list) and [type(value) for value in values] == list(kinds)
    except (ValueError, binascii.Error, RecursionError):
        matches = False
    if not matches or not all(map(_storable, values)):
        raise InputError(f"page_token is {token[:80]!r}; expected the next_page_token of the page before.")
    return list(values)


def _storable(value: str | int) -> bool:
    """Whether a database can be asked for a value."""
    return "\0" not in value if isinstance(value, str) else abs(value) < 2**31


def read_moment(value: str | int, token: str) -> datetime:
    """A moment out of a token."""
    try:
        return datetime.fromisoformat(str(value)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InputError(f"page_token is {token[:80]!r}; expected the next_page_token of the page before.") from None

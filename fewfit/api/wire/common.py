"""Parts that every answer shares: times, counts, errors, meta."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer


def timestamp(moment: datetime) -> str:
    """A moment as RFC 3339 in UTC with fraction and Z, such as 2026-03-01T09:15:27.482913Z."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _whole_number(value: object) -> object:
    """SDKs type their counts as "number": 3.0 is 3, an empty value is absent."""
    if value is None or value == "":
        return None
    try:
        number = float(str(value))
    except ValueError:
        return value
    if not math.isfinite(number) or number != int(number):
        raise ValueError(f"expected a whole number, got {value}")
    return int(number)


def _no_lookalike(value: object) -> object:
    """Numbers alone: what a number could be read from, such as "3" or true, is refused."""
    if isinstance(value, bool | str):
        raise ValueError("expected a number")
    return value


def _not_negative(number: int | None) -> int | None:
    if number is not None and number < 0:
        raise ValueError("expected 0 or more")
    return number


def _absent_if_empty(value: object) -> object:
    return None if value == "" else value


def _with_plus(value: object) -> object:
    """A time with the + before its zone, which reading a query makes a space."""
    return re.sub(r"(T.*) (\d\d:?\d\d)$", r"\1+\2", value) if isinstance(value, str) else value


def _zoned(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


# A time in an answer. Always with zone: an SDK would hand the user a naive one otherwise.
Timestamp = Annotated[datetime, PlainSerializer(timestamp, return_type=str)]
# A time in a query; one without zone is UTC.
QueryTime = Annotated[
    datetime | None, BeforeValidator(_with_plus), BeforeValidator(_absent_if_empty), AfterValidator(_zoned)
]
Count = Annotated[int | None, BeforeValidator(_whole_number), AfterValidator(_not_negative)]
# A number in a body. Databases keep 64 bits, what counts something needs no more than half of them.
WholeNumber = Annotated[int, BeforeValidator(_no_lookalike), Field(ge=-(2**31), lt=2**31)]
Number = Annotated[float, BeforeValidator(_no_lookalike)]
# A yes or no in a query; an empty one is a no.
Flag = Annotated[bool, BeforeValidator(lambda value: False if value == "" else value)]
Text = Annotated[str | None, BeforeValidator(_absent_if_empty)]


class Wire(BaseModel):
    """An answer. Fields that are None are left out when it is sent."""

    model_config = ConfigDict(protected_namespaces=())


class Request(BaseModel):
    """A request body. Fields that are not known are ignored: SDKs send some that we have no use for."""

    model_config = ConfigDict(protected_namespaces=(), extra="ignore")


class ErrorBody(Wire):
    """Every error, whatever the endpoint."""

    message: str = Field(description="What was found, what was expected, what to do.")
    id: str = Field(description="The request's id; the server's log has it too.")


class ApiVersion(Wire):
    """The version of the wire format."""

    version: str = "1"


class BilledUnits(Wire):
    """What a request counted."""

    classifications: int | None = None


class Meta(Wire):
    """About the answer, not the texts."""

    api_version: ApiVersion = Field(default_factory=ApiVersion)
    billed_units: BilledUnits | None = None
    warnings: list[str] | None = None


class Empty(Wire):
    """An empty object: SDKs cannot read an empty body."""


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """The items that have a value."""
    return {key: value for key, value in values.items() if value is not None}

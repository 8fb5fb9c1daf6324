"""Times and counts as they travel."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from fewfit.api.wire.common import Count, QueryTime, Timestamp, timestamp


class Form(BaseModel):
    count: Count = None
    when: QueryTime = None


class Answer(BaseModel):
    at: Timestamp


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 3, 1, 9, 15, 27, 482913, UTC), "2026-03-01T09:15:27.482913Z"),
        (datetime(2026, 3, 1, 9, 15, 27, tzinfo=UTC), "2026-03-01T09:15:27.000000Z"),
        (datetime(2026, 3, 1, 9, 15, tzinfo=timezone(timedelta(hours=2))), "2026-03-01T07:15:00.000000Z"),
    ],
)
def test_times_have_a_fraction_and_a_zone(moment: datetime, text: str) -> None:
    assert timestamp(moment) == text
    assert Answer(at=moment).model_dump_json() == f'{{"at":"{text}"}}'


@pytest.mark.parametrize(("given", "found"), [("3", 3), ("3.0", 3), (3.0, 3), ("", None), (None, None), ("1e2", 100)])
def test_counts_may_be_floats_and_empty(given: Any, found: int | None) -> None:
    assert Form(count=given).count == found


@pytest.mark.parametrize("given", ["1.5", "nan", "inf", "x", "1_0x"])
def test_counts_are_whole_numbers(given: str) -> None:
    with pytest.raises(ValidationError):
        Form.model_validate({"count": given})


def test_a_time_without_a_zone_is_utc() -> None:
    assert Form.model_validate({"when": "2026-03-01T09:15:27"}).when == datetime(2026, 3, 1, 9, 15, 27, tzinfo=UTC)
    assert Form.model_validate({"when": ""}).when is None

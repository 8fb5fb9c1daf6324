"""What the contract promises of a field, whatever the answer."""

import re
from datetime import datetime
from typing import Any

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def moment(value: Any) -> datetime:
    """A time as an SDK gave it; fails where it has no zone."""
    found = datetime.fromisoformat(value["$datetime"])
    assert found.tzinfo is not None
    return found


def is_timestamp(text: Any) -> bool:
    """Whether text is RFC 3339 in UTC with a fraction and Z."""
    return isinstance(text, str) and _RFC3339.fullmatch(text) is not None

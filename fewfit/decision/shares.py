"""Numbers from 0 to 1, such as confidences and thresholds, as a caller hands them in."""

from numbers import Real


def is_share(value: object) -> bool:
    """Whether a value is a number from 0 to 1, of Python or numpy; True and False are none."""
    return not isinstance(value, bool) and isinstance(value, Real) and 0 <= float(value) <= 1

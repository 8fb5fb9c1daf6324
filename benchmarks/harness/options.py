"""Lists on a command line, as `type=` of an option: what is wrong is said before anything is measured."""

from argparse import ArgumentTypeError
from collections.abc import Callable, Collection


def some_of(known: Collection[str]) -> Callable[[str], list[str]]:
    """Names out of those that there are; an empty text is none of them."""

    def read(text: str) -> list[str]:
        names = list(filter(None, text.split(",")))
        for name in names:
            if name not in known:
                raise ArgumentTypeError(f"there is no {name!r}; there are: {', '.join(known)}")
        return names

    return read


def counts(text: str) -> list[int]:
    """Whole numbers from 1 on, as in 1,8,96."""
    return [_count(part, text, "1,8,96") for part in text.split(",")]


def shares(text: str) -> list[float]:
    """Numbers from 0 to 1, as in 0.01,0.05."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = [float("nan")]
    if not all(0 <= number <= 1 for number in numbers):
        raise ArgumentTypeError(f"{text!r} is not understood; expected numbers from 0 to 1, as in 0.01,0.05")
    return numbers


def pairs(text: str) -> list[tuple[int, int]]:
    """CLIENTSxTEXTS, as in 1x1,64x8; an empty text is none."""
    found = []
    for part in filter(None, text.split(",")):
        clients, _, n_texts = part.partition("x")
        found.append((_count(clients, text, "1x1,64x8"), _count(n_texts, text, "1x1,64x8")))
    return found


def _count(part: str, text: str, example: str) -> int:
    try:
        number = int(part)
    except ValueError:
        number = 0
    if number < 1:
        raise ArgumentTypeError(f"{text!r} is not understood; expected whole numbers from 1 on, as in {example}")
    return number

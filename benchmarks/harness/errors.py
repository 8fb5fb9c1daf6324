"""What ends a benchmark command with a message instead of a traceback."""

import sys
from collections.abc import Callable
from typing import ClassVar

from fewfit.errors import FewfitError


class BenchmarkError(Exception):
    """The benchmark cannot go on."""

    exit_code: ClassVar[int] = 1


class UsageError(BenchmarkError):
    """The command was asked for something that is not there."""

    exit_code: ClassVar[int] = 2


def told(name: str, run: Callable[[], int]) -> int:
    """The exit code of a command; what ends it with a message is printed after its name."""
    try:
        return run()
    except (BenchmarkError, FewfitError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return error.exit_code if isinstance(error, BenchmarkError) else UsageError.exit_code

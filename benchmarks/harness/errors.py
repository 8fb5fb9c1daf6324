"""What ends a benchmark command with a message instead of a traceback."""

from typing import ClassVar


class BenchmarkError(Exception):
    """The benchmark cannot go on."""

    exit_code: ClassVar[int] = 1


class UsageError(BenchmarkError):
    """The command was asked for something that is not there."""

    exit_code: ClassVar[int] = 2

"""The command line: one command a file."""

from fewfit.cli.guard import guard

# Reading the commands takes a second.
guard.set()

# The commands join the app as they are imported; the order is that of `fewfit --help`.
from fewfit.cli import train, classify, evaluate, explain, update, check, info, distil, export, bases, serve, keys  # noqa: E402, F401, I001
from fewfit.cli.app import main  # noqa: E402

guard.lift()

__all__ = ["main"]

"""The command line: one command a file."""

# The commands join the app as they are imported; the order is that of `fewfit --help`.
from fewfit.cli import train, classify, evaluate, explain, update, check, info, distil, export, bases, serve, keys  # noqa: F401, I001
from fewfit.cli.app import main

__all__ = ["main"]

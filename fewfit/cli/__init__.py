"""The command line: `fewfit train`, `classify`, `evaluate`, `check`, `bases`, `info`, `demo`, `serve`, `keys`."""

# The commands join the app as they are imported; the order is that of `fewfit --help`.
from fewfit.cli import train, classify, evaluate, check, info, bases, serve, keys  # noqa: F401, I001
from fewfit.cli.app import main

__all__ = ["main"]

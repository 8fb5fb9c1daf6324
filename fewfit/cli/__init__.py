"""The command line: one command a file."""

import signal
import threading

# Ctrl-C while the commands are read, which takes a second, ends the process without a traceback.
_IN_MAIN_THREAD = threading.current_thread() is threading.main_thread()
_BEFORE = signal.signal(signal.SIGINT, signal.SIG_DFL) if _IN_MAIN_THREAD else None

# The commands join the app as they are imported; the order is that of `fewfit --help`.
from fewfit.cli import train, classify, evaluate, explain, update, check, info, distil, export, bases, serve, keys  # noqa: E402, F401, I001
from fewfit.cli.app import main  # noqa: E402

if _BEFORE is not None:
    signal.signal(signal.SIGINT, _BEFORE)

__all__ = ["main"]

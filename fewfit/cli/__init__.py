"""The command line: one command a file."""

import signal
import threading

# Ctrl-C while the commands are read, which takes a second, ends the process without a traceback, where it would
# have raised KeyboardInterrupt.
_QUIET = (
    threading.current_thread() is threading.main_thread()
    and signal.getsignal(signal.SIGINT) is signal.default_int_handler
)
if _QUIET:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# The commands join the app as they are imported; the order is that of `fewfit --help`.
from fewfit.cli import train, classify, evaluate, explain, update, check, info, distil, export, bases, serve, keys  # noqa: E402, F401, I001
from fewfit.cli.app import main  # noqa: E402

if _QUIET:
    signal.signal(signal.SIGINT, signal.default_int_handler)

__all__ = ["main"]

"""Ctrl-C before a command runs: it ends the process without a traceback."""

import signal
import threading


class Guard:
    """Between `set` and `lift`, Ctrl-C ends the process where it would have raised KeyboardInterrupt.

    It does nothing where Ctrl-C is handled otherwise already, or where this is not the main thread.
    """

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """From now on Ctrl-C ends the process."""
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            self._is_set = True

    def lift(self) -> None:
        """From now on Ctrl-C raises KeyboardInterrupt, as before."""
        if self._is_set:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._is_set = False


# One for the process, as signals are.
guard = Guard()

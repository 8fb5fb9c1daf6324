"""Worker processes under a server: started with it, started again when they die, stopped with it."""

import logging
import os
import subprocess
import sys
import threading
import time
from types import TracebackType
from typing import Final, Self

from fewfit.settings import Settings

logger = logging.getLogger(__name__)

LIFELINE: Final = "--stop-when-input-ends"

_WATCH_EVERY_S = 0.5
# A worker that dies at once is started again after this long, so that it does not keep a core busy dying.
_RESTART_AFTER_S = 2.0


class Workers:
    """As many worker processes as the settings say. Use it as a context manager, or `start` and `stop`.

    A worker holds the other end of a pipe to this process: it stops by itself when this process is killed.
    """

    def __init__(self, settings: Settings, *, environ: dict[str, str] | None = None) -> None:
        self._settings = settings
        self._environ = {**os.environ, **settings.to_environ(), **(environ or {})}
        self._processes: list[subprocess.Popen[bytes]] = []
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def process_ids(self) -> list[int]:
        """The workers' process ids."""
        return [process.pid for process in self._processes]

    def start(self) -> None:
        """Starts the workers."""
        self._processes = [self._spawn() for _ in range(self._settings.workers)]
        self._watcher = threading.Thread(target=self._watch, name="workers", daemon=True)
        self._watcher.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Lets the workers put their jobs back and end; kills those that take longer than `timeout_s`."""
        self._stopping.set()
        if self._watcher is not None:
            self._watcher.join()
        for process in self._processes:
            process.terminate()
        until_s = time.monotonic() + timeout_s
        for process in self._processes:
            try:
                process.wait(max(0.0, until_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                logger.warning("Worker %d does not stop and is killed; its job will be taken up again", process.pid)
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()

    def _watch(self) -> None:
        while not self._stopping.wait(_WATCH_EVERY_S):
            for place, process in enumerate(self._processes):
                if process.poll() is None:
                    continue
                logger.warning("Worker %d has ended with status %d; starting another", process.pid, process.returncode)
                if process.stdin is not None:
                    process.stdin.close()
                if self._stopping.wait(_RESTART_AFTER_S):
                    return
                self._processes[place] = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "fewfit.service", LIFELINE]
        return subprocess.Popen(command, stdin=subprocess.PIPE, env=self._environ)  # noqa: S603 - our own module

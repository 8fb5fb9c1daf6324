"""Structured logs: one JSON object a line, with request ids, without texts or keys."""

import json
import logging
import threading
import time
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import TextIO

_FIELDS = ("request_id", "method", "route", "status", "ms", "key", "client", "job", "model", "dataset")
_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)
# Lines of the same moment are written together.
_MOMENT_S = 0.1


class JsonFormatter(logging.Formatter):
    """A log record as a JSON line.

    Of an exception it keeps the kind and where it happened, never its message, which may quote a text.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, object] = {
            "time": f"{_second(int(record.created))}.{int(record.created * 1000) % 1000:03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        given = record.__dict__
        line |= {name: given[name] for name in _FIELDS if given.get(name) is not None}
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["stack"] = [
                f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(record.exc_info[2])
            ]
        return _ENCODER.encode(line)


@lru_cache(maxsize=4)
def _second(since_1970: int) -> str:
    return datetime.fromtimestamp(since_1970, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class TogetherHandler(logging.StreamHandler[TextIO]):
    """Formats and writes the lines of a tenth of a second together, a warning at once with all that came before it.

    A line alone costs a request more than all else that is done for the log.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._records: list[logging.LogRecord] = []
        self._any = threading.Event()
        threading.Thread(target=self._write_regularly, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Takes in a line."""
        self._records.append(record)
        if record.levelno >= logging.WARNING:
            self.flush()
        elif len(self._records) == 1:
            self._any.set()

    def flush(self) -> None:
        """Writes what has not been written."""
        assert self.lock is not None
        with self.lock:
            records, self._records = self._records, []
            lines = [line for record in records if (line := self._line(record)) is not None]
            with suppress(OSError, ValueError):  # nobody reads any more: requests are answered all the same
                if lines:
                    self.stream.write("\n".join(lines) + self.terminator)
                super().flush()

    def _line(self, record: logging.LogRecord) -> str | None:
        try:
            return self.format(record)
        except Exception:  # noqa: BLE001 - as every handler does
            self.handleError(record)
            return None

    def _write_regularly(self) -> None:
        while True:
            self._any.wait()
            self._any.clear()
            time.sleep(_MOMENT_S)
            self.flush()


def log_as_json(level: str = "info") -> None:
    """Sends all logs of this process to standard error as JSON lines."""
    handler = TogetherHandler()
    handler.setFormatter(JsonFormatter())
    # What these lines do not show need not be found out; see "Optimization" in Python's logging HOWTO.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Which migrations have run is told by the service itself.
    logging.getLogger("alembic").setLevel(logging.WARNING)

"""Structured logs: one JSON object a line, with request ids, without texts or keys."""

import json
import logging
import traceback
from datetime import UTC, datetime

_FIELDS = ("request_id", "method", "route", "status", "ms", "key", "client", "job", "model", "dataset")
_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)


class JsonFormatter(logging.Formatter):
    """A log record as a JSON line.

    Of an exception it keeps the kind and where it happened, never its message, which may quote a text.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name in _FIELDS if (value := getattr(record, name, None)) is not None}
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["stack"] = [
                f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(record.exc_info[2])
            ]
        return _ENCODER.encode(line)


def log_as_json(level: str = "info") -> None:
    """Sends all logs of this process to standard error as JSON lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    # What these lines do not show need not be found out; see "Optimization" in Python's logging HOWTO.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Which migrations have run is told by the service itself.
    logging.getLogger("alembic").setLevel(logging.WARNING)

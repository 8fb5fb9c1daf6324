import io
import json
import logging
import time

import pytest

from fewfit.logs import JsonFormatter, TogetherHandler


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def handler(stream: io.StringIO) -> TogetherHandler:
    handler = TogetherHandler(stream)
    handler.setFormatter(JsonFormatter())
    return handler


def _record(message: str, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("fewfit", level, "x.py", 1, message, (), None)


def _messages(stream: io.StringIO) -> list[str]:
    return [json.loads(line)["message"] for line in stream.getvalue().splitlines()]


def test_lines_are_written_a_moment_later(handler: TogetherHandler, stream: io.StringIO) -> None:
    for message in ("one", "two"):
        handler.handle(_record(message))
    until_s = time.monotonic() + 30
    while len(_messages(stream)) < 2 and time.monotonic() < until_s:
        time.sleep(0.01)
    assert _messages(stream) == ["one", "two"]


def test_a_warning_is_written_at_once_after_what_came_before(handler: TogetherHandler, stream: io.StringIO) -> None:
    handler.handle(_record("one"))
    handler.handle(_record("two", logging.WARNING))
    assert _messages(stream) == ["one", "two"]


def test_a_line_that_cannot_be_made_keeps_no_other_back(
    handler: TogetherHandler, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    handler.handle(logging.LogRecord("fewfit", logging.INFO, "x.py", 1, "%d", ("no number",), None))
    handler.handle(_record("two", logging.WARNING))
    assert _messages(stream) == ["two"]


def test_the_end_of_the_process_writes_the_rest(handler: TogetherHandler, stream: io.StringIO) -> None:
    handler.handle(_record("one"))
    handler.flush()
    assert _messages(stream) == ["one"]


def test_a_stream_that_is_gone_does_no_harm(handler: TogetherHandler, stream: io.StringIO) -> None:
    stream.close()
    handler.handle(_record("one", logging.ERROR))
    handler.flush()


def test_the_time_has_milliseconds() -> None:
    record = _record("one")
    record.created = 1_790_000_000.0625
    assert json.loads(JsonFormatter().format(record))["time"] == "2026-09-21T14:13:20.062Z"

"""What the terminal shows: messages and progress on standard error, data on standard output."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from fewfit.data import Report, Severity
from fewfit.encoders.packages import FetchProgress

# As wide as tables get where the output goes into a file or another program.
_WIDTH_IN_FILES = 200

_STYLES: dict[Severity, str] = {"error": "bold red", "warning": "yellow", "advice": "cyan"}

# Control characters as they are shown: in a text or label they could steer the terminal.
_CONTROLS = {code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}


class _Console(Console):
    """Leaves it to the command to end where nobody reads any more; rich would end the process with 1."""

    def on_broken_pipe(self) -> None:
        """Raises BrokenPipeError again."""
        raise BrokenPipeError


_errors = _Console(stderr=True, highlight=False)


def printable(text: str) -> str:
    """A text with its control characters escaped, but for line ends and tabs."""
    return text.translate(_CONTROLS)


class Printable:
    """A table or the like, with the control characters in it escaped."""

    def __init__(self, inside: RenderableType) -> None:
        self._inside = inside

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What is inside, part by part."""
        for segment in console.render(self._inside, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


def say(text: str, *, style: str = "") -> None:
    """A message for people, on standard error."""
    _errors.print(Text(printable(text), style=style), soft_wrap=True)


def say_error(text: str) -> None:
    """What went wrong, on standard error."""
    _errors.print(Text.assemble(("error: ", _STYLES["error"]), printable(text)), soft_wrap=True)


def say_findings(report: Report, *, source: str = "") -> None:
    """Everything in a report but its errors, on standard error: an error ends the command with its message."""
    for line in finding_lines(Report((*report.warnings, *report.advice)), source=source):
        _errors.print(line, soft_wrap=True)


def show_findings(report: Report) -> None:
    """Everything in a report, on standard output."""
    console = data_console()
    for line in finding_lines(report):
        console.print(line, soft_wrap=True)


def finding_lines(report: Report, *, source: str = "") -> Iterator[Text]:
    """One line for each finding: severity, code, message, what to do."""
    where = f"{source}: " if source else ""
    for finding in report:
        style = _STYLES[finding.severity]
        words = printable(f"{where}{finding}")
        yield Text.assemble((f"{finding.severity}: ", style), words, (f" [{finding.code}]", "dim"))


def show(table: RenderableType) -> None:
    """A table on standard output."""
    data_console().print(Printable(table))


def show_json(value: Any) -> None:
    """A value as JSON on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def data_console() -> Console:
    """Standard output; wide where it is no terminal, so that no cell is cut."""
    console = _Console(highlight=False)
    return console if console.is_terminal else _Console(highlight=False, width=_WIDTH_IN_FILES)


class _Handler(logging.Handler):
    """Shows what the library logs as messages."""

    def emit(self, record: logging.LogRecord) -> None:
        say(f"{record.levelname.lower()}: {record.getMessage()}", style="yellow")


def show_log(*, quiet: bool) -> None:
    """Shows the library's warnings on standard error (errors only with `quiet`)."""
    logger = logging.getLogger("fewfit")
    logger.handlers = [_Handler()]
    logger.propagate = False
    logger.setLevel(logging.ERROR if quiet else logging.WARNING)


@contextmanager
def training_progress(*, quiet: bool) -> Iterator[Callable[[Any], None] | None]:
    """Shows training events: a bar in a terminal, else a line for each stage."""
    if quiet:
        yield None
        return
    if not _errors.is_terminal:
        yield _stages()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_errors, transient=True) as progress:
        task = progress.add_task("Starting", total=None)

        def update(event: Any) -> None:
            loss = "" if event.loss is None else f" (loss {event.loss:.3f})"
            progress.update(task, description=escape(event.stage + loss), total=event.total_steps, completed=event.step)

        yield update


@contextmanager
def fetch_progress(*, quiet: bool) -> Iterator[Callable[[FetchProgress], None] | None]:
    """Shows how far fetching is: a bar in a terminal, else a line for each step."""
    if quiet:
        yield None
        return
    if not _errors.is_terminal:
        yield _steps()
        return
    with Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), console=_errors, transient=True
    ) as bar:
        task: TaskID | None = None

        def update(progress: FetchProgress) -> None:
            nonlocal task
            if task is None:
                task = bar.add_task("")
            words = escape(f"{progress.base}: {progress.message}")
            bar.update(task, description=words, completed=progress.done_bytes, total=progress.total_bytes)

        yield update


def _stages() -> Callable[[Any], None]:
    last = ""

    def tell(event: Any) -> None:
        nonlocal last
        if event.stage != last:
            last = event.stage
            say(f"{event.elapsed_s:6.1f} s  {event.stage}")

    return tell


def _steps() -> Callable[[FetchProgress], None]:
    last = ""

    def tell(progress: FetchProgress) -> None:
        nonlocal last
        words = f"{progress.base}: {progress.message}"
        if words != last:
            last = words
            say(words)

    return tell

"""The command `fewfit`: its commands, its exit codes, and how errors end."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fewfit.classifier import with_torch
from fewfit.cli.console import say, say_error
from fewfit.cli.guard import guard
from fewfit.errors import Cancelled, FewfitError
from fewfit.version import __version__

EXIT_CODES: dict[int, str] = {
    0: "all went well",
    1: "something outside of fewfit failed (no space, no rights)",
    2: "the command was not written correctly",
    3: "the data or another input cannot be used as they are",
    4: "the base (the pretrained encoder) cannot be used or found",
    5: "the model folder cannot be read or written",
    6: "a package is missing that the plain install leaves out",
    7: "too many texts are waiting for an answer",
    130: "cancelled (Ctrl-C); nothing half-written is left behind",
    141: "the program that was reading the output has ended",
}

_EPILOG = "**Exit codes**\n\n" + "\n".join(f"- {code}: {meaning}" for code, meaning in EXIT_CODES.items())


class Commands(TyperGroup):
    """Commands whose errors end in a message and an exit code, never in a traceback."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Reads the command line; --help and --version are answered here."""
        with _ended_in_a_message():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """Runs the command that was asked for."""
        with _ended_in_a_message():
            guard.lift()  # Ctrl-C is handled from here on
            return super().invoke(ctx)


@contextlib.contextmanager
def _ended_in_a_message() -> Iterator[None]:
    try:
        try:
            yield
        except KeyboardInterrupt:
            say_error(str(Cancelled()))
            raise typer.Exit(Cancelled.exit_code) from None
        except FewfitError as error:
            say_error(str(error))
            raise typer.Exit(error.exit_code) from None
        except BrokenPipeError:
            raise
        except OSError as error:
            say_error(f"{error.filename}: {error.strerror}" if error.filename else str(error))
            raise typer.Exit(1) from None
    except BrokenPipeError:  # also of what was to be told
        _stop_writing()
        raise typer.Exit(141) from None
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # of rich, which shows the help
            _stop_writing()
            raise typer.Exit(141) from None
        raise


app = typer.Typer(
    cls=Commands,
    name="fewfit",
    help="Fine-tune a text classifier from a few dozen examples, and classify with it.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    # A traceback of a mistake of ours must not print the user's texts.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fewfit {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    del version


@app.command()
def demo() -> None:
    """Train on examples that come with fewfit, and show what it brings. Takes about a minute."""
    with_torch.training()
    from fewfit.demo import main as run_demo

    say("Fetching the base english-small if it is not here yet ...", style="dim")
    run_demo()


def main() -> None:
    """Runs the command line."""
    guard.set()
    # A shell can close them (">&-"); what is written then goes nowhere, as was asked for.
    sys.stdin = sys.stdin or Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - as long as the process
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as the process
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as the process
    for stream in (sys.stdout, sys.stderr):
        # Texts are in any language, whatever the terminal's encoding is; their lines end as they are written.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
    app()


def _stop_writing() -> None:
    """Keeps Python from complaining at its end that nobody reads its output."""
    with contextlib.suppress(OSError, ValueError):  # a stream without a file, as in tests
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.dup2(null, sys.stderr.fileno())
        os.close(null)

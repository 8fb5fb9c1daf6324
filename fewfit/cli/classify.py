"""`fewfit classify`: answers for texts, as they come."""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from fewfit.classifier import Classifier
from fewfit.cli.answers import Answers, Thresholds
from fewfit.cli.app import app
from fewfit.cli.console import say, say_findings, show_log
from fewfit.cli.model import open_model
from fewfit.cli.options import Delimiter, Quiet, SkipMalformed, TextColumn, character
from fewfit.data import Report, TextRow, read_texts
from fewfit.data.report import counted
from fewfit.errors import Cancelled, FewfitError
from fewfit.serving.requests import Speed

_READING = "Reading the data"
_OUTPUT = "Output"


@app.command()
def classify(
    model: Annotated[Path, typer.Argument(help="A model folder, as 'fewfit train' makes it.", show_default=False)],
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files with texts: plain text (one a line), CSV, TSV, JSONL or Parquet. "
            "'-' or nothing: standard input, which is plain text unless it begins like CSV or JSON.",
            show_default=False,
        ),
    ] = None,
    answer_format: Annotated[
        Literal["csv", "jsonl"], typer.Option("--format", "-f", help="Format of the answers.", rich_help_panel=_OUTPUT)
    ] = "csv",
    every_label: Annotated[
        bool, typer.Option("--all", help="The confidence of every label, too.", rich_help_panel=_OUTPUT)
    ] = False,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            "--threshold",
            metavar="NUMBER | LABEL=NUMBER",
            help="Give a label from this confidence on, instead of the fitted ones; once for all, and once for each "
            "label that has its own. "
            "A single-label model gives no label below it.",
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option("--batch-size", metavar="N", min=1, help="Texts answered at once; 1 answers line by line.")
    ] = 64,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast", help="Let the model's fast tier answer what it is sure of (see 'fewfit distil'); else in full."
        ),
    ] = False,
    base: Annotated[
        str | None, typer.Option("--base", "-b", help="Where the model's base is, if not where it was.")
    ] = None,
    text_column: TextColumn = None,
    delimiter: Delimiter = None,
    file_format: Annotated[
        Literal["txt", "csv", "tsv", "jsonl", "parquet"] | None,
        typer.Option("--file-format", help="Format of the files. Found if left out.", rich_help_panel=_READING),
    ] = None,
    skip_malformed: SkipMalformed = False,
    quiet: Quiet = False,
) -> None:
    """Answer with the label of each text and how sure the model is.

    Answers go to standard output in the order of the texts, each with the row that it stands in; empty lines
    have no answer.

    **Example:** `cat new.txt | fewfit classify tickets-model/ --format jsonl`
    """
    show_log(quiet=quiet)
    thresholds = Thresholds.parse(threshold or [])
    if fast and threshold:
        raise typer.BadParameter("--fast holds for the fitted thresholds; leave out --threshold or --fast.")
    classifier = open_model(model, base, quiet=quiet)
    if fast and not classifier.manifest_.fast.get("enabled") and not quiet:
        say("The model has no fast tier; it answers in full. Make one with: fewfit distil", style="yellow")
    speed: Speed = "fast" if fast else "full"
    answers = Answers(classifier.decision_, thresholds, answer_format, every_label=every_label)
    sys.stdout.write(answers.header())
    n_texts = 0
    try:
        for name in texts or ["-"]:

            def tell(report: Report, name: str = name) -> None:
                if not quiet:
                    say_findings(report, source="standard input" if name == "-" else name)

            if name == "-" and sys.stdin.isatty() and not quiet:
                say("Type texts, one a line, and end with Ctrl-D.", style="dim")
            rows = read_texts(
                sys.stdin.buffer if name == "-" else name,
                file_format=file_format,
                text_column=text_column,
                delimiter=character(delimiter),
                name="" if name == "-" else None,
                on_report=tell,
                skip_malformed=skip_malformed,
            )
            for n_answered in _answer(classifier, answers, rows, batch_size, speed):
                n_texts += n_answered
    except KeyboardInterrupt:
        raise Cancelled(f"Cancelled after {counted(n_texts, 'text')}.") from None
    if n_texts == 0 and not quiet:
        say("There were no texts.")


def _answer(
    classifier: Classifier, answers: Answers, rows: Iterator[TextRow], batch_size: int, speed: Speed
) -> Iterator[int]:
    """Writes the answers batch by batch, and yields how many; rows before a malformed one are answered, too."""
    while True:
        batch: list[TextRow] = []
        stopped_by: FewfitError | None = None
        try:
            # extend keeps what came before an error
            batch.extend(itertools.islice(rows, batch_size))
        except FewfitError as error:
            stopped_by = error
        if batch:
            said = classifier.answers([row.text for row in batch], speed=speed)
            sys.stdout.writelines(answers.lines(batch, said.confidences, said.rejected))
            sys.stdout.flush()
            yield len(batch)
        if stopped_by is not None:
            raise stopped_by
        if len(batch) < batch_size:
            return

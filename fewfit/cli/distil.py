"""`fewfit distil`: a fast tier for a saved model, taught on unlabelled texts."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from fewfit.cli.app import app
from fewfit.cli.console import say, show, show_json, show_log, training_progress
from fewfit.cli.data import read_unlabelled
from fewfit.cli.model import check_output, open_model
from fewfit.cli.options import Delimiter, Json, Quiet, SkipMalformed, TextColumn

if TYPE_CHECKING:
    from fewfit.training.distilling import FastReport, Point


@app.command()
def distil(
    model: Annotated[Path, typer.Argument(help="A model folder, as 'fewfit train' makes it.", show_default=False)],
    texts: Annotated[
        list[Path],
        typer.Argument(
            help="Files with at least 300 texts such as the model will be asked, without labels: plain text (one a "
            "line), CSV, TSV, JSONL or Parquet.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Where the model goes; the same folder if left out."),
    ] = None,
    max_disagreement: Annotated[
        float,
        typer.Option(
            "--max-disagreement",
            metavar="SHARE",
            help="The largest share of all texts whose answers may change, held with 95 % confidence.",
        ),
    ] = 0.01,
    base: Annotated[
        str | None, typer.Option("--base", "-b", help="Where the model's base is, if not where it was.")
    ] = None,
    text_column: TextColumn = None,
    delimiter: Delimiter = None,
    file_format: Annotated[
        Literal["txt", "csv", "tsv", "jsonl", "parquet"] | None,
        typer.Option("--file-format", help="Format of the files. Found if left out."),
    ] = None,
    skip_malformed: SkipMalformed = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Teach a model a fast tier, which answers the texts that it is sure of.

    It is switched on only where it keeps its promise; 'fewfit classify --fast' then uses it.

    **Example:** `fewfit distil tickets-model/ last-month.txt`
    """
    if not 0 < max_disagreement < 1:
        raise typer.BadParameter(
            f"--max-disagreement is {max_disagreement:g}; expected a share between 0 and 1, such as 0.01."
        )
    show_log(quiet=quiet)
    check_output(output or model)
    rows = read_unlabelled(
        texts,
        file_format=file_format,
        text_column=text_column,
        delimiter=delimiter,
        skip_malformed=skip_malformed,
        quiet=quiet,
    )
    classifier = open_model(model, base, quiet=quiet)
    cancel = threading.Event()
    with training_progress(quiet=quiet or as_json) as on_event:
        report = classifier.distil(rows, max_disagreement=max_disagreement, on_event=on_event, cancel=cancel)
    classifier.save(output or model)
    if as_json:
        show_json({"model": str(output or model), **report.to_dict()})
        return
    show(_curve(report))
    if not quiet:
        say(
            ("The fast tier is on. " if report.enabled else "") + report.reason, style="green" if report.enabled else ""
        )


def _curve(report: "FastReport") -> Table:
    title = f"What a fast tier would do, measured on {report.n_texts:,} texts that it was not taught on"
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in ("answered by it", "other answers", "upper bound", "texts/s together", ""):
        table.add_column(column, justify="right")
    for point in sorted({*report.curve, *([report.chosen] if report.chosen else [])}, key=lambda p: p.answered):
        table.add_row(*_row(point, chosen=report.enabled and point == report.chosen))
    return table


def _row(point: "Point", *, chosen: bool) -> list[str]:
    rate = "" if point.texts_per_s is None else f"{point.texts_per_s:,.0f}"
    shares = [f"{100 * share:.1f} %" for share in (point.answered, point.disagreement, point.bound)]
    return [*shares, rate, "chosen" if chosen else ""]

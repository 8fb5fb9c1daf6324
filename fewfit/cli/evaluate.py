"""`fewfit evaluate`: how good a model is on labelled texts."""

from pathlib import Path
from typing import Annotated

import typer

from fewfit.cli.app import app
from fewfit.cli.console import say, say_findings, show, show_json, show_log
from fewfit.cli.data import DataOptions, read, say_what_was_read
from fewfit.cli.model import open_model
from fewfit.cli.options import (
    Delimiter,
    FileFormatOption,
    Json,
    LabelColumn,
    LabelSeparator,
    Quiet,
    SkipMalformed,
    TextColumn,
)
from fewfit.cli.results import evaluation_tables
from fewfit.data import keep_known_labels
from fewfit.errors import DataError


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="A model folder, as 'fewfit train' makes it.", show_default=False)],
    data: Annotated[Path, typer.Argument(help="Labelled texts that the model was not trained on.", show_default=False)],
    base: Annotated[
        str | None, typer.Option("--base", "-b", help="Where the model's base is, if not where it was.")
    ] = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    delimiter: Delimiter = None,
    label_separator: LabelSeparator = None,
    file_format: FileFormatOption = None,
    skip_malformed: SkipMalformed = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare a model's answers with labelled texts, beside the base before it was tuned.

    Rows with a label that the model does not know are left out with a warning.

    **Example:** `fewfit evaluate tickets-model/ test.csv --json`
    """
    show_log(quiet=quiet)
    classifier = open_model(model, base, quiet=quiet)
    manifest = classifier.manifest_
    options = DataOptions(
        text_column, label_column, delimiter, label_separator, file_format=file_format, skip_malformed=skip_malformed
    )
    dataset, report = read(data, options, kind=manifest.kind)
    report.raise_for_errors(dataset.source)
    dataset, unknown = keep_known_labels(dataset, manifest.labels)
    report = report.merge(unknown)
    if not quiet:
        say_what_was_read(dataset)
        say_findings(report)
    if not len(dataset):
        raise DataError(f"{dataset.source} has no example with a label that the model knows.")
    evaluation = classifier.evaluate(dataset.texts, dataset.targets)
    if evaluation.frozen is None and not quiet:
        say("Not compared with the frozen base, as its weights are not at hand. Give them with --base.")
    if as_json:
        show_json({"model": str(model), "data": str(data), **evaluation.to_dict(), "report": report.to_dict()})
        return
    for table in evaluation_tables(f"On {evaluation.n_texts} texts of {dataset.source}", manifest.kind, evaluation):
        show(table)

"""`fewfit evaluate`: how good a model is on labelled texts."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fewfit.cli.app import app
from fewfit.cli.console import say, say_findings, show, show_json, show_log
from fewfit.cli.data import DataOptions, cleaned, read, say_what_was_read
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
from fewfit.data import check_leakage, keep_known_labels
from fewfit.data.report import counted, listed
from fewfit.errors import DataError

if TYPE_CHECKING:
    from fewfit.training import Evaluation


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

    Rows with a label that the model does not know are left out with a warning; texts that it was trained on are
    named, as far as it keeps them.

    **Example:** `fewfit evaluate tickets-model/ test.csv --json`
    """
    show_log(quiet=quiet)
    classifier = open_model(model, base, quiet=quiet)
    manifest = classifier.manifest_
    options = DataOptions(
        text_column, label_column, delimiter, label_separator, file_format=file_format, skip_malformed=skip_malformed
    )
    dataset, report = read(data, options, kind=manifest.kind, known_labels=manifest.labels)
    report.raise_for_errors(dataset.source)
    dataset, unknown = keep_known_labels(dataset, manifest.labels)
    read_by_model = cleaned(dataset) if manifest.clean else dataset
    report = report.merge(unknown, check_leakage(classifier.kept_texts_, read_by_model))
    if not quiet:
        say_what_was_read(dataset)
        say_findings(report)
    if not len(dataset):
        raise DataError(f"{dataset.source} has no example with a label that the model knows.")
    evaluation = classifier.evaluate(dataset.texts, dataset.targets)
    if evaluation.frozen is None and not quiet:
        why = "as its weights are not at hand. Give them with --base"
        if manifest.training.get("updates"):
            why = "since the model was updated after it was trained"
        say(f"Not compared with the frozen base, {why}.")
    if as_json:
        show_json({"model": str(model), "data": str(data), **evaluation.to_dict(), "report": report.to_dict()})
        return
    for table in evaluation_tables(f"On {evaluation.n_texts} texts of {dataset.source}", manifest.kind, evaluation):
        show(table)
    if not quiet and (advice := _advice(evaluation, manifest.training.get("label_counts", {}))):
        say(advice)


def _advice(evaluation: "Evaluation", counts: Mapping[str, int]) -> str:
    """Which labels more examples are worth most for; nothing where the model does not say what it was trained on."""
    from fewfit.training.learning_curve import label_advice

    # A label that no text of the file has was not put to the test.
    tested = [label for label in evaluation.per_label if label.label in counts and label.support]
    known = [replace(label, support=counts[label.label]) for label in tested]
    worth = [label for label in label_advice(known) if label.advice]
    names = (f"{label.label!r} (F1 {label.f1:.0%}, {counted(label.support, 'example')})" for label in worth)
    return f"More examples are worth most for {listed(names, shown=3)}." if worth else ""

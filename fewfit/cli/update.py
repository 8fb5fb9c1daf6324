"""`fewfit update`: more examples, or a new label, for a saved model."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from fewfit.classifier.groups import check_groups
from fewfit.cli.app import app
from fewfit.cli.console import say, say_findings, show, show_json, show_log
from fewfit.cli.data import DataOptions, read, say_what_was_read
from fewfit.cli.model import check_output, open_model
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
from fewfit.data import check_conflicts, check_spellings
from fewfit.data.report import counted
from fewfit.errors import DataError


@app.command()
def update(
    model: Annotated[Path, typer.Argument(help="A model folder, as 'fewfit train' makes it.", show_default=False)],
    data: Annotated[Path, typer.Argument(help="Further labelled texts.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Where the updated model goes; it may be the model's own folder.",
            show_default=False,
        ),
    ],
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    delimiter: Delimiter = None,
    label_separator: LabelSeparator = None,
    file_format: FileFormatOption = None,
    skip_malformed: SkipMalformed = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Take more examples into a model, of its labels or of new ones, in seconds.

    The encoder stays as it was tuned; what decides on top of it is fitted again on the examples that the
    model keeps and on these. Texts that the model has already are replaced: so mistakes are corrected. It
    says when training again, on all examples, is likely to pay.

    **Example:** `fewfit update tickets-model/ more.csv -o tickets-model/`
    """
    show_log(quiet=True)  # why training again pays is said below
    check_output(output)
    classifier = open_model(model, None, quiet=quiet)
    options = DataOptions(
        text_column, label_column, delimiter, label_separator, file_format=file_format, skip_malformed=skip_malformed
    )
    manifest = classifier.manifest_
    dataset, report = read(data, options, kind=manifest.kind, known_labels=manifest.labels)
    if not quiet:
        say_what_was_read(dataset)
        spellings = check_spellings(dataset, manifest.labels)
        say_findings(report.merge(check_conflicts(dataset), spellings))
    report.raise_for_errors(dataset.source)
    if not len(dataset):
        raise DataError(f"{dataset.source}: There are no examples. Give texts with their labels.")
    check_groups(dataset, classifier.group_separator, known=manifest.labels)
    done = classifier.update(dataset.texts, dataset.targets)
    classifier.save(output)
    if not quiet:
        replaced = f", {done.n_replaced:,} replaced" if done.n_replaced else ""
        say(
            f"{counted(done.n_added, 'example')} added{replaced}, {done.n_examples:,} in all; saved to {output}.",
            style="green",
        )
        for reason in done.reasons:
            say(f"Training again is likely to pay: {reason}", style="yellow")
    if as_json:
        show_json({"model": str(output), **done.to_dict()})
        return
    table = Table(title="The new texts", title_justify="left", title_style="bold")
    table.add_column("")
    table.add_column("right", justify="right")
    table.add_column("macro F1", justify="right")
    for name, metrics in (("before the update", done.before), ("after, by heads fitted without them", done.after)):
        if metrics is not None:
            table.add_row(name, f"{100 * metrics.subset_accuracy:.1f} %", f"{100 * metrics.macro_f1:.1f} %")
    if table.row_count:
        show(table)

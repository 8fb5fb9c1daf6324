"""`fewfit train`: from a file of labelled texts to a saved model."""

import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from fewfit.classifier import Classifier, with_torch
from fewfit.classifier.inputs import LARGEST_NUMBER
from fewfit.cli import train_options
from fewfit.cli.app import app
from fewfit.cli.base import Reader, base_argument, open_base
from fewfit.cli.console import say, say_findings, show, show_json, show_log, training_progress
from fewfit.cli.data import DataOptions, cleaned, read, read_unlabelled, say_what_was_read
from fewfit.cli.model import check_output
from fewfit.cli.options import (
    Clean,
    Delimiter,
    FileFormatOption,
    Json,
    KindOption,
    LabelColumn,
    LabelSeparator,
    MaxLength,
    Quiet,
    SkipMalformed,
    TextColumn,
)
from fewfit.cli.results import cross_validation_title, evaluation_tables
from fewfit.data import (
    Dataset,
    LongTexts,
    Report,
    Requirements,
    check_leakage,
    drop_duplicates,
    keep_known_labels,
    stratified_split,
    validate,
)
from fewfit.data.report import counted, row_list
from fewfit.data.suspects import Suspect
from fewfit.encoders.windows import MOST_WINDOWS
from fewfit.errors import DataError

_EVALUATION = "Evaluation"


@app.command()
def train(
    data: Annotated[Path, typer.Argument(help="Labelled texts: CSV, TSV, JSONL or Parquet.", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where the model goes.", show_default=False)
    ],
    base: Annotated[
        str, typer.Option("--base", "-b", help="A name from 'fewfit bases', a Hugging Face id or a folder.")
    ] = "multilingual",
    effort: Annotated[
        Literal["quick", "balanced", "thorough"], typer.Option("--effort", help="How much time training may take.")
    ] = "balanced",
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            metavar="N",
            min=0,
            max=LARGEST_NUMBER,
            help="The same seed gives the same model on the same machine.",
        ),
    ] = 0,
    clean: Clean = False,
    max_length: MaxLength = None,
    long_texts: Annotated[
        LongTexts,
        typer.Option(
            "--long-texts",
            help="What becomes of texts longer than that: cut, read in several windows whose answers are averaged, or "
            "whichever answers held-out texts better.",
        ),
    ] = "auto",
    unlabelled: Annotated[
        list[Path] | None,
        typer.Option(
            "--unlabelled",
            metavar="FILE",
            help="Texts without labels, such as the model will be asked: plain text (one a line), CSV, TSV, JSONL or "
            "Parquet; may be repeated. Those that a first model is surest of are learnt from, too.",
            show_default=False,
        ),
    ] = None,
    class_weight: Annotated[
        list[str] | None,
        typer.Option(
            "--class-weight",
            metavar="LABEL=NUMBER | none",
            help="How much a label counts, 1 unless given; may be repeated. 'none': as often as labels occur. Without "
            "it, labels count alike however many examples they have.",
            show_default=False,
        ),
    ] = None,
    reject: Annotated[
        float | None,
        typer.Option(
            "--reject",
            metavar="SHARE",
            help="Give no label to texts unlike all that was trained on; this share of ordinary texts, such as 0.05, "
            "may be rejected, too.",
            show_default=False,
        ),
    ] = None,
    path_separator: Annotated[
        str | None,
        typer.Option(
            "--path-separator",
            metavar="TEXT",
            help="Labels are paths with this between their parts, such as ' > ' in 'billing > refund'.",
            show_default=False,
        ),
    ] = None,
    group_separator: Annotated[
        str | None,
        typer.Option(
            "--group-separator",
            metavar="TEXT",
            help="Labels are in groups of which one applies each, with this between group and choice, such as ': ' in "
            "'topic: billing'. Makes the data multilabel.",
            show_default=False,
        ),
    ] = None,
    forget_examples: Annotated[
        bool,
        typer.Option(
            "--no-keep-examples",
            help="Leave the training texts out of the model; it can then be neither updated nor explained by examples.",
        ),
    ] = False,
    eval_file: Annotated[
        Path | None,
        typer.Option("--eval", metavar="FILE", help="Labelled texts to evaluate on.", rich_help_panel=_EVALUATION),
    ] = None,
    holdout: Annotated[
        float | None,
        typer.Option(
            "--holdout",
            metavar="SHARE",
            min=0.01,
            max=0.9,
            help="Keep this share of the examples out of training and evaluate on it, such as 0.2. Without it and "
            "without --eval, every example is trained on, and the figures come from parts held out in turn.",
            rich_help_panel=_EVALUATION,
        ),
    ] = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    delimiter: Delimiter = None,
    label_separator: LabelSeparator = None,
    kind: KindOption = None,
    file_format: FileFormatOption = None,
    skip_malformed: SkipMalformed = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fine-tune a classifier on labelled texts and save it.

    The data are checked first and everything that was found is shown: errors stop, warnings are kept with
    the model. 'fewfit check' does the same without training, and is stricter.

    **Example:** `fewfit train tickets.csv -o tickets-model/ --base english-small`
    """
    if eval_file is not None and holdout is not None:
        raise typer.BadParameter("Give --eval or --holdout, not both.")
    weights = train_options.class_weight(class_weight or [])
    train_options.check_reject(reject, effort)
    cuts = long_texts == "auto" and effort == "quick"  # nothing is held out to compare the ways on
    show_log(quiet=quiet)
    check_output(output)
    if group_separator is not None:
        kind = kind or "multi"
    options = DataOptions(text_column, label_column, delimiter, label_separator, kind, file_format, skip_malformed)
    dataset, report = read(data, options)
    report.raise_for_errors(dataset.source)
    if not quiet:
        say_what_was_read(dataset)
    train_options.check_asked(
        dataset,
        weights=weights,
        reject=reject,
        unlabelled=bool(unlabelled),
        path_separator=path_separator,
        group_separator=group_separator,
    )
    with_torch.training()  # before a base is fetched in vain
    reader = open_base(base, max_length, quiet=quiet)
    report = report.merge(_check(dataset, reader, clean=clean, long_texts="cut" if cuts else long_texts))
    evaluation = None
    if eval_file is not None:
        evaluation, found = _read_evaluation(eval_file, options, dataset)
        report = report.merge(found)
    if not quiet:
        say_findings(report)
    report.raise_for_errors(dataset.source)
    others = read_unlabelled(
        unlabelled or [],
        text_column=text_column,
        delimiter=delimiter,
        skip_malformed=skip_malformed,
        where_it_fits=True,
        quiet=quiet,
    )
    dataset = drop_duplicates(dataset)
    if holdout is not None:
        dataset, evaluation = stratified_split(dataset, eval_fraction=holdout, seed=seed)

    classifier = Classifier(
        base_argument(base),
        effort=effort,
        seed=seed,
        max_length=max_length,
        long_texts=long_texts,
        clean=clean,
        class_weight=weights,
        reject=reject,
        path_separator=path_separator,
        group_separator=group_separator,
        keep_examples=not forget_examples,
    )
    started_s = time.monotonic()
    with training_progress(quiet=quiet) as on_event:
        classifier.fit(dataset.texts, dataset.targets, unlabelled=others, on_event=on_event, report=report)
    elapsed_s = time.monotonic() - started_s
    scores = None
    if evaluation is not None and len(evaluation):
        scores = classifier.evaluate(evaluation.texts, evaluation.targets)
        classifier.manifest_.metrics["evaluation"] = scores.to_dict(texts=False)
    classifier.save(output)

    suspects = classifier.insight_.suspects(dataset.rows)
    if not quiet:
        _say_trained(classifier, output, len(dataset), len(others), elapsed_s)
        if suspects:
            say(
                f"{counted(len(suspects), 'label')} likely to be wrong: {row_list([s.row for s in suspects])}. "
                f"See: fewfit check {shlex.quote(str(data))} --base {shlex.quote(base)}",
                style="yellow",
            )
    if as_json:
        show_json(_summary(classifier, output, elapsed_s, report, suspects))
        return
    if scores is not None:
        for table in evaluation_tables(f"On {scores.n_texts} texts not trained on", dataset.kind, scores):
            show(table)
    elif (checked := classifier.insight_.cross_validation) is not None:
        for table in evaluation_tables(cross_validation_title(checked.to_dict()), dataset.kind, checked):
            show(table)
        if not quiet:
            say(f"The model itself was trained on all {len(dataset):,} texts.", style="dim")
            if (curve := classifier.insight_.learning_curve) is not None:
                say(curve.advice)
    elif not quiet:
        say(f"Not evaluated: {_why_not_evaluated(holdout, effort)}.")


def _check(dataset: Dataset, reader: Reader, *, clean: bool, long_texts: LongTexts) -> Report:
    return validate(
        cleaned(dataset) if clean else dataset,
        requirements=Requirements(strict=False),
        count_tokens=reader.tokenizer.count,
        max_tokens=reader.max_length,
        long_texts=long_texts,
        most_windows=MOST_WINDOWS,
        base=reader.weights.name,
    )


def _read_evaluation(path: Path, options: DataOptions, training: Dataset) -> tuple[Dataset, Report]:
    dataset, report = read(path, options, kind=training.kind, known_labels=training.label_names)
    report.raise_for_errors(dataset.source)
    dataset, unknown = keep_known_labels(dataset, training.label_names)
    if not len(dataset):
        raise DataError(
            f"{dataset.source} has no example with a label of the training data; there is nothing to evaluate on."
        )
    return dataset, report.merge(unknown, check_leakage(training.texts, dataset))


def _say_trained(classifier: Classifier, output: Path, n_texts: int, n_unlabelled: int, elapsed_s: float) -> None:
    manifest = classifier.manifest_
    what = f"Fitted a head on {manifest.base.name} as it is"
    if manifest.tuned:
        what = f"Fine-tuned {manifest.base.tail_in_words} of {manifest.base.name}"
    on = f"{n_texts:,} texts"
    if n_unlabelled:
        on += f" and {manifest.training['n_pseudo_labelled']:,} of {n_unlabelled:,} unlabelled ones"
    time_taken = f"{elapsed_s:.0f} s ({manifest.training['elapsed_s']:.0f} s of training)"
    say(f"{what} on {on} in {time_taken}; saved to {output}.", style="green")
    if manifest.windows > 1:
        say(f"Texts of more than {manifest.max_length} tokens are read in up to {manifest.windows} windows.")
    say(f"Classify with: fewfit classify {shlex.quote(str(output))} texts.txt", style="dim")


def _why_not_evaluated(holdout: float | None, effort: str) -> str:
    if holdout is not None:
        return f"--holdout {holdout:g} held nothing back, as no label has a second example. Give --eval FILE"
    if effort == "quick":
        return "--effort quick holds nothing out. Give --eval FILE or --holdout 0.2"
    return "no label has a second example to hold out. Give --eval FILE"


def _summary(
    classifier: Classifier, output: Path, elapsed_s: float, report: Report, suspects: Sequence[Suspect]
) -> dict[str, Any]:
    manifest = classifier.manifest_
    curve = classifier.insight_.learning_curve
    return {
        "model": str(output),
        "kind": manifest.kind,
        "labels": list(manifest.labels),
        "base": {"name": manifest.base.name, "digest": manifest.base.digest},
        "n_texts": manifest.training["n_texts"],
        "n_pseudo_labelled": manifest.training["n_pseudo_labelled"],
        "tuned": manifest.tuned,
        "elapsed_s": round(elapsed_s, 1),
        "metrics": manifest.metrics,
        "report": report.to_dict(),
        "suspects": [suspect.to_dict() for suspect in suspects],
        "learning_curve": None if curve is None else curve.to_dict(),
    }

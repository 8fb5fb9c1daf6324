"""`fewfit check`: everything that is wrong or doubtful in labelled texts, and advice."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, cast

import typer

from fewfit.classifier.checking import check_labels
from fewfit.cli.app import app
from fewfit.cli.base import Reader, open_base, open_base_here
from fewfit.cli.console import say, show, show_findings, show_json, show_log, training_progress
from fewfit.cli.data import DataOptions, cleaned, describe, read
from fewfit.cli.options import (
    Clean,
    Delimiter,
    FileFormatOption,
    Json,
    KindOption,
    LabelColumn,
    LabelSeparator,
    MaxLength,
    SkipMalformed,
    TextColumn,
)
from fewfit.cli.results import suspects_table
from fewfit.data import (
    Dataset,
    Finding,
    Report,
    Requirements,
    drop_duplicates,
    language_mix,
    validate,
    write_dataset,
)
from fewfit.data.fixes import FIXES, Fix, apply_fixes
from fewfit.data.labels import SEPARATORS
from fewfit.data.quality import Quality, check_quality
from fewfit.data.report import counted
from fewfit.data.writing import csv_separator, format_of
from fewfit.errors import DataError, InputError, MissingExtraError

_REQUIREMENTS = Requirements()
# Labels of more examples are looked at only when that is asked for: embedding 5,000 texts takes a minute or more.
_MOST_EXAMPLES = 5000
# So many are embedded in seconds.
_FEW_EXAMPLES = 1000
# What these repair is found by models alone; without them the file would be written unrepaired.
_NEED_MODELS: tuple[Fix, ...] = ("drop-suspects", "relabel-suspects")


@app.command()
def check(
    data: Annotated[Path, typer.Argument(help="Labelled texts: CSV, TSV, JSONL or Parquet.", show_default=False)],
    base: Annotated[
        str | None,
        typer.Option(
            "--base",
            "-b",
            help="The base that is to be trained on: whether it fits the languages, and which texts it would cut. "
            "If left out, the one that fits the languages, if it is on this machine.",
        ),
    ] = None,
    clean: Clean = False,
    max_length: MaxLength = None,
    min_examples: Annotated[
        int, typer.Option("--min-examples", metavar="N", min=2, help="Examples that are needed in all.")
    ] = _REQUIREMENTS.min_examples,
    min_per_label: Annotated[
        int, typer.Option("--min-per-label", metavar="N", min=1, help="Examples that each label needs.")
    ] = _REQUIREMENTS.min_examples_per_label,
    eval_file: Annotated[
        Path | None,
        typer.Option("--eval", metavar="FILE", help="Labelled texts to evaluate on: are any of them in DATA, too?"),
    ] = None,
    thorough: Annotated[
        bool,
        typer.Option(
            "--thorough", help="Tune models to judge the labels by: takes as long as training, and finds more."
        ),
    ] = False,
    look: Annotated[
        bool | None,
        typer.Option(
            "--labels/--no-labels",
            help="Let models judge whether labels are wrong. If left out, up to 5,000 examples (more take minutes), or "
            "where --fix needs it.",
            show_default=False,
        ),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(
            "--write",
            metavar="FILE",
            help="Write the rows that are in order, without duplicates, to a CSV or JSONL file: text and label only. "
            "A file that is there is replaced, but not DATA or that of --eval.",
            rich_help_panel="Output",
        ),
    ] = None,
    fix: Annotated[
        list[str] | None,
        typer.Option(
            "--fix",
            metavar="NAME",
            help=f"With --write, repair what was found; once for each of: {', '.join(FIXES)}. drop-leaks needs --eval.",
            rich_help_panel="Output",
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
) -> None:
    """Check labelled texts: all errors, warnings and advice, with row numbers.

    With a base on this machine that includes labels that are likely to be wrong. Ends with exit code 3 where there
    are errors. Too few examples are errors here, and warnings for 'fewfit train'. docs/data.md explains every
    finding.

    **Example:** `fewfit check tickets.csv`
    """
    fixes = _fixes(fix or [])
    _check_fixes(fixes, write=write, eval_file=eval_file, look=look)
    _check_write(write, data, eval_file)
    show_log(quiet=False)
    options = DataOptions(text_column, label_column, delimiter, label_separator, kind, file_format, skip_malformed)
    dataset, report = read(data, options)
    evaluation = None
    if eval_file is not None:
        evaluation, eval_report = read(eval_file, options, kind=dataset.kind)
        eval_report.raise_for_errors(evaluation.source)
    quality = Quality()
    if dataset.examples or report.ok:
        checked = cleaned(dataset) if clean else dataset
        reader = _reader(checked, base, max_length)
        requirements = Requirements(min_examples, min_per_label, strict=True)
        report = report.merge(_validate(checked, reader, requirements, named=base is not None))
        if evaluation is not None and clean:
            evaluation = cleaned(evaluation)
        judged = [name for name in fixes if name in _NEED_MODELS]
        if judged and reader is None:
            raise InputError(
                f"--fix {judged[0]} needs models to judge the labels, and the base is not on this machine. "
                "Give --base NAME; it is fetched."
            )
        looks = thorough or bool(judged) or len(checked) <= _MOST_EXAMPLES if look is None else look
        quality = _look(checked, reader if looks else None, evaluation, thorough=thorough)
        report = report.merge(quality.report)
        if reader is not None and not looks and checked.label_names:
            report = report.merge(Report((_unchecked(len(checked), refused=look is False),)))
    if write is not None:
        _write(drop_duplicates(apply_fixes(dataset, quality, fixes)), write)
    if as_json:
        show_json({"data": str(data), "kind": dataset.kind, "n_examples": len(dataset),
                   "label_counts": dataset.label_counts,
                   "suspects": [suspect.to_dict() for suspect in quality.suspects], **report.to_dict()})  # fmt: skip
    else:
        say(describe(dataset), style="dim")
        show_findings(report)
        if quality.suspects:
            show(suspects_table(quality.suspects))
    if not report.ok:
        errors = counted(len(report.errors), "error")
        raise DataError(f"{dataset.source} has {errors}; put that right before training on it.")
    if not as_json:
        say(f"{dataset.source} can be trained on.", style="green")


def _write(kept: Dataset, path: Path) -> None:
    if not len(kept):
        say(f"No example is left; {path} is not written.", style="yellow")
        return
    write_dataset(kept, path)
    say(f"{counted(len(kept), 'example')} written to {path}.", style="dim")
    if format_of(path) != "csv":
        return
    if kept.kind == "multi":
        say(f"Read it with --kind multi --label-separator '{csv_separator(kept)}'.", style="dim")
    elif any(mark in label for label in kept.label_names for mark in SEPARATORS):
        say("Read it with --kind single: its labels could be taken for several.", style="dim")


def _validate(dataset: Dataset, reader: Reader | None, requirements: Requirements, *, named: bool) -> Report:
    report = validate(
        dataset,
        requirements=requirements,
        count_tokens=reader.tokenizer.count if reader else None,
        max_tokens=reader.max_length if reader else None,
        # Without --base the advice is which one fits, not whether the one does that was only taken to count.
        base=reader.weights.name if reader and named else None,
    )
    if reader is not None:
        return report
    unchecked = Finding(
        "length_unchecked",
        "advice",
        "The lengths of the texts were not looked at, nor whether labels are wrong, as the base is not on this "
        "machine.",
        suggestion="Give --base NAME; it is fetched.",
    )
    return report.merge(Report((unchecked,)))


def _look(dataset: Dataset, reader: Reader | None, evaluation: Dataset | None, *, thorough: bool) -> Quality:
    """What models say of the labels, as far as there is a base to make them of."""
    if reader is None:
        return check_quality(dataset, evaluation=evaluation)
    try:
        from fewfit.encoders.encoder import Encoder
    except ImportError:
        unchecked = Finding(
            "labels_unchecked",
            "advice",
            "Whether labels are wrong was not looked at, which needs packages that the plain install leaves out.",
            suggestion='Install them with: pip install "fewfit[train]"',
        )
        quality = check_quality(dataset, evaluation=evaluation)
        return replace(quality, report=quality.report.merge(Report((unchecked,))))
    with training_progress(quiet=not thorough) as on_event:
        return check_labels(
            Encoder.load(reader.weights),
            dataset,
            evaluation=evaluation,
            thorough=thorough,
            max_length=reader.max_length,
            on_event=on_event,
        )


def _unchecked(n_examples: int, *, refused: bool) -> Finding:
    """That no model judged the labels, for who did not ask for it or, `refused`, gave --no-labels."""
    if not refused:
        suggestion = "Give --labels; it embeds every text, which takes minutes."
    elif n_examples > _MOST_EXAMPLES:
        suggestion = "With --labels in place of --no-labels it is, which takes minutes."
    else:
        time = "seconds" if n_examples <= _FEW_EXAMPLES else "a minute or more"
        suggestion = f"Without --no-labels it is, which takes {time}."
    return Finding(
        "labels_unchecked",
        "advice",
        f"Whether any label of {counted(n_examples, 'example')} is wrong was not looked at.",
        suggestion=suggestion,
    )


def _check_fixes(fixes: list[Fix], *, write: Path | None, eval_file: Path | None, look: bool | None) -> None:
    """Raises typer.BadParameter for a fix that could not be made."""
    if fixes and write is None:
        raise typer.BadParameter("--fix repairs what --write FILE writes; give both.")
    judged = [name for name in fixes if name in _NEED_MODELS]
    if judged and look is False:
        raise typer.BadParameter(f"--fix {judged[0]} needs models to judge the labels; leave out --no-labels.")
    if "drop-leaks" in fixes and eval_file is None:
        raise typer.BadParameter("--fix drop-leaks needs the texts to evaluate on; give --eval FILE.")


def _check_write(write: Path | None, data: Path, eval_file: Path | None) -> None:
    """Raises typer.BadParameter for a file to write that is one of those that are read, or of no format."""
    if write is None:
        return
    try:
        format_of(write)
    except InputError as error:
        raise typer.BadParameter(f"--write: {error}") from error
    for name, path in (("DATA", data), ("the file of --eval", eval_file)):
        if path is not None and _same_file(write, path):
            raise typer.BadParameter(
                f"--write {write} is {name}, which would lose its other columns and the rows left out. "
                "Give another file to write."
            )


def _same_file(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.samefile(other)  # hard links, and names that differ only by case, too
    return one.resolve() == other.resolve()


def _fixes(given: list[str]) -> list[Fix]:
    for name in given:
        if name not in FIXES:
            raise typer.BadParameter(f"--fix {name!r} is none of: {', '.join(FIXES)}.")
    return cast("list[Fix]", given)


def _reader(dataset: Dataset, base: str | None, max_length: int | None) -> Reader | None:
    if base is not None:
        return open_base(base, max_length, quiet=False)
    try:
        fitting = language_mix(dataset.texts).base
    except MissingExtraError:
        fitting = "multilingual"
    return open_base_here(fitting, max_length)

"""From uploaded files to a dataset: what is read, dropped, counted and refused."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np

from fewfit.data import (
    Dataset,
    Finding,
    Kind,
    LanguageMix,
    Report,
    Requirements,
    drop_duplicates,
    drop_rare_labels,
    language_mix,
    read_dataset,
    text_key,
    validate,
)
from fewfit.data.reading import sniff_format
from fewfit.errors import DataError, InputError, MissingExtraError
from fewfit.service.datasets.rows import Rows
from fewfit.service.records import DatasetOptions
from fewfit.service.store.parts import label_samples, samples

# Warnings and errors that the dataset's record shows; the report has them all.
_SHOWN = 50
_HEAD_BYTES = 4096
_COUNT_BATCH = 1024

CountTokens = Callable[[Sequence[str]], Any]


@dataclass(frozen=True)
class Source:
    """An uploaded file, open for reading, and the name it came with."""

    stream: BinaryIO
    filename: str


@dataclass(frozen=True)
class Rules:
    """What a dataset must have. `kind` None is found from the data."""

    kind: Kind | None
    options: DatasetOptions
    min_examples: int
    min_examples_per_label: int
    min_eval_examples: int
    eval_fraction: float
    min_holdout_examples: int

    @property
    def fewest_eval_examples(self) -> int:
        """The fewest examples that an evaluation part may have."""
        own = self.options.min_eval_examples
        return self.min_eval_examples if own is None else own


@dataclass(frozen=True)
class Validated:
    """What validation makes of the files: `error` is None where the dataset can be trained on."""

    train: Dataset
    evaluation: Dataset | None
    report: Report
    notes: tuple[str, ...]
    n_tokens: int | None
    languages: LanguageMix | None = None

    @property
    def error(self) -> str | None:
        """The first thing that stops training."""
        errors = self.report.errors
        return str(errors[0]) if errors else None

    @property
    def warnings(self) -> list[str]:
        """Everything else that should be known."""
        told = [str(finding) for finding in (*self.report.errors[1:], *self.report.warnings)]
        return [*self.notes, *told][:_SHOWN]

    def parts(self) -> list[dict[str, Any]]:
        """The parts as the record keeps them; their sizes are not known yet."""
        found = [("train", self.train), ("eval", self.evaluation)]
        return [
            {"name": name, "n_rows": len(dataset), "samples": samples(dataset)}
            for name, dataset in found
            if dataset is not None
        ]

    def overview(self, reading: Mapping[str, Any]) -> dict[str, Any]:
        """The numbers as a version keeps them, whether or not the dataset is in order."""
        mix = self.languages
        return {
            "kind": self.train.kind,
            "train": _part_overview(self.train),
            "eval": None if self.evaluation is None else _part_overview(self.evaluation),
            "languages": [] if mix is None else [list(share) for share in mix.shares if share[1] >= _LEAST_SHARE],
            "base": "" if mix is None or not mix.shares else mix.base,
            "columns": reading.get("columns", {}),
        }

    def metrics(self) -> dict[str, Any]:
        """The counts as the record keeps them."""
        n_eval = 0 if self.evaluation is None else len(self.evaluation)
        return {
            "total_examples": len(self.train) + n_eval,
            "train_examples": len(self.train),
            "eval_examples": n_eval,
            "trainable_token_count": self.n_tokens,
            "labels": [
                {"label": label, "total_examples": count, "samples": label_samples(self.train, label)}
                for label, count in self.train.label_counts.items()
            ],
        }


def read_files(data: Source, eval_data: Source | None, rules: Rules) -> Rows:
    """The rows of the files of a dataset, with what was found while they were read.

    Raises InputError where a file cannot be read at all.
    """
    train, report = _read(data, rules, rules.kind, rules.options.label_separator)
    if eval_data is None:
        return Rows(train, None, report)
    separator = train.read_as.label_separator if train.read_as and rules.kind is None else rules.options.label_separator
    evaluation, eval_report = _read(eval_data, rules, train.kind, separator if train.kind == "multi" else None)
    return Rows(train, evaluation, report, eval_report)


def check_rows(
    rows: Rows, rules: Rules, *, count_tokens: CountTokens | None = None, max_tokens: int | None = None
) -> Validated:
    """Checks rows, new or edited, and leaves out of them what cannot be trained on."""
    train, report = _without_exact_copies(rows.train, rows.train_reading)
    notes: list[str] = []
    if rules.options.skip_malformed_input:
        train, dropped = drop_rare_labels(train, rules.min_examples_per_label)
        report = report.merge(dropped)
    requirements = Requirements(rules.min_examples, rules.min_examples_per_label, strict=True)
    mix = _languages(train)
    if report.ok or train.examples:
        found = validate(
            train, requirements=requirements, count_tokens=count_tokens, max_tokens=max_tokens, languages=mix
        )
        report = report.merge(found)
    evaluation = None
    if rows.evaluation is None and report.ok:
        notes.append(_without_evaluation_file(rules, len(train)))
    elif rows.evaluation is not None:
        evaluation, eval_report = _check_evaluation(rows.evaluation, rows.eval_reading, rules, train)
        report = report.merge(_in_evaluation_file(eval_report))
    n_tokens = _total_tokens(train.texts, count_tokens) if count_tokens is not None and report.ok else None
    return Validated(train, evaluation, _with_our_advice(report), tuple(notes), n_tokens, mix)


def _without_evaluation_file(rules: Rules, n_rows: int) -> str:
    if n_rows >= rules.min_holdout_examples:
        return f"No evaluation file was given: {rules.eval_fraction:.0%} of the rows will be held out."
    return (
        f"No evaluation file was given: every row will be trained on, and the figures come from cross-validation, "
        f"which holds out each row in turn. From {rules.min_holdout_examples:,} rows on, {rules.eval_fraction:.0%} "
        "are held out instead."
    )


def part_of(finding: Finding) -> str:
    """Which part's rows a finding of a dataset's report is about: "train" or "eval"."""
    return "eval" if finding.message.startswith(_EVALUATION) else "train"


def _read(source: Source, rules: Rules, kind: Kind | None, label_separator: str | None) -> tuple[Dataset, Report]:
    options = rules.options
    head = source.stream.read(_HEAD_BYTES)
    source.stream.seek(0)
    found = sniff_format(head, source.filename)
    if kind == "multi" and found in ("csv", "tsv") and label_separator is None:
        raise InputError(
            "Data with several labels a text must be JSONL: a CSV cell holds one label. "
            'Write one object a line: {"text": "...", "label": ["...", "..."]}.'
        )
    return read_dataset(
        source.stream,
        name=source.filename or "data",
        kind=kind,
        text_column=options.text_column,
        label_column=options.label_column,
        delimiter=options.csv_delimiter,
        label_separator=label_separator,
        skip_malformed=options.skip_malformed_input,
    )


# What helps here where the advice of `fewfit.data` is about options of the command line.
_ADVICE = {
    "missing_column": "Rename the columns to text and label.",
    "truncated_text": "Put what matters first, or split the texts.",
}


def _with_our_advice(report: Report) -> Report:
    return Report(
        tuple(
            replace(found, suggestion=_ADVICE[found.code])
            if found.code in _ADVICE and "--" in found.suggestion
            else found
            for found in report
        )
    )


def _without_exact_copies(dataset: Dataset, report: Report) -> tuple[Dataset, Report]:
    kept = drop_duplicates(dataset)
    if len(kept) == len(dataset):
        return dataset, report
    staying = {example.row for example in kept.examples}
    rows = [example.row for example in dataset.examples if example.row not in staying]
    words = "1 exact copy of an earlier row" if len(rows) == 1 else f"{len(rows):,} exact copies of earlier rows"
    return kept, report.merge(Report((Finding("duplicate_text", "warning", f"Dropped: {words}.", rows=tuple(rows)),)))


def _check_evaluation(dataset: Dataset, report: Report, rules: Rules, train: Dataset) -> tuple[Dataset, Report]:
    dataset, report = _without_exact_copies(dataset, report)
    findings: list[Finding] = []
    known = set(train.label_names)
    strange = sorted(set(dataset.label_names) - known) if known else []
    if strange:
        rows = [example.row for example in dataset.examples if not known.issuperset(example.labels)]
        dataset = dataset.with_examples(e for e in dataset.examples if known.issuperset(e.labels))
        names = ", ".join(map(repr, strange[:10]))
        findings.append(
            Finding(
                "rare_label_dropped",
                "warning",
                f"Dropped {len(rows):,} rows with labels that the training file does not have: {names}.",
                rows=tuple(rows),
                labels=tuple(strange),
            )
        )
    seen = {text_key(text) for text in train.texts}
    shared = [example.row for example in dataset.examples if text_key(example.text) in seen]
    if shared:
        findings.append(
            Finding(
                "leaked_text",
                "warning",
                f"{len(shared):,} texts are in the training file too, so the metrics will flatter the model.",
                rows=tuple(shared),
                suggestion="Take them out of one of the files.",
            )
        )
    if len(dataset) < rules.fewest_eval_examples:
        findings.append(
            Finding(
                "few_examples",
                "error",
                f"There are {len(dataset)} valid examples; at least {rules.fewest_eval_examples} are needed.",
                suggestion="Add more, or leave the file out: then a part of the training file is held out.",
            )
        )
    elif len(dataset) < rules.min_eval_examples:
        findings.append(
            Finding(
                "few_examples",
                "warning",
                f"There are {len(dataset)} valid examples, so the metrics will be rough.",
                suggestion=f"From {rules.min_eval_examples} on they say more.",
            )
        )
    return dataset, report.merge(Report(tuple(findings)))


_EVALUATION = "Evaluation file: "
# A language with a smaller share is a slip of the detector.
_LEAST_SHARE = 0.005


def _languages(dataset: Dataset) -> LanguageMix | None:
    try:
        return language_mix(dataset.texts)
    except MissingExtraError:
        return None


def _part_overview(dataset: Dataset) -> dict[str, Any]:
    return {"n_rows": len(dataset), "labels": dataset.label_counts}


def _in_evaluation_file(report: Report) -> Report:
    return Report(tuple(replace(f, message=f"{_EVALUATION}{f.message}") for f in report))


def _total_tokens(texts: Sequence[str], count_tokens: CountTokens) -> int:
    starts = range(0, len(texts), _COUNT_BATCH)
    return int(sum(np.asarray(count_tokens(texts[start : start + _COUNT_BATCH])).sum() for start in starts))


def refuse_at_once(head: bytes, filename: str | None) -> None:
    """Raises DataError for an upload that is wrong at first sight, so that nobody waits for validation."""
    if not head.strip(b"\xef\xbb\xbf \t\r\n"):
        raise DataError("The uploaded file is empty; expected CSV or JSONL with a text and a label on each row.")
    if head.strip() == b"[object Object]":
        raise DataError(
            "The upload holds only the words '[object Object]': the Node SDK was given a stream or an object and sent "
            "its name instead of its contents. Send a File or a Blob: "
            "new File([await fs.promises.readFile(path)], 'data.csv')."
        )
    ending = (filename or "").lower().rpartition(".")
    if ending[1] and ending[2] in _WRONG_ENDINGS:
        raise DataError(
            f"{filename} has the ending .{ending[2]}; expected .csv or .jsonl (.tsv and .parquet are read too)."
        )


_WRONG_ENDINGS = frozenset({"txt", "xlsx", "xls", "ods", "pdf", "doc", "docx", "zip", "gz", "xml", "html", "pkl"})

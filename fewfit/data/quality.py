"""Looks at labelled texts through a model: wrong labels, near copies, labels that cannot be told apart."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fewfit.data.dataset import Dataset
from fewfit.data.keys import text_key
from fewfit.data.neighbours import near_matches, near_pairs
from fewfit.data.report import Finding, Report, counted, listed, quoted, row_list
from fewfit.data.suspects import HeldOutAnswers, Suspect, Suspicion
from fewfit.data.validation import check_leakage, conflicting_rows

_SHOWN_PAIRS = 5
# Two labels are hardly told apart when so many of their examples, and this share, go to the other one.
_CONFUSED_SHARE = 0.25
_CONFUSED_EXAMPLES = 4
# A label is worth more examples when its F1 is below this, and below the mean of all.
_WEAK_F1 = 0.75
_SHOWN_WEAK = 5


@dataclass(frozen=True)
class Quality:
    """What a look at labelled texts found, beside what `validate` finds.

    `report` has every finding, `suspects` each example whose label is likely to be wrong, the most doubtful first.
    `conflicts` are the rows of texts that are (nearly) the same as another one with other labels, `leaks` the rows of
    the training data that are (nearly) the same as a text to evaluate on.
    """

    report: Report = field(default_factory=Report)
    suspects: tuple[Suspect, ...] = ()
    conflicts: tuple[int, ...] = ()
    leaks: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The whole of it as JSON types."""
        return {
            **self.report.to_dict(),
            "suspects": [suspect.to_dict() for suspect in self.suspects],
            "conflicts": list(self.conflicts),
            "leaks": list(self.leaks),
        }


def check_quality(
    dataset: Dataset,
    *,
    answers: HeldOutAnswers | None = None,
    embeddings: np.ndarray | None = None,
    evaluation: Dataset | None = None,
    evaluation_embeddings: np.ndarray | None = None,
) -> Quality:
    """Likely label errors, near copies with different labels, leakage, labels hard to tell apart or too thin.

    `answers` are those of models that have not seen the text, `embeddings` (n_texts, hidden) those of a base that
    knows nothing of the labels. What is not given is not looked at; copies of a text need neither.
    """
    findings: list[Finding] = []
    suspects: list[Suspect] = []
    conflicts = conflicting_rows(dataset)
    leaks: list[int] = []
    if answers is not None:
        suspects = Suspicion(dataset, answers, embeddings).suspects()
        findings += _suspect_findings(dataset, suspects)
        if dataset.kind == "single":
            findings += _confused(dataset, answers)
        findings += _weak(dataset, answers)
    if embeddings is not None:
        found, near = _conflicts(dataset, embeddings)
        findings += found
        conflicts = sorted({*conflicts, *near})
    if evaluation is not None:
        findings += check_leakage(dataset.texts, evaluation).findings
        known = {text_key(example.text) for example in evaluation.examples}
        leaks = [example.row for example in dataset.examples if text_key(example.text) in known]
        if embeddings is not None and evaluation_embeddings is not None:
            found, near = _near_leaks(dataset, evaluation, embeddings, evaluation_embeddings)
            findings += found
            leaks += near
    return Quality(Report(tuple(findings)), tuple(suspects), tuple(conflicts), tuple(sorted(set(leaks))))


def _suspect_findings(dataset: Dataset, suspects: Sequence[Suspect]) -> Iterator[Finding]:
    if not suspects:
        return
    shown = [
        f"row {suspect.row} ({quoted(suspect.text)}) is {_names(suspect.labels)}, rather {_names(suspect.suggested)}"
        for suspect in suspects[:_SHOWN_PAIRS]
    ]
    share = len(suspects) / len(dataset)
    yield Finding(
        "suspect_label",
        "warning",
        f"{counted(len(suspects), 'label')} ({share:.0%}) likely to be wrong, the most doubtful first: "
        f"{listed(shown, len(suspects), shown=_SHOWN_PAIRS)}.",
        rows=tuple(suspect.row for suspect in suspects),
        labels=tuple(sorted({label for suspect in suspects for label in suspect.labels})),
        suggestion="Look at them and correct what is wrong; --fix relabel-suspects or drop-suspects does it unseen.",
        count=len(suspects),
    )


def _confused(dataset: Dataset, answers: HeldOutAnswers) -> Iterator[Finding]:
    truth = np.array([answers.labels.index(example.labels[0]) for example in dataset.examples])
    counts = np.zeros((len(answers.labels), len(answers.labels)), dtype=int)
    np.add.at(counts, (truth, answers.given.argmax(axis=1)), 1)
    totals = counts.sum(axis=1)
    pairs = []
    for first in range(len(answers.labels)):
        for second in range(first + 1, len(answers.labels)):
            there, back = counts[first, second], counts[second, first]
            share = (there + back) / max(1, totals[first] + totals[second])
            both = min(there, back) > 0 and there + back >= _CONFUSED_EXAMPLES
            # Guessing between two labels confuses half of them, so that a base that knows nothing of a task with
            # two labels is no reason to merge these.
            if both and share >= _CONFUSED_SHARE and len(answers.labels) > 2:
                pairs.append((share, there + back, first, second))
    for share, count, first, second in sorted(pairs, reverse=True)[:_SHOWN_PAIRS]:
        names = (answers.labels[first], answers.labels[second])
        rows = tuple(
            example.row
            for example, label, given in zip(dataset.examples, truth, answers.given.argmax(axis=1), strict=True)
            if {label, given} == {first, second}
        )
        yield Finding(
            "confused_labels",
            "advice",
            f"{quoted(names[0])} and {quoted(names[1])} are taken for each other in {share:.0%} of their texts: "
            f"{row_list(rows)}.",
            rows=rows,
            labels=names,
            suggestion="Merge them, or write down what sets them apart and go through these rows.",
            count=int(count),
        )


def _weak(dataset: Dataset, answers: HeldOutAnswers) -> Iterator[Finding]:
    f1, due = _label_f1(dataset, answers)
    present = due > 0
    if present.sum() < 2:
        return
    mean = f1[present].mean()
    weak = [
        int(column) for column in np.argsort(f1, kind="stable") if present[column] and f1[column] < min(_WEAK_F1, mean)
    ]
    if not weak:
        return
    words = [f"{quoted(answers.labels[c])} (F1 {f1[c]:.0%}, {counted(int(due[c]), 'example')})" for c in weak]
    yield Finding(
        "weak_label",
        "advice",
        f"Recognised worst where the text was held out: {listed(words, shown=_SHOWN_WEAK)}.",
        labels=tuple(answers.labels[column] for column in weak),
        suggestion="Add examples of these first, in other words than those that are there.",
    )


def _label_f1(dataset: Dataset, answers: HeldOutAnswers) -> tuple[np.ndarray, np.ndarray]:
    """F1 of each label and how many texts carry it, (n_labels,) each."""
    column = {label: number for number, label in enumerate(answers.labels)}
    truth = np.zeros(answers.given.shape, dtype=bool)
    for number, example in enumerate(dataset.examples):
        truth[number, [column[label] for label in example.labels]] = True
    hits = 2.0 * (truth & answers.given).sum(axis=0)
    total = truth.sum(axis=0) + answers.given.sum(axis=0)
    f1 = np.divide(hits, total, out=np.zeros(len(column)), where=total > 0)
    return np.asarray(f1), np.asarray(truth.sum(axis=0))


def _conflicts(dataset: Dataset, embeddings: np.ndarray) -> tuple[list[Finding], list[int]]:
    """Texts that are (nearly) the same with different labels; copies to the letter are `conflicting_labels`."""
    examples = dataset.examples
    sets: dict[frozenset[str], int] = {}
    kinds = np.array([sets.setdefault(frozenset(example.labels), len(sets)) for example in examples], dtype=int)
    different = near_pairs(embeddings, kinds=kinds)
    rows = sorted({examples[position].row for first, second, _ in different for position in (first, second)})
    near = [pair for pair in different if text_key(examples[pair[0]].text) != text_key(examples[pair[1]].text)]
    if not near:
        return [], rows
    shown = [
        f"row {examples[a].row} ({quoted(examples[a].text)}) is {_names(examples[a].labels)}, row {examples[b].row} "
        f"({quoted(examples[b].text)}) is {_names(examples[b].labels)}"
        for a, b, _ in near[:_SHOWN_PAIRS]
    ]
    finding = Finding(
        "near_conflict",
        "warning",
        f"{counted(len(near), 'pair')} of texts that say nearly the same with different labels: "
        f"{listed(shown, len(near), shown=_SHOWN_PAIRS)}.",
        rows=tuple(sorted({examples[position].row for a, b, _ in near for position in (a, b)})),
        labels=tuple(sorted({label for a, b, _ in near for p in (a, b) for label in examples[p].labels})),
        suggestion="Decide for one of the labels, or leave both texts out (--fix drop-conflicts).",
        count=len(near),
    )
    return [finding], rows


def _near_leaks(
    dataset: Dataset, evaluation: Dataset, embeddings: np.ndarray, evaluation_embeddings: np.ndarray
) -> tuple[list[Finding], list[int]]:
    exact = {text_key(example.text) for example in dataset.examples}
    by_row: dict[int, list[int]] = defaultdict(list)
    rows: set[int] = set()
    for first, second in near_matches(embeddings, evaluation_embeddings):
        rows.add(dataset.examples[first].row)
        if text_key(evaluation.examples[second].text) not in exact:
            by_row[second].append(first)
    if not by_row:
        return [], sorted(rows)
    shown = [
        f"row {evaluation.examples[second].row} ({quoted(evaluation.examples[second].text)}) is close to "
        f"{row_list([dataset.examples[first].row for first in by_row[second]])} of the training data"
        for second in list(by_row)[:_SHOWN_PAIRS]
    ]
    finding = Finding(
        "near_leak",
        "warning",
        f"{counted(len(by_row), 'text')} of the {len(evaluation):,} to evaluate on nearly the same as texts of the "
        f"training data: {listed(shown, len(by_row), shown=_SHOWN_PAIRS)}. The figures come out better than they are.",
        rows=tuple(sorted(evaluation.examples[second].row for second in by_row)),
        suggestion="Remove them from one of the files (--fix drop-leaks takes them out of the training data).",
        count=len(by_row),
    )
    return [finding], sorted(rows)


def _names(labels: Sequence[str]) -> str:
    return " + ".join(quoted(label) for label in labels) or "without a label"

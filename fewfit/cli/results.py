"""Metrics as tables."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from fewfit.data.report import listed, quoted

if TYPE_CHECKING:
    from fewfit.data.suspects import Suspect
    from fewfit.training import Evaluation
    from fewfit.training.mistakes import Mistake

NAMES: dict[str, str] = {
    "accuracy": "accuracy",
    "subset_accuracy": "all labels right",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "loss": "log-loss (lower is better)",
    "brier": "Brier score (lower is better)",
    "calibration_error": "calibration error",
    "empty_share": "without an answer",
}
_SINGLE = ("accuracy", "macro_precision", "macro_recall", "macro_f1", "loss", "brier", "calibration_error")
_NO_SHARE = frozenset(("loss", "brier"))
_SHOWN_MISTAKES = 5
_SHOWN_SUSPECTS = 20
# A confusion matrix wider than this is unreadable; the pairs that are confused most are listed instead.
_MOST_COLUMNS = 10
_SHOWN_PAIRS = 5


def metrics_table(
    title: str,
    kind: str,
    tuned: Mapping[str, float],
    frozen: Mapping[str, float] | None,
    intervals: Mapping[str, Sequence[float]] | None = None,
) -> Table:
    """The figures of a model, with their 95 % intervals, beside those of its base before it was tuned."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("")
    if frozen:
        table.add_column("frozen base", justify="right")
    table.add_column("fine-tuned", justify="right")
    if intervals:
        table.add_column("95 % interval", justify="right")
    if frozen:
        table.add_column("gain", justify="right")
    for name in _SINGLE if kind == "single" else NAMES:
        if name in tuned:
            cells = [_figure(name, tuned[name])]
            if intervals:
                cells.append(_interval(name, intervals.get(name)))
            if frozen:
                cells = [_figure(name, frozen[name]), *cells, _gain(name, tuned[name] - frozen[name])]
            table.add_row(NAMES[name], *cells)
    return table


def evaluation_tables(title: str, kind: str, evaluation: "Evaluation") -> Iterator[Table]:
    """The figures in all, those of each label, what is taken for what, and the surest wrong answers."""
    frozen = None if evaluation.frozen is None else evaluation.frozen.numbers()
    yield metrics_table(title, kind, evaluation.metrics.numbers(), frozen, evaluation.intervals)
    by_label = _table("By label", "label", "precision", "recall", "F1", "texts")
    for label in evaluation.per_label:
        cells = (_figure("", value) for value in (label.precision, label.recall, label.f1))
        by_label.add_row(escape(label.label), *cells, str(label.support))
    yield by_label
    if evaluation.confusion is not None:
        yield _confusion_table(evaluation.confusion, [label.label for label in evaluation.per_label])
    if evaluation.mistakes:
        yield _mistakes_table(evaluation.mistakes[:_SHOWN_MISTAKES])


def suspects_table(suspects: Sequence["Suspect"]) -> Table:
    """The examples whose labels are likely to be wrong, the most doubtful first."""
    title = "Labels that are likely to be wrong"
    if len(suspects) > _SHOWN_SUSPECTS:
        title += f" (the first {_SHOWN_SUSPECTS} of {len(suspects):,}; --json has all)"
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in ("row", "label", "rather", "text", "why"):
        table.add_column(name)
    for suspect in suspects[:_SHOWN_SUSPECTS]:
        labels, suggested = (escape(listed(names) or "none") for names in (suspect.labels, suspect.suggested))
        table.add_row(str(suspect.row), labels, suggested, escape(quoted(suspect.text, 60)), escape(suspect.reason))
    return table


def cross_validation_title(evaluation: Mapping[str, Any]) -> str:
    """How figures without an evaluation file came about, from `Evaluation.to_dict()`."""
    return (
        f"Cross-validation: {evaluation['n_texts']} texts, each answered by a model trained on at most "
        f"{evaluation['n_trained']} others"
    )


def _confusion_table(confusion: Sequence[Sequence[int]], labels: Sequence[str]) -> Table:
    if len(labels) <= _MOST_COLUMNS:
        table = _table("Confusion", "true label, by label given", *map(escape, labels))
        for label, counts in zip(labels, confusion, strict=True):
            table.add_row(escape(label), *(str(count) if count else "·" for count in counts))
        return table
    table = _table("Most often taken for each other", "true label", "label given", "texts")
    pairs = [
        (count, row, column)
        for row, counts in enumerate(confusion)
        for column, count in enumerate(counts)
        if count and row != column
    ]
    for count, row, column in sorted(pairs, key=lambda pair: (-pair[0], pair[1:]))[:_SHOWN_PAIRS]:
        table.add_row(escape(labels[row]), escape(labels[column]), str(count))
    return table


def _mistakes_table(mistakes: Sequence["Mistake"]) -> Table:
    table = _table("Wrong, and most sure of it", "text", "labels", "given", "confidence")
    for mistake in mistakes:
        table.add_row(
            escape(quoted(mistake.text, 80)),
            escape(listed(mistake.labels) or "none"),
            escape(listed(mistake.predictions) or "none"),
            _figure("", mistake.confidence),
        )
    return table


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _figure(name: str, value: float) -> str:
    return f"{value:.3f}" if name in _NO_SHARE else f"{100 * value:.1f} %"


def _gain(name: str, value: float) -> str:
    return f"{value:+.3f}" if name in _NO_SHARE else f"{100 * value:+.1f}"


def _interval(name: str, edges: Sequence[float] | None) -> str:
    if edges is None:
        return ""
    low, high = edges
    return f"{low:.3f} – {high:.3f}" if name in _NO_SHARE else f"{100 * low:.1f} – {100 * high:.1f}"

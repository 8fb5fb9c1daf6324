"""Metrics as tables."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from fewfit.training import Evaluation

NAMES: dict[str, str] = {
    "accuracy": "accuracy",
    "subset_accuracy": "all labels right",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "loss": "log-loss (lower is better)",
    "empty_share": "without an answer",
}
_SINGLE = ("accuracy", "macro_precision", "macro_recall", "macro_f1", "loss")
_NO_SHARE = frozenset(("loss",))


def metrics_table(title: str, kind: str, tuned: Mapping[str, float], frozen: Mapping[str, float] | None) -> Table:
    """The figures of a model beside those of its base before it was tuned."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("")
    if frozen:
        table.add_column("frozen base", justify="right")
    table.add_column("fine-tuned", justify="right")
    if frozen:
        table.add_column("gain", justify="right")
    for name in _SINGLE if kind == "single" else NAMES:
        if name in tuned:
            cells = [_figure(name, tuned[name])]
            if frozen:
                cells = [_figure(name, frozen[name]), *cells, _gain(name, tuned[name] - frozen[name])]
            table.add_row(NAMES[name], *cells)
    return table


def evaluation_tables(title: str, kind: str, evaluation: "Evaluation") -> tuple[Table, Table]:
    """The figures in all, and those of each label."""
    frozen = None if evaluation.frozen is None else evaluation.frozen.numbers()
    by_label = Table(title="By label", title_justify="left", title_style="bold")
    by_label.add_column("label")
    for name in ("precision", "recall", "F1", "texts"):
        by_label.add_column(name, justify="right")
    for label in evaluation.per_label:
        cells = (_figure("", value) for value in (label.precision, label.recall, label.f1))
        by_label.add_row(_plain(label.label), *cells, str(label.support))
    return metrics_table(title, kind, evaluation.metrics.numbers(), frozen), by_label


def out_of_fold(metrics: Mapping[str, Any]) -> tuple[Mapping[str, float], Mapping[str, float] | None] | None:
    """The figures on texts that were held out in turn, as a model keeps them: (tuned, frozen)."""
    figures = metrics.get("out_of_fold") or {}
    tuned = figures.get("tuned")
    return (tuned, figures.get("frozen")) if tuned else None


def _figure(name: str, value: float) -> str:
    return f"{value:.3f}" if name in _NO_SHARE else f"{100 * value:.1f} %"


def _gain(name: str, value: float) -> str:
    return f"{value:+.3f}" if name in _NO_SHARE else f"{100 * value:+.1f}"


def _plain(label: str) -> str:
    from rich.markup import escape

    return escape(label)

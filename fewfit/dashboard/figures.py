"""What a quality report says, in the order and the words of the Model page. Reports of older versions lack parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# The name in the report, the word for people, and whether more is better.
_FIGURES = (
    ("accuracy", "Accuracy", True),
    ("macro_precision", "Macro precision", True),
    ("macro_recall", "Macro recall", True),
    ("macro_f1", "Macro F1", True),
    ("loss", "Loss", False),
)
EVALUATED_ON = {
    "eval": "the evaluation part",
    "held_out": "a part held out of training",
    "cross_validation": "the training texts, each answered by a model that had not seen it",
}
_MOST_IN_TABLE = 12


@dataclass(frozen=True)
class Figure:
    """A number of the report. `gain` is the difference to the untuned base, positive where the model is better."""

    key: str
    name: str
    value: float
    interval: tuple[float, float] | None
    gain: float | None
    is_share: bool


def figures_of(report: Mapping[str, Any]) -> tuple[Figure, ...]:
    """The main numbers of a report, those that it has."""
    metrics, intervals = report.get("metrics") or {}, report.get("intervals") or {}
    gains = report.get("gain") or {}
    found = []
    for key, name, more_is_better in _FIGURES:
        if key not in metrics:
            continue
        interval, gain = intervals.get(key), gains.get(key)
        found.append(
            Figure(
                key=key,
                name=name,
                value=metrics[key],
                interval=None if not interval else (interval[0], interval[1]),
                gain=None if gain is None else (gain if more_is_better else -gain),
                is_share=more_is_better,
            )
        )
    return tuple(found)


@dataclass(frozen=True)
class Confused:
    """A label that was taken for another one: `share` of the texts that carry it."""

    label: str
    given: str
    count: int
    share: float


@dataclass(frozen=True)
class ConfusionRow:
    """Answers to the texts of one label; `heat` (0 to 4) is how large each share is."""

    label: str
    counts: tuple[int, ...]
    heat: tuple[int, ...]
    total: int


@dataclass(frozen=True)
class ConfusionTable:
    """Which labels are taken for which. `rows` is empty where there are too many labels for a table."""

    labels: tuple[str, ...]
    rows: tuple[ConfusionRow, ...]
    worst: tuple[Confused, ...]


def confusion_of(report: Mapping[str, Any]) -> ConfusionTable | None:
    """The confusion matrix of a single-label report."""
    matrix, labels = report.get("confusion"), tuple(report.get("labels") or ())
    if not matrix or not labels:
        return None
    rows = []
    worst = []
    for label, counts in zip(labels, matrix, strict=False):
        total = sum(counts)
        shares = [count / total if total else 0.0 for count in counts]
        heat = tuple(0 if not share else 1 + min(3, int(share * 4)) for share in shares)
        rows.append(ConfusionRow(label, tuple(counts), heat, total))
        worst += [
            Confused(label, other, count, share)
            for other, count, share in zip(labels, counts, shares, strict=False)
            if count and other != label
        ]
    worst.sort(key=lambda one: (-one.count, one.label, one.given))
    return ConfusionTable(labels, tuple(rows) if len(labels) <= _MOST_IN_TABLE else (), tuple(worst[:10]))


@dataclass(frozen=True)
class Slider:
    """The threshold of a label, and what each value of it would bring: (threshold, precision, recall)."""

    number: int
    label: str
    value: float
    precision: float | None
    recall: float | None
    curve: tuple[tuple[float, float, float], ...]


def sliders_of(report: Mapping[str, Any]) -> tuple[Slider, ...]:
    """A slider for each label of a multilabel report."""
    thresholds, labels = report.get("thresholds"), report.get("labels") or ()
    if not thresholds:
        return ()
    curves = report.get("threshold_curves") or {}
    found = []
    for number, (label, value) in enumerate(zip(labels, thresholds, strict=False)):
        curve = tuple(
            (round(point["threshold"], 4), round(point["precision"], 4), round(point["recall"], 4))
            for point in curves.get(label) or ()
        )
        nearest = min(curve, key=lambda point: abs(point[0] - value), default=None)
        found.append(Slider(number, label, round(value, 4), nearest and nearest[1], nearest and nearest[2], curve))
    return tuple(found)


def open_suspects(report: Mapping[str, Any], settled: Sequence[str]) -> list[dict[str, Any]]:
    """Labels that are probably wrong, without the texts that somebody has settled."""
    done = set(settled)
    return [one for one in report.get("suspects") or () if one.get("text") not in done]


def own_mistakes(report: Mapping[str, Any], settled: Sequence[str]) -> list[dict[str, Any]]:
    """The surest wrong answers, without the texts whose labels somebody has corrected."""
    done = set(settled)
    return [one for one in report.get("mistakes") or () if one.get("text") not in done]

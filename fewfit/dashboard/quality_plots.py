"""Plots of how good a model is and of how it is used, as SVG made on the server like those of `plots`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fewfit.dashboard.plots import Tick

_SIDE = 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 12, 44
_WIDTH = 640
_CURVE_WIDTH, _CURVE_HEIGHT = 440, 240
_LARGEST_DOT, _SMALLEST_DOT = 11.0, 3.5


@dataclass(frozen=True)
class Dot:
    """A point of a plot, with what it says."""

    x: float
    y: float
    radius: float
    text: str


@dataclass(frozen=True)
class ReliabilityPlot:
    """How often answers are right, over how sure they are; on the diagonal confidences are honest."""

    dots: tuple[Dot, ...]
    line: str
    diagonal: tuple[float, float, float, float]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    width: int = _LEFT + _SIDE + _RIGHT
    height: int = _TOP + _SIDE + _BOTTOM
    left: int = _LEFT
    right: int = _LEFT + _SIDE
    bottom: int = _TOP + _SIDE


def reliability_plot(bins: Sequence[Mapping[str, Any]]) -> ReliabilityPlot | None:
    """A dot for each tenth of confidence that has answers, larger where there are more; None without any."""
    filled = [one for one in bins if one.get("count") and one.get("right") is not None]
    if not filled:
        return None
    most = max(one["count"] for one in filled)

    def at(x: float, y: float) -> tuple[float, float]:
        return round(_LEFT + _SIDE * x, 1), round(_TOP + _SIDE * (1 - y), 1)

    dots = []
    for one in filled:
        x, y = at(one["confidence"], one["right"])
        radius = _SMALLEST_DOT + (_LARGEST_DOT - _SMALLEST_DOT) * (one["count"] / most) ** 0.5
        words = f"{one['count']:,} answers with {one['confidence']:.0%} confidence: {one['right']:.0%} right"
        dots.append(Dot(x, y, round(radius, 1), words))
    ticks = (0.0, 0.25, 0.5, 0.75, 1.0)
    return ReliabilityPlot(
        dots=tuple(dots),
        line=" ".join(f"{dot.x},{dot.y}" for dot in dots),
        diagonal=(*at(0, 0), *at(1, 1)),
        x_ticks=tuple(Tick(at(value, 0)[0], f"{value:.0%}") for value in ticks),
        y_ticks=tuple(Tick(at(0, value)[1], f"{value:.0%}") for value in ticks),
    )


@dataclass(frozen=True)
class BandPlot:
    """A figure over the number of examples, with its interval as a band; the last part is a forecast."""

    line: str
    band: str
    ahead: str
    dots: tuple[Dot, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    width: int = _CURVE_WIDTH
    height: int = _CURVE_HEIGHT
    left: int = _LEFT
    right: int = _CURVE_WIDTH - _RIGHT
    bottom: int = _CURVE_HEIGHT - _BOTTOM


def learning_plot(curve: Mapping[str, Any]) -> BandPlot | None:
    """Macro F1 over the number of training examples, and what more of them would bring."""
    points = [one for one in curve.get("points") or [] if one.get("macro_f1") is not None]
    if len(points) < 2:
        return None
    following = curve.get("next")
    every = [*points, following] if following else points
    first, last = every[0]["n_texts"], max(every[-1]["n_texts"], every[0]["n_texts"] + 1)
    across, up = _CURVE_WIDTH - _LEFT - _RIGHT, _CURVE_HEIGHT - _TOP - _BOTTOM

    def at(x: float, y: float) -> tuple[float, float]:
        return round(_LEFT + across * (x - first) / (last - first), 1), round(_TOP + up * (1 - y), 1)

    def joined(pairs: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{x},{y}" for x, y in pairs)

    highs = [at(one["n_texts"], one.get("high", one["macro_f1"])) for one in every]
    lows = [at(one["n_texts"], one.get("low", one["macro_f1"])) for one in every]
    middle = [at(one["n_texts"], one["macro_f1"]) for one in every]
    dots = tuple(
        Dot(*place, 4, f"{one['n_texts']:,} examples: macro F1 {one['macro_f1']:.1%}")
        for place, one in zip(middle, every, strict=True)
    )
    counts = dict.fromkeys(one["n_texts"] for one in (every if len(every) < 7 else (every[0], every[-1])))
    return BandPlot(
        line=joined(middle[: len(points)]),
        band=joined([*highs, *reversed(lows)]),
        ahead=joined(middle[len(points) - 1 :]) if following else "",
        dots=dots,
        x_ticks=tuple(Tick(at(count, 0)[0], f"{count:,}") for count in counts),
        y_ticks=tuple(Tick(at(first, value)[1], f"{value:.0%}") for value in (0.0, 0.5, 1.0)),
    )


@dataclass(frozen=True)
class Column:
    """A column over a stretch of time."""

    x: float
    y: float
    width: float
    height: float
    text: str


@dataclass(frozen=True)
class ColumnPlot:
    """Columns over time, from zero."""

    columns: tuple[Column, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    width: int = _WIDTH
    height: int = 160
    left: int = _LEFT
    right: int = _WIDTH - _RIGHT
    bottom: int = 160 - 28


def column_plot(values: Sequence[tuple[str, float | None]], unit: str) -> ColumnPlot | None:
    """A column for each stretch of time by its name; None where every value is missing or zero."""
    if not any(value for _, value in values):
        return None
    top = max(value or 0 for _, value in values)
    bottom, height = 160 - 28, 160 - 28 - _TOP
    step = (_WIDTH - _LEFT - _RIGHT) / len(values)
    columns = []
    for place, (name, value) in enumerate(values):
        if value:
            tall = height * value / top
            shown = f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2f}"
            columns.append(
                Column(
                    round(_LEFT + place * step + step * 0.1, 1),
                    round(bottom - tall, 1),
                    round(step * 0.8, 2),
                    round(tall, 1),
                    f"{name}: {shown} {unit}",
                )
            )
    marked = dict.fromkeys((0, len(values) // 2, len(values) - 1))
    x_ticks = tuple(Tick(round(_LEFT + (place + 0.5) * step, 1), values[place][0]) for place in marked)
    y_ticks = tuple(Tick(round(_TOP + height * (1 - part), 1), _short_number(top * part)) for part in (0.0, 0.5, 1.0))
    return ColumnPlot(tuple(columns), x_ticks, y_ticks)


def _short_number(value: float) -> str:
    if value >= 10_000:
        return f"{value / 1000:,.0f}k"
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"

"""Plots as SVG made on the server: no library to load, they print, and they work without scripts.

Labels stand beside their bars and lines, so nothing is told by colour alone. The page puts a table with the same
numbers under each plot.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_WIDTH = 640
_CURVE_HEIGHT = 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 10, 26


def label_colours(names: Iterable[str]) -> dict[str, int]:
    """A label's colour is its place in the alphabet, the same on every page."""
    return {name: place % 8 for place, name in enumerate(sorted(names))}


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    position: float
    text: str


@dataclass(frozen=True)
class CurvePlot:
    """A line over steps."""

    line: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    width: int = _WIDTH
    height: int = _CURVE_HEIGHT
    left: int = _LEFT
    bottom: int = _CURVE_HEIGHT - _BOTTOM
    right: int = _WIDTH - _RIGHT


def curve_plot(points: Sequence[tuple[float, float]]) -> CurvePlot | None:
    """A line through points, its y axis from zero; None where there are fewer than two."""
    if len(points) < 2:
        return None
    first, last = points[0][0], max(points[-1][0], points[0][0] + 1)
    top = max(max(y for _, y in points), 1e-9) * 1.05
    across, up = _WIDTH - _LEFT - _RIGHT, _CURVE_HEIGHT - _TOP - _BOTTOM

    def at(x: float, y: float) -> tuple[float, float]:
        return round(_LEFT + across * (x - first) / (last - first), 1), round(_TOP + up * (1 - max(y, 0) / top), 1)

    line = " ".join(f"{x},{y}" for x, y in (at(*point) for point in points))
    x_ticks = tuple(
        Tick(at(value, 0)[0], f"{value:,.0f}") for value in dict.fromkeys((first, round((first + last) / 2), last))
    )
    y_ticks = tuple(Tick(at(first, top * part)[1], f"{top * part:.2f}") for part in (0, 0.5, 1))
    return CurvePlot(line, x_ticks, y_ticks)

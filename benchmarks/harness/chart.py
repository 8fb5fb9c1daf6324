"""A grid of numbers as an SVG picture, made without any library."""

import math
from collections.abc import Mapping, Sequence
from html import escape

_CELL_W, _CELL_H, _LEFT, _TOP = 130, 64, 120, 96


def grid_svg(
    title: str,
    note: str,
    across: tuple[str, Sequence[int]],
    down: tuple[str, Sequence[int]],
    values: Mapping[tuple[int, int], float],
) -> str:
    """Multiples by column and row, darker where they are larger (on a logarithmic scale); missing ones are dashes.

    `across` and `down` are an axis' name and its values; `values` are keyed by (column, row).
    """
    width = _LEFT + _CELL_W * len(across[1]) + 24
    height = _TOP + _CELL_H * len(down[1]) + 56
    largest = max([2.0, *values.values()])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"',
        'role="img" font-family="system-ui, sans-serif" font-size="14">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(16, 28, title, size=16, weight="bold"),
        _text(_LEFT + _CELL_W * len(across[1]) / 2, 62, across[0], anchor="middle", fill="#555555"),
        _text(16, _TOP + _CELL_H * len(down[1]) / 2, down[0], fill="#555555"),
        _text(16, height - 16, note, size=12, fill="#555555"),
    ]
    parts += [
        _text(_LEFT + _CELL_W * (place + 0.5), _TOP - 12, f"{name:,}", anchor="middle")
        for place, name in enumerate(across[1])
    ]
    for row, down_value in enumerate(down[1]):
        y = _TOP + _CELL_H * row
        parts.append(_text(_LEFT - 12, y + _CELL_H / 2 + 5, f"{down_value:,}", anchor="end"))
        for column, across_value in enumerate(across[1]):
            value = values.get((across_value, down_value))
            parts += _cell(_LEFT + _CELL_W * column, y, value, largest)
    return "\n".join([*parts, "</svg>", ""])


def _cell(x: float, y: float, value: float | None, largest: float) -> list[str]:
    depth = 0.0 if value is None or value <= 1 else math.log(value) / math.log(largest)
    fill = "#" + "".join(
        f"{round(light + depth * (dark - light)):02x}" for light, dark in ((239, 8), (243, 69), (255, 148))
    )
    ink = "#ffffff" if depth > 0.5 else "#111111"
    shown = "–" if value is None else f"{value:.1f} ×" if value < 10 else f"{value:.0f} ×"
    return [
        f'<rect x="{x + 2}" y="{y + 2}" width="{_CELL_W - 4}" height="{_CELL_H - 4}" rx="6" fill="{fill}"/>',
        _text(x + _CELL_W / 2, y + _CELL_H / 2 + 6, shown, anchor="middle", size=18, fill=ink),
    ]


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    size: int = 14,
    weight: str = "normal",
    fill: str = "#111111",
) -> str:
    style = f'text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" fill="{fill}"'
    return f'<text x="{x:g}" y="{y:g}" {style}>{escape(text)}</text>'

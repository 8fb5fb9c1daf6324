"""Small pieces of Markdown tables."""

from collections.abc import Sequence
from statistics import mean, stdev


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, n_text_columns: int = 1) -> list[str]:
    """The lines of a Markdown table; all columns but the first ones are aligned to the right."""
    rule = ["---" if number < n_text_columns else "---:" for number in range(len(head))]
    return [_line(head), _line(rule), *map(_line, rows), ""]


def spread(
    values: Sequence[float], *, scale: float = 100, digits: int = 1, n: int | None = None, sign: bool = False
) -> str:
    """Mean ± standard deviation, a dash for no values; with their number where that is not the usual `n`."""
    if not values:
        return "–"
    scaled = [scale * value for value in values]
    text = f"{mean(scaled):{'+' if sign else ''}.{digits}f}"
    if len(scaled) > 1:
        text += f" ± {stdev(scaled):.{digits}f}"
    return text if n is None or len(scaled) == n else f"{text} ({len(scaled)})"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

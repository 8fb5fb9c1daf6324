"""Jinja templates with everything escaped, and how values are written for people."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import jinja2

from fewfit.dashboard.plots import curve_plot, label_colours
from fewfit.dashboard.quality_plots import column_plot, learning_plot, reliability_plot
from fewfit.dashboard.static_files import static_url
from fewfit.service.store.tables import utc_now
from fewfit.version import __version__


class Templates:
    """The templates of the package. Whatever is put into one is text, never markup."""

    def __init__(self) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.PackageLoader("fewfit.dashboard"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            finalize=_printable,
        )
        self._environment.filters.update(
            number=number,
            percent=percent,
            points=points,
            ago=ago,
            exact=exact,
            duration=duration,
            size=size,
            moment=moment,
            plural=plural,
        )
        self._environment.globals.update(
            link=link, static=static_url, fewfit_version=__version__, label_colours=label_colours, curve_plot=curve_plot
        )
        self._environment.globals.update(
            reliability_plot=reliability_plot, learning_plot=learning_plot, column_plot=column_plot
        )

    def render(self, name: str, values: Mapping[str, Any]) -> str:
        """A page."""
        return self._environment.get_template(name).render(values)


def link(path: str, **values: object) -> str:
    """A path with a query; values that are empty are left out."""
    given = {name: value for name, value in values.items() if value not in (None, "", False)}
    return f"{path}?{urlencode(given)}" if given else path


def number(value: float | None) -> str:
    """1204 as "1,204"; nothing where there is no number."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def percent(share: float | None, digits: int = 1) -> str:
    """0.842 as "84.2 %", with a space that does not break."""
    return "–" if share is None else f"{100 * share:.{digits}f}\u00a0%"


def points(difference: float) -> str:
    """A gain in percentage points: 0.213 as "+21.3"."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def ago(then: datetime, now: datetime | None = None) -> str:
    """How long ago, in the largest unit that fits."""
    seconds = ((now or utc_now()) - then).total_seconds()
    if seconds < 45:
        return "just now"
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = round(seconds / length)
        if count >= 1 and seconds >= length * 0.75:
            return f"{count:,} {unit}{'' if count == 1 else 's'} ago"
    return "1 minute ago"


def exact(then: datetime) -> str:
    """A moment to the second, in UTC."""
    return then.strftime("%Y-%m-%d %H:%M:%S UTC")


def moment(then: datetime) -> str:
    """A moment for machines."""
    return then.isoformat()


def duration(seconds: float | None) -> str:
    """38.2 as "38 s", 95 as "1 min 35 s"."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}\u00a0s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}\u00a0min {rest}\u00a0s" if rest else f"{minutes}\u00a0min"
    return f"{minutes // 60}\u00a0h {minutes % 60}\u00a0min"


def size(count: int) -> str:
    """4120 as "4.0 KiB"."""
    value = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if value < 1024:
            return f"{count:,}\u00a0bytes" if unit == "bytes" else f"{value:.1f}\u00a0{unit}"
        value /= 1024
    return f"{value:.1f}\u00a0GiB"


def plural(count: int, noun: str, many: str | None = None) -> str:
    """A number with its noun: "1 row", "3 rows"."""
    return f"{count:,}\u00a0{noun if count == 1 else many or noun + 's'}"


def _printable(value: Any) -> Any:
    """NUL is shown as its picture: browsers drop or replace it, and then a label looks like another one."""
    return value.replace("\0", "␀") if isinstance(value, str) and "\0" in value else value

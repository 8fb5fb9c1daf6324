"""Usage: requests, texts a second, latency and batch sizes over time."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fewfit.dashboard.context import CurrentContext
from fewfit.dashboard.pages import show
from fewfit.dashboard.visitors import CurrentVisitor
from fewfit.service.in_use.usage import SIZES, percentile_ms
from fewfit.service.records_in_use import UsageHour
from fewfit.service.store.tables import utc_now
from fewfit.web.errors import RequestError

router = APIRouter()

# How far back, and how many hours a column stands for.
_SPANS = {1: 1, 7: 6, 30: 24, 90: 72}
_MODELS_NAMED = 1000


@dataclass(frozen=True)
class Stretch:
    """Usage of some hours, or of one model. `texts_per_s` is the mean over the stretch."""

    name: str
    requests: int
    texts: int
    failures: int
    texts_per_s: float
    median_ms: float | None
    p95_ms: float | None
    slowest_ms: float


@router.get("/usage")
def usage_page(
    request: Request, context: CurrentContext, visitor: CurrentVisitor, days: int = 1, model: str = ""
) -> Response:
    """Usage of all models, or of one, over some days."""
    if days not in _SPANS:
        raise RequestError(f"days is {days}; expected one of {', '.join(map(str, _SPANS))}.")
    caller, service = visitor.caller, context.service
    now = utc_now()
    since = (now - timedelta(days=days)).replace(minute=0, second=0, microsecond=0)
    hours = service.usage.hours(caller, model_id=model or None, since=since)
    models = {one.id: one.name for one in service.models.list(caller, page_size=_MODELS_NAMED)}
    chosen = models.get(model.removesuffix("-ft"), "")
    by_model: dict[str, list[UsageHour]] = defaultdict(list)
    for hour in hours:
        by_model[hour.model_id].append(hour)
    view = {
        "days": days,
        "spans": list(_SPANS),
        "model_id": model,
        "model_name": chosen,
        "total": _stretch("All", hours, days * 24),
        "over_time": over_time(hours, since, now, _SPANS[days]),
        "per_model": sorted(
            ((key, _stretch(models.get(key, ""), own, days * 24)) for key, own in by_model.items()),
            key=lambda pair: -pair[1].requests,
        ),
        "sizes": _sizes(hours),
    }
    return show(request, "usage.html", view)


def over_time(hours: Sequence[UsageHour], since: datetime, now: datetime, step_h: int) -> list[Stretch]:
    """Usage in stretches of `step_h` hours, those without any too, oldest first."""
    groups: dict[int, list[UsageHour]] = defaultdict(list)
    for hour in hours:
        groups[int((hour.hour - since).total_seconds() // 3600) // step_h].append(hour)
    count = int((now - since).total_seconds() // 3600) // step_h + 1
    named = "%H:%M" if step_h == 1 else "%b %d %H:%M" if step_h < 24 else "%b %d"
    return [
        _stretch((since + timedelta(hours=place * step_h)).strftime(named), groups[place], step_h)
        for place in range(count)
    ]


def _stretch(name: str, hours: Iterable[UsageHour], n_hours: int) -> Stretch:
    own = list(hours)
    slowest = max((hour.slowest_ms for hour in own), default=0.0)
    latency = [sum(counts) for counts in zip(*(hour.latency for hour in own), strict=True)]
    texts = sum(hour.texts for hour in own)
    return Stretch(
        name=name,
        requests=sum(hour.requests for hour in own),
        texts=texts,
        failures=sum(hour.failures for hour in own),
        texts_per_s=texts / (n_hours * 3600),
        median_ms=_at_most(slowest, percentile_ms(latency, 0.5)),
        p95_ms=_at_most(slowest, percentile_ms(latency, 0.95)),
        slowest_ms=slowest,
    )


def _at_most(slowest: float, percentile: float | None) -> float | None:
    """A percentile, which is only known by its bucket, not above the slowest request."""
    return None if percentile is None else min(percentile, slowest)


def _sizes(hours: Sequence[UsageHour]) -> list[tuple[str, int]]:
    """How many requests had how many texts."""
    counts = [sum(group) for group in zip(*(hour.sizes for hour in hours), strict=True)] or [0] * (len(SIZES) + 1)
    names = [
        str(high) if high == low else f"{low} to {high}"
        for low, high in zip((1, *(edge + 1 for edge in SIZES[:-1])), SIZES, strict=True)
    ]
    return list(zip([*names, f"over {SIZES[-1]}"], counts, strict=True))

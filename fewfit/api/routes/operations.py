"""For whoever runs the server: is it alive, can it work, what has it done."""

from collections.abc import Iterable
from contextlib import suppress

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import GaugeMetricFamily

from fewfit.api.context import CurrentContext
from fewfit.service.errors import DatabaseError
from fewfit.service.records import Counts

router = APIRouter(tags=["operations"])


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz")
async def health() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses={503: {"description": "Something that the server needs does not work."}})
def ready(context: CurrentContext) -> JSONResponse:
    """Database, files, worker and classification work; 503 and what does not, otherwise."""
    found = context.service.health()
    checks = {name: problem or "ok" for name, problem in found.checks.items()}
    return JSONResponse(
        {"status": "ok" if found.ready else "unavailable", "checks": checks}, 200 if found.ready else 503
    )


@router.get("/metrics", response_class=Response)
def metrics(context: CurrentContext) -> Response:
    """Figures for Prometheus."""
    text = generate_latest(context.metrics.registry)
    # Where the database is away, that is in the log, and what this server has counted says what it does to requests.
    with suppress(DatabaseError):
        text += generate_latest(_ServiceFigures(context.service.counts()))
    return Response(text, media_type=CONTENT_TYPE_LATEST)


class _ServiceFigures:
    """The service's figures in the form that prometheus-client writes."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterable[GaugeMetricFamily]:
        jobs = GaugeMetricFamily("fewfit_jobs", "Jobs by kind and state.", labels=["kind", "state"])
        for (kind, state), count in sorted(self._counts.jobs.items()):
            jobs.add_metric([kind, state], count)
        yield jobs
        yield GaugeMetricFamily("fewfit_models_in_memory", "Models in memory.", value=self._counts.loaded_models)
        yield GaugeMetricFamily("fewfit_workers", "Workers alive.", value=self._counts.workers)
        for name, value in self._counts.details.items():
            if isinstance(value, int | float):
                yield GaugeMetricFamily(f"fewfit_{name}", name.replace("_", " "), value=value)

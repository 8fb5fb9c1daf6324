"""Usage: what was asked of each model in each hour, counted in memory and written now and then."""

import logging
import threading
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from fewfit.errors import InputError
from fewfit.service.errors import DatabaseError
from fewfit.service.models.model_rows import find_model
from fewfit.service.records import Caller
from fewfit.service.records_in_use import UsageHour
from fewfit.service.store.database import Database
from fewfit.service.store.tables import UsageRow, utc_now

logger = logging.getLogger(__name__)

# Upper edges of the buckets, the last one open: requests by how long they took and by how many texts they had.
LATENCY_MS: Final = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 96)

_WRITTEN_EVERY_S = 10.0
# So many models in use within ten seconds; beyond that the counts are written at once.
_MOST_WAITING = 5000
_KEPT = timedelta(days=90)
_LONGEST = timedelta(days=90)

_Key = tuple[str, str, datetime]


@dataclass
class _Counted:
    requests: int = 0
    texts: int = 0
    failures: int = 0
    total_ms: float = 0.0
    slowest_ms: float = 0.0
    latency: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_MS) + 1))
    sizes: list[int] = field(default_factory=lambda: [0] * (len(SIZES) + 1))

    def count(self, n_texts: int, took_ms: float, failed: bool) -> None:
        self.requests += 1
        self.failures += failed
        self.texts += n_texts
        self.total_ms += took_ms
        self.slowest_ms = max(self.slowest_ms, took_ms)
        self.latency[bisect_left(LATENCY_MS, took_ms)] += 1
        self.sizes[bisect_left(SIZES, n_texts)] += 1


class Usage:
    """Counts requests: `note` costs microseconds, a thread writes the sums every ten seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[_Key, _Counted] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._writer: threading.Thread | None = None

    def note(self, organization_id: str, model_id: str, n_texts: int, took_s: float, *, failed: bool = False) -> None:
        """Counts a request; `model_id` is empty where it was answered by examples."""
        hour = _hour_of(int(time.time() // 3600))
        with self._lock:
            counted = self._waiting.setdefault((organization_id, model_id, hour), _Counted())
            counted.count(n_texts, took_s * 1000, failed)
            full = len(self._waiting) >= _MOST_WAITING
            if self._writer is None and not self._closed.is_set():
                self._writer = threading.Thread(target=self._write_regularly, name="usage", daemon=True)
                self._writer.start()
        if full:
            self.write()

    def write(self) -> None:
        """Writes what was counted since the last time."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        try:
            with self._database.writing() as session:
                for key, counted in sorted(waiting.items()):
                    _add(session, key, counted)
        except DatabaseError:
            logger.warning("Usage could not be written and is kept for the next time")
            self._put_back(waiting)

    def hours(
        self, caller: Caller, *, model_id: str | None = None, since: datetime | None = None
    ) -> tuple[UsageHour, ...]:
        """Usage by hour (scope read), oldest first: of one model, or of each; the last day unless told otherwise.

        Raises NotFoundError for a model that is not there, InputError for more than 90 days.
        """
        caller.require("read")
        now = utc_now()
        since = since or now - timedelta(days=1)
        if since < now - _LONGEST - timedelta(hours=1):
            raise InputError(f"Usage is kept for {_LONGEST.days} days; asked for since {since.isoformat()}.")
        statement = select(UsageRow).where(
            UsageRow.organization_id == caller.organization_id, UsageRow.hour > since - timedelta(hours=1)
        )
        with self._database.reading() as session:
            if model_id is not None:
                row = find_model(session, caller.organization_id, model_id)
                statement = statement.where(UsageRow.model_id == row.id)
            rows = list(session.scalars(statement.order_by(UsageRow.hour, UsageRow.model_id)))
        return tuple(_record(row) for row in rows)

    def delete_expired(self, now: datetime) -> int:
        """Deletes what is older than 90 days; returns how many rows."""
        with self._database.writing() as session:
            result = session.execute(delete(UsageRow).where(UsageRow.hour < now - _KEPT))
            return int(result.rowcount)  # type: ignore[attr-defined]

    def close(self) -> None:
        """Writes the rest."""
        self._closed.set()
        if self._writer is not None:
            self._writer.join()
        self.write()

    def _write_regularly(self) -> None:
        while not self._closed.wait(_WRITTEN_EVERY_S):
            try:
                self.write()
            except Exception:
                # The thread must live on: counting goes on as well.
                logger.exception("Usage of some seconds was lost")

    def _put_back(self, waiting: dict[_Key, _Counted]) -> None:
        with self._lock:
            if len(self._waiting) + len(waiting) > 2 * _MOST_WAITING:
                logger.warning("Usage of %d models and hours is dropped: the database has not answered", len(waiting))
                return
            for key, counted in waiting.items():
                newer = self._waiting.get(key)
                self._waiting[key] = counted if newer is None else _sum(newer, counted)


@lru_cache(maxsize=4)
def _hour_of(hours: int) -> datetime:
    """The beginning of an hour, counted from 1970."""
    return datetime.fromtimestamp(hours * 3600, UTC)


class Stopwatch:
    """Measures a request and counts it when it is over, well or not."""

    def __init__(self, usage: Usage, organization_id: str, model_id: str, n_texts: int) -> None:
        self._usage = usage
        self._given = (organization_id, model_id, n_texts)

    def __enter__(self) -> None:
        self._start_s = time.perf_counter()

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._usage.note(*self._given, time.perf_counter() - self._start_s, failed=kind is not None)


def percentile_ms(latency: Sequence[int], share: float) -> float | None:
    """About how long requests took at most, for a share of them (0.5: the median); None where there were none.

    Evenly spread within each bucket; what is beyond the last edge counts as that edge.
    """
    total = sum(latency)
    if not total:
        return None
    wanted, seen, low = share * total, 0.0, 0.0
    for count, high in zip(latency, (*LATENCY_MS, LATENCY_MS[-1]), strict=True):
        if count and seen + count >= wanted:
            return low + (high - low) * (wanted - seen) / count
        seen, low = seen + count, float(high)
    return float(LATENCY_MS[-1])


def _add(session: Session, key: _Key, counted: _Counted) -> None:
    """Adds to the row of an hour, which is made first where it is missing; the row is locked meanwhile."""
    organization_id, model_id, hour = key
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    nothing = _Counted()
    session.execute(
        insert(UsageRow)
        .values(organization_id=organization_id, model_id=model_id, hour=hour, **vars(nothing))
        .on_conflict_do_nothing(index_elements=["organization_id", "model_id", "hour"])
    )
    row = session.scalars(
        select(UsageRow)
        .where(UsageRow.organization_id == organization_id, UsageRow.model_id == model_id, UsageRow.hour == hour)
        .with_for_update()
    ).one()
    before = _Counted(**{name: getattr(row, name) for name in vars(nothing)})
    for name, value in vars(_sum(before, counted)).items():
        setattr(row, name, value)


def _sum(one: _Counted, other: _Counted) -> _Counted:
    return _Counted(
        requests=one.requests + other.requests,
        texts=one.texts + other.texts,
        failures=one.failures + other.failures,
        total_ms=one.total_ms + other.total_ms,
        slowest_ms=max(one.slowest_ms, other.slowest_ms),
        latency=[a + b for a, b in zip(one.latency, other.latency, strict=True)],
        sizes=[a + b for a, b in zip(one.sizes, other.sizes, strict=True)],
    )


def _record(row: UsageRow) -> UsageHour:
    return UsageHour(
        hour=row.hour,
        model_id=row.model_id,
        requests=row.requests,
        texts=row.texts,
        failures=row.failures,
        total_ms=row.total_ms,
        slowest_ms=row.slowest_ms,
        latency=tuple(row.latency),
        sizes=tuple(row.sizes),
    )

"""The job that deletes what nobody needs any more."""

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from sqlalchemy import delete
from sqlalchemy.orm import Session

from fewfit.service.datasets.datasets import Datasets
from fewfit.service.in_use.registry import clear_cache
from fewfit.service.store.database import Database
from fewfit.service.store.failpoints import fail_point
from fewfit.service.store.files import FileStore
from fewfit.service.store.queue import Lease
from fewfit.service.store.references import collect_garbage
from fewfit.service.store.tables import JobRow, utc_now

# Finished clean-ups stay this long, to tell when the last one was.
_KEPT = timedelta(days=1)


class Expiring(Protocol):
    """Things that are kept for a time only."""

    def delete_expired(self, now: datetime) -> int:
        """Deletes those whose time is over; returns how many."""
        ...


class CleanUpJob:
    """Deletes files without an owner, what is beyond its retention, and finished clean-up jobs."""

    def __init__(
        self,
        database: Database,
        files: FileStore,
        datasets: Datasets,
        cache: Path,
        expiring: Sequence[Expiring] = (),
    ) -> None:
        self._database = database
        self._files = files
        self._cache = cache
        self._expiring = (datasets, *expiring)

    def run(self, lease: Lease, cancel: threading.Event) -> None:
        """Cleans up."""
        del cancel  # stopping half-way loses nothing: the next run goes on
        self.clean_up()
        fail_point("clean_up.removed")
        with lease.writing() as session:
            lease.finish(session)
            old = JobRow.created_at < utc_now() - _KEPT
            session.execute(delete(JobRow).where(JobRow.kind == "clean_up", JobRow.state == "succeeded", old))

    def clean_up(self) -> None:
        """What `run` does, without a job."""
        for things in self._expiring:
            things.delete_expired(utc_now())
        collect_garbage(self._database, self._files)
        clear_cache(self._database, self._cache)

    def give_up(self, session: Session, lease: Lease, reason: str) -> None:
        """Nobody waits for a clean-up: the next one does its work."""

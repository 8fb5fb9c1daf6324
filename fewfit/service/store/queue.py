"""The queue: one table of jobs, leased to workers.

A worker leases a job for some seconds and renews the lease while it works. Each lease has a number, the
fence, larger than the one before: every write of a worker first checks that its fence is still the newest,
in the same transaction. So a worker that was taken for dead changes nothing once another one has taken over.

Who needs the row of a dataset or model and those of its jobs locks them in this order. A worker that locked its
job first would wait for a person who is deleting the model, who waits for the job.
"""

import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session

from fewfit.service.errors import BusyError, LostLeaseError
from fewfit.service.records import Caller, Job, JobKind, JobState
from fewfit.service.store.database import Database
from fewfit.service.store.failpoints import fail_point
from fewfit.service.store.references import Owner, release
from fewfit.service.store.tables import DatasetRow, JobRow, ModelRow, utc_now

logger = logging.getLogger(__name__)

# What each kind of job writes to. A clean-up has all organisations' files as its subject, and locks by itself.
_SUBJECTS: Final[Mapping[JobKind, type[DatasetRow] | type[ModelRow]]] = {
    "validate": DatasetRow,
    "train": ModelRow,
    "distil": ModelRow,
    "export": ModelRow,
}
# The first retry waits this long, each further one twice as long.
_RETRY_AFTER = timedelta(seconds=1)


class Jobs:
    """The queue of all organisations."""

    def __init__(self, database: Database, *, lease_s: float, max_attempts: int, max_queued: int) -> None:
        self._database = database
        self._lease = timedelta(seconds=lease_s)
        self._max_attempts = max_attempts
        self._max_queued = max_queued

    def enqueue(
        self,
        session: Session,
        kind: JobKind,
        organization_id: str,
        subject_id: str,
        payload: Mapping[str, Any] | None = None,
    ) -> str:
        """Adds a job in the caller's transaction and returns its id. Raises BusyError where too many wait."""
        waiting = session.scalar(
            select(func.count())
            .select_from(JobRow)
            .where(JobRow.organization_id == organization_id, JobRow.state == "queued", JobRow.kind != "clean_up")
        )
        if kind != "clean_up" and (waiting or 0) >= self._max_queued:
            raise BusyError(
                f"{waiting} jobs of your organisation are waiting, the most that may. Try again when some are done.",
                retry_after_s=10,
            )
        now = utc_now()
        row = JobRow(
            id=str(uuid.uuid4()),
            kind=kind,
            state="queued",
            organization_id=organization_id,
            subject_id=subject_id,
            payload=dict(payload or {}),
            attempts=0,
            max_attempts=self._max_attempts,
            fence=0,
            worker_id=None,
            lease_until=None,
            run_after=now,
            error=None,
            created_at=now,
            started_at=None,
            finished_at=None,
        )
        session.add(row)
        session.flush()
        return row.id

    def cancel(self, session: Session, subject_id: str, *, version: int | None = None) -> None:
        """Cancels what is queued or running for a subject, or one version of it; a worker notices at its next write."""
        rows = session.scalars(
            select(JobRow).where(JobRow.subject_id == subject_id, JobRow.state.in_(("queued", "running")))
        )
        for row in rows:
            if version is not None and row.payload.get("version") != version:
                continue
            row.state, row.finished_at, row.lease_until = "cancelled", utc_now(), None
            release(session, Owner("job", row.id, row.organization_id))

    def claim(self, worker_id: str, kinds: Sequence[JobKind]) -> "Lease | None":
        """Leases the job that has waited longest, new or left behind by a dead worker; None where there is none.

        A job that has used up its attempts is leased once more, as `exhausted`, to be brought to its end.
        """
        now = utc_now()
        due = or_(
            and_(JobRow.state == "queued", JobRow.run_after <= now),
            and_(JobRow.state == "running", JobRow.lease_until < now),
        )
        with self._database.writing() as session:
            row = session.scalar(
                select(JobRow)
                .where(JobRow.kind.in_(kinds), due)
                .order_by(JobRow.created_at, JobRow.id)
                .limit(1)
                .with_for_update(skip_locked=True)  # on SQLite the whole transaction is the lock
            )
            if row is None:
                return None
            row.state = "running"
            row.attempts += 1
            row.fence += 1
            row.worker_id = worker_id
            row.lease_until = now + self._lease
            row.started_at = row.started_at or now
            lease = Lease(
                self._database,
                self._lease,
                job_id=row.id,
                kind=cast(JobKind, row.kind),
                organization_id=row.organization_id,
                subject_id=row.subject_id,
                payload=row.payload,
                fence=row.fence,
                attempts=row.attempts,
                max_attempts=row.max_attempts,
                last_error=row.error,
                started_at=row.started_at,
            )
        fail_point("job.claimed")
        return lease

    def list(self, caller: Caller, *, kind: JobKind | None = None, limit: int = 100) -> tuple[Job, ...]:
        """The organisation's jobs (scope read), newest first."""
        caller.require("read")
        statement = select(JobRow).where(JobRow.organization_id == caller.organization_id)
        if kind is not None:
            statement = statement.where(JobRow.kind == kind)
        with self._database.reading() as session:
            rows = session.scalars(statement.order_by(JobRow.created_at.desc(), JobRow.id).limit(max(0, limit)))
            return tuple(_record(row) for row in rows)

    def counts(self) -> dict[tuple[str, str], int]:
        """How many jobs there are, by kind and state."""
        statement = select(JobRow.kind, JobRow.state, func.count()).group_by(JobRow.kind, JobRow.state)
        with self._database.reading() as session:
            return {(kind, state): int(count) for kind, state, count in session.execute(statement)}


@dataclass(frozen=True)
class Lease:
    """A job in the hands of one worker."""

    _database: Database
    _duration: timedelta
    job_id: str
    kind: JobKind
    organization_id: str
    subject_id: str
    payload: Mapping[str, Any]
    fence: int
    attempts: int
    max_attempts: int
    last_error: str | None
    started_at: datetime

    @property
    def exhausted(self) -> bool:
        """Whether the job was tried often enough before."""
        return self.attempts > self.max_attempts

    @property
    def owner(self) -> Owner:
        """The job as an owner of files."""
        return Owner("job", self.job_id, self.organization_id)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction on the job and its subject, while the lease holds. Raises LostLeaseError otherwise."""
        with self._database.writing() as session:
            table = _SUBJECTS.get(self.kind)
            if table is not None:
                session.execute(select(table.id).where(table.id == self.subject_id).with_for_update())
            self._locked(session)
            yield session

    def renew(self) -> bool:
        """Says that the worker is alive; False where the job is no longer its own."""
        with self._database.writing() as session:
            result = session.execute(
                update(JobRow)
                .where(JobRow.id == self.job_id, JobRow.fence == self.fence, JobRow.state == "running")
                .values(lease_until=utc_now() + self._duration)
            )
            return bool(result.rowcount)  # type: ignore[attr-defined]

    def finish(self, session: Session, *, error: str | None = None) -> None:
        """Ends the job in a transaction of `writing`, well or with the reason why not."""
        row = self._locked(session)
        row.state = "failed" if error is not None else "succeeded"
        row.error = error
        row.finished_at = utc_now()
        row.lease_until = None
        release(session, self.owner)

    def give_back(self) -> None:
        """Puts the job back as it was before this worker took it, as when the worker is told to stop."""
        with self.writing() as session:
            row = self._locked(session)
            row.state, row.lease_until, row.worker_id = "queued", None, None
            row.attempts -= 1

    def wait(self, seconds: float) -> None:
        """Puts the job back for a while because what it needs is not there yet; that counts as no attempt."""
        with self.writing() as session:
            row = self._locked(session)
            row.state, row.lease_until, row.worker_id = "queued", None, None
            row.attempts -= 1
            row.run_after = utc_now() + timedelta(seconds=seconds)

    def try_again(self, error: str) -> None:
        """Puts the job back after a failure that may pass."""
        with self.writing() as session:
            row = self._locked(session)
            row.state, row.lease_until, row.worker_id, row.error = "queued", None, None, error
            row.run_after = utc_now() + _RETRY_AFTER * 2 ** (self.attempts - 1)

    def _locked(self, session: Session) -> JobRow:
        row = session.scalar(
            select(JobRow)
            .where(JobRow.id == self.job_id, JobRow.fence == self.fence, JobRow.state == "running")
            .with_for_update()
        )
        if row is None:
            raise LostLeaseError
        return row


def _record(row: JobRow) -> Job:
    return Job(
        id=row.id,
        kind=cast(JobKind, row.kind),
        state=cast(JobState, row.state),
        organization_id=row.organization_id,
        subject_id=row.subject_id,
        attempts=row.attempts,
        max_attempts=row.max_attempts,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        error=row.error,
    )

"""The worker: takes jobs from the queue and does them, one of each lane at a time.

Long jobs (training), exports, and short ones (validation, clean-up) run in lanes of their own, so that an
upload is validated while a model trains. The process steps back behind serving (`os.nice`).
"""

import errno
import logging
import os
import signal
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Final, Protocol

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from fewfit.cores import available_cores
from fewfit.errors import Cancelled, FewfitError
from fewfit.service.errors import DatabaseError, FilesError, LostLeaseError, WaitingError
from fewfit.service.jobs.clean_up_job import CleanUpJob
from fewfit.service.jobs.distil_job import DistilJob
from fewfit.service.jobs.export_job import ExportJob
from fewfit.service.jobs.training_job import TrainingJob
from fewfit.service.jobs.validation_job import ValidationJob
from fewfit.service.records import JobKind
from fewfit.service.service import Service, cache_folder
from fewfit.service.store.queue import Lease
from fewfit.service.store.tables import JobRow, WorkerRow, utc_now
from fewfit.settings import Settings

logger = logging.getLogger(__name__)

LANES: Final[tuple[tuple[JobKind, ...], ...]] = (("validate", "clean_up"), ("export",), ("train", "distil"))
ALL_KINDS: Final[tuple[JobKind, ...]] = ("validate", "train", "distil", "export", "clean_up")
SYSTEM: Final = "system"

_HEARTBEAT_S = 3.0
_CLEAN_UP_EVERY = timedelta(hours=1)
_DEAD_AFTER = timedelta(days=1)
# For so long a job waits for a store that is away or full, each time as long again as it has been tried already.
_PATIENCE: Final = timedelta(days=1)
_LONGEST_WAIT_S = 300.0
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


class JobHandler(Protocol):
    """What does one kind of job."""

    def run(self, lease: Lease, cancel: threading.Event) -> None:
        """Does it, and finishes the lease. Raises Cancelled soon after `cancel` is set."""
        ...

    def give_up(self, session: Session, lease: Lease, reason: str) -> None:
        """Says on the job's subject why it came to nothing."""
        ...


class Worker:
    """Works on the queue until it is told to stop."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._settings = service.settings
        self.id = f"{socket.gethostname()[:20]}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        database, files, settings = service.database, service.files, service.settings
        self._handlers: Mapping[JobKind, JobHandler] = {
            "validate": ValidationJob(database, files, service.bases, settings),
            "train": TrainingJob(database, files, settings),
            "export": ExportJob(database, files),
            "distil": DistilJob(database, files),
            "clean_up": CleanUpJob(
                database, files, service.datasets, cache_folder(settings), (service.review, service.usage)
            ),
        }

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set; jobs under way then go back into the queue."""
        logger.info("Worker %s starts", self.id)
        lanes = [
            threading.Thread(target=self._lane, args=(kinds, stop), name=f"lane-{kinds[0]}", daemon=True)
            for kinds in LANES
        ]
        self._say_alive()
        for lane in lanes:
            lane.start()
        while not stop.wait(_HEARTBEAT_S):
            self._tolerating_outages(self._say_alive)
            self._tolerating_outages(self._plan_clean_up)
        for lane in lanes:
            lane.join()
        self._tolerating_outages(self._say_goodbye)
        logger.info("Worker %s has stopped", self.id)

    def work(self, kinds: tuple[JobKind, ...] = ALL_KINDS, stop: threading.Event | None = None) -> bool:
        """Does the next job of these kinds; False where there was none."""
        lease = self._service.jobs.claim(self.id, kinds)
        if lease is None:
            return False
        self._do(lease, stop or threading.Event())
        return True

    def _lane(self, kinds: tuple[JobKind, ...], stop: threading.Event) -> None:
        while not stop.is_set():
            worked = False
            try:
                worked = self.work(kinds, stop)
            except DatabaseError:
                logger.warning("Trying again in a moment")
            except Exception:
                # The lane must live on: a worker without it counts as alive, and its jobs wait for ever.
                logger.exception("Looking for work has failed; trying again in a moment")
            if not worked:
                stop.wait(self._settings.poll_interval_s)

    def _do(self, lease: Lease, stop: threading.Event) -> None:
        """Does a job, and sees to it that the job ends or goes back, whatever happens."""
        handler = self._handlers[lease.kind]
        logger.info("Job %s (%s, attempt %d) starts", lease.job_id, lease.kind, lease.attempts)
        cancel = threading.Event()
        try:
            if lease.exhausted:
                reason = lease.last_error or "its worker died each time"
                self._fail(handler, lease, f"Tried {lease.max_attempts} times without success: {reason}.")
                return
            with self._kept_alive(lease, cancel, stop):
                handler.run(lease, cancel)
            logger.info("Job %s is done", lease.job_id)
        except LostLeaseError:
            logger.info("Job %s was cancelled, or is another worker's now", lease.job_id)
        except Cancelled:
            self._return(lease)
        except WaitingError as error:
            self._wait(lease, error, self._settings.poll_interval_s)
        except (DatabaseError, FilesError) as error:
            self._wait_for_store(handler, lease, error)
        except FewfitError as error:
            self._fail(handler, lease, str(error))
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                self._wait_for_store(handler, lease, error)
                return
            logger.exception("Job %s failed", lease.job_id)
            self._try_again(handler, lease, error)

    def _return(self, lease: Lease) -> None:
        try:
            lease.give_back()
            logger.info("Job %s goes back into the queue", lease.job_id)
        except LostLeaseError:
            logger.info("Job %s was cancelled", lease.job_id)

    def _wait(self, lease: Lease, reason: Exception, seconds: float) -> None:
        try:
            lease.wait(seconds)
            logger.debug("Job %s waits: %s", lease.job_id, reason)
        except LostLeaseError:
            logger.info("Job %s was cancelled", lease.job_id)

    def _wait_for_store(self, handler: JobHandler, lease: Lease, error: Exception) -> None:
        """Puts a job back that is not at fault; that counts as no attempt."""
        tried = utc_now() - lease.started_at
        if tried > _PATIENCE:
            self._try_again(handler, lease, error)
            return
        seconds = min(max(tried.total_seconds(), 1.0), _LONGEST_WAIT_S)
        logger.warning("Job %s is tried again in %.0f s: %s", lease.job_id, seconds, error)
        self._wait(lease, error, seconds)

    def _fail(self, handler: JobHandler, lease: Lease, reason: str) -> None:
        logger.warning("Job %s has failed: %s", lease.job_id, reason)
        try:
            with lease.writing() as session:
                handler.give_up(session, lease, reason)
                lease.finish(session, error=reason)
        except LostLeaseError:
            logger.info("Job %s was cancelled", lease.job_id)

    def _try_again(self, handler: JobHandler, lease: Lease, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        if lease.attempts >= lease.max_attempts:
            self._fail(handler, lease, f"Tried {lease.attempts} times without success; at last {reason}")
            return
        try:
            lease.try_again(reason)
        except LostLeaseError:
            logger.info("Job %s was cancelled", lease.job_id)

    @contextmanager
    def _kept_alive(self, lease: Lease, cancel: threading.Event, stop: threading.Event) -> Iterator[None]:
        """Renews the lease in the background; sets `cancel` when it is lost or the worker is to stop."""
        done = threading.Event()

        def renew() -> None:
            interval_s = min(self._settings.lease_s / 3, 1.0)
            while not done.wait(interval_s):
                try:
                    if stop.is_set() or not lease.renew():
                        cancel.set()
                        return
                except DatabaseError:
                    logger.warning("The lease of job %s could not be renewed yet", lease.job_id)

        thread = threading.Thread(target=renew, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _say_alive(self) -> None:
        now = utc_now()
        with self._service.database.writing() as session:
            row = session.get(WorkerRow, self.id)
            if row is None:
                session.execute(delete(WorkerRow).where(WorkerRow.seen_at < now - _DEAD_AFTER))
                session.add(
                    WorkerRow(id=self.id, host=socket.gethostname(), pid=os.getpid(), started_at=now, seen_at=now)
                )
            else:
                row.seen_at = now

    def _say_goodbye(self) -> None:
        with self._service.database.writing() as session:
            session.execute(delete(WorkerRow).where(WorkerRow.id == self.id))

    def _plan_clean_up(self) -> None:
        """Queues a clean-up each hour, whoever of several workers comes first."""
        recent = JobRow.created_at > utc_now() - _CLEAN_UP_EVERY
        statement = (
            select(func.count())
            .select_from(JobRow)
            .where(JobRow.kind == "clean_up", JobRow.organization_id == SYSTEM, recent)
        )
        with self._service.database.writing() as session:
            if not session.scalar(statement):
                self._service.jobs.enqueue(session, "clean_up", SYSTEM, SYSTEM)

    def _tolerating_outages(self, action: Callable[[], None]) -> None:
        try:
            action()
        except DatabaseError:
            logger.warning("The worker goes on without the database")


def run_worker(settings: Settings, *, lifeline: bool = False) -> None:
    """Runs a worker in this process until SIGTERM or SIGINT.

    With `lifeline` it also stops when standard input closes, so that it does not outlive its server.
    """
    os.nice(settings.worker_nice)
    _set_threads(settings.worker_threads)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    if lifeline:
        threading.Thread(target=_wait_for_end_of_input, args=(stop,), name="lifeline", daemon=True).start()
    with Service.open(settings) as service:
        threading.Thread(target=service.tidy_regularly, args=(stop,), name="tidy", daemon=True).start()
        Worker(service).run(stop)


def _wait_for_end_of_input(stop: threading.Event) -> None:
    # Not sys.stdin: its lock, held by a thread that waits, is a fatal error when the interpreter ends.
    while os.read(0, 4096):
        continue
    stop.set()


def _set_threads(threads: int) -> None:
    """One core stays free for serving unless the settings say otherwise."""
    import torch

    torch.set_num_threads(threads or max(1, available_cores() - 1))

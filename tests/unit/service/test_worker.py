import errno
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from fewfit import Classifier
from fewfit.errors import Cancelled
from fewfit.service.errors import DatabaseError, FilesError, LostLeaseError, NotFoundError
from fewfit.service.jobs import validation_job
from fewfit.service.jobs.training_job import ProgressRecorder
from fewfit.service.jobs.worker import Worker
from fewfit.service.models.model_rows import add_event
from fewfit.service.service import WORKER_SILENCE
from fewfit.service.store.tables import DatasetRow, JobRow, WorkerRow, utc_now
from tests.unit.service.conftest import OpenShop
from tests.unit.service.shop import Shop, jsonl, single_rows


def _until(condition: Callable[[], bool]) -> None:
    """Waits for something that must come about."""
    until_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until_s, "it did not come about within 30 s"
        time.sleep(0.01)


class Running:
    """A worker at work in the background."""

    def __init__(self, shop: Shop) -> None:
        self.stop = threading.Event()
        self.worker = Worker(shop.service)
        self._thread = threading.Thread(target=self.worker.run, args=(self.stop,))

    def __enter__(self) -> "Running":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop.set()
        self._thread.join()


def test_a_running_worker_does_what_is_queued_and_makes_the_service_ready(open_shop: OpenShop) -> None:
    shop = open_shop(poll_interval_s=0.01)
    assert shop.service.health().checks["worker"]
    assert "being loaded" in shop.service.health().checks["classification"]
    shop.service.warm_up()
    with Running(shop):
        model = shop.service.models.create(
            shop.admin, name="m", dataset_id=_validated(shop, shop.dataset(jsonl(single_rows()), work=False).id)
        )
        _until(lambda: shop.service.models.get(shop.admin, model.id).status == "ready")
        health = shop.service.health()
        assert health.ready, health.checks
        assert shop.service.counts().workers == 1
    assert shop.service.counts().workers == 0


def _validated(shop: Shop, dataset_id: str) -> str:
    _until(lambda: shop.service.datasets.get(shop.admin, dataset_id).status == "validated")
    return dataset_id


@pytest.mark.parametrize("error", [DatabaseError(), RuntimeError("nobody expected this")], ids=["outage", "other"])
def test_a_worker_works_on_after_it_could_not_look_for_work(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    shop = open_shop(poll_interval_s=0.01)
    claim, failed = shop.service.jobs.claim, threading.Event()

    def fail_at_first(worker_id: str, kinds: Any) -> Any:
        if "validate" not in kinds or failed.is_set():
            return claim(worker_id, kinds)
        failed.set()
        raise error

    monkeypatch.setattr(shop.service.jobs, "claim", fail_at_first)
    with Running(shop):
        assert failed.wait(30)
        _validated(shop, shop.dataset(jsonl(single_rows()), work=False).id)


def test_a_silent_worker_does_not_count(shop: Shop) -> None:
    shop.worker._say_alive()
    assert shop.service.health().checks["worker"] == ""
    with shop.service.database.writing() as session:
        session.execute(update(WorkerRow).values(seen_at=utc_now() - WORKER_SILENCE - timedelta(seconds=1)))
    assert shop.service.health().checks["worker"] != ""


def _blocking_fit(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Makes training go on until it is cancelled; the event says that it has begun."""
    begun = threading.Event()

    def fit(self: object, texts: object, labels: object, *, cancel: threading.Event, **options: object) -> None:
        begun.set()
        assert cancel.wait(30), "training was not cancelled"
        raise Cancelled

    monkeypatch.setattr(Classifier, "fit", fit)
    return begun


def test_a_worker_that_is_told_to_stop_gives_its_job_back(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = open_shop(lease_s=0.3, poll_interval_s=0.01)
    model = shop.model(work=False)
    begun = _blocking_fit(monkeypatch)
    with Running(shop):
        assert begun.wait(30)
    (job,) = shop.service.jobs.list(shop.admin, kind="train")
    assert (job.state, job.attempts) == ("queued", 0)
    monkeypatch.undo()
    shop.work()
    assert shop.service.models.get(shop.admin, model.id).status == "ready"


def test_deleting_a_model_stops_its_training(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = open_shop(lease_s=0.3, poll_interval_s=0.01)
    model = shop.model(work=False)
    begun = _blocking_fit(monkeypatch)
    thread = threading.Thread(target=shop.worker.work)
    thread.start()
    assert begun.wait(30)
    shop.service.models.delete(shop.admin, model.id)
    thread.join(30)
    assert not thread.is_alive()
    with pytest.raises(NotFoundError):
        shop.service.models.get(shop.admin, model.id)


def test_a_dataset_is_validated_while_a_model_trains(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = open_shop(lease_s=0.3, poll_interval_s=0.01)
    shop.model(work=False)
    begun = _blocking_fit(monkeypatch)
    with Running(shop):
        assert begun.wait(30)
        _validated(shop, shop.dataset(jsonl(single_rows()), work=False).id)


def _at_once(shop: Shop) -> None:
    with shop.service.database.writing() as session:
        session.execute(update(JobRow).where(JobRow.state == "queued").values(run_after=utc_now()))


def test_what_keeps_failing_ends_with_its_reason(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = open_shop(max_attempts=2)
    model = shop.model(work=False)

    def fit(*arguments: object, **options: object) -> None:
        raise RuntimeError("the disk is on fire")

    monkeypatch.setattr(Classifier, "fit", fit)
    assert shop.worker.work()
    assert shop.service.models.get(shop.admin, model.id).status == "finetuning"
    _at_once(shop)
    assert shop.worker.work()
    found = shop.service.models.get(shop.admin, model.id)
    assert found.status == "failed"
    assert "the disk is on fire" in (found.error or "")
    assert found.completed_at is not None
    assert [e.status for e in shop.service.models.events(shop.admin, model.id)] == ["failed", "finetuning", "queued"]
    _at_once(shop)
    assert not shop.worker.work()


def test_a_job_that_kills_its_worker_each_time_is_given_up(open_shop: OpenShop) -> None:
    shop = open_shop(max_attempts=2)
    model = shop.model(work=False)
    for _ in range(2):
        assert shop.service.jobs.claim("doomed", ("train",)) is not None
        with shop.service.database.writing() as session:
            session.execute(update(JobRow).values(lease_until=utc_now() - timedelta(seconds=1)))
    shop.work()
    found = shop.service.models.get(shop.admin, model.id)
    assert found.status == "failed"
    assert "died" in (found.error or "")


@pytest.mark.parametrize("failure", [OSError("no space left on device"), DatabaseError(), FilesError()])
def test_a_crash_in_validation_is_tried_again(shop: Shop, monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    dataset = shop.dataset(jsonl(single_rows()), work=False)

    def fail(*arguments: object, **options: object) -> None:
        raise failure

    monkeypatch.setattr(validation_job, "write_part", fail)
    assert shop.worker.work()
    monkeypatch.undo()
    _at_once(shop)
    shop.work()
    assert shop.service.datasets.get(shop.admin, dataset.id).status == "validated"


OUTAGES = [OSError(errno.ENOSPC, "no space left on device"), DatabaseError(), FilesError()]


@pytest.mark.parametrize("outage", OUTAGES, ids=["full", "database", "files"])
@pytest.mark.parametrize("place", ["read_files", "write_part"])
def test_a_job_waits_for_a_store_that_is_away_without_using_up_its_attempts(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch, place: str, outage: Exception
) -> None:
    shop = open_shop(max_attempts=1)
    dataset = shop.dataset(jsonl(single_rows()), work=False)

    def fail(*arguments: object, **options: object) -> None:
        raise outage

    monkeypatch.setattr(validation_job, place, fail)
    for _ in range(3):
        assert shop.worker.work()
        assert not shop.worker.work()  # not at once
        _at_once(shop)
    monkeypatch.undo()
    shop.work()
    assert shop.service.datasets.get(shop.admin, dataset.id).status == "validated"


def test_a_job_waits_for_the_store_for_a_day_at_the_most(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = open_shop(max_attempts=1)
    model = shop.model(work=False)

    def fail() -> None:
        raise FilesError

    monkeypatch.setattr(shop.service.files, "check", fail)
    assert shop.worker.work()
    assert shop.service.models.get(shop.admin, model.id).status == "queued"  # nothing is trained for nothing
    with shop.service.database.writing() as session:
        session.execute(update(JobRow).values(started_at=utc_now() - timedelta(days=1, seconds=1)))
    _at_once(shop)
    assert shop.worker.work()
    found = shop.service.models.get(shop.admin, model.id)
    assert found.status == "failed"
    assert "file store" in (found.error or "")


def test_training_goes_on_while_its_progress_cannot_be_written(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    model = shop.model(work=False)

    def fail(*arguments: object) -> None:
        raise DatabaseError

    monkeypatch.setattr(ProgressRecorder, "_progress", fail)
    shop.work()
    assert shop.service.models.get(shop.admin, model.id).status == "ready"
    (job,) = shop.service.jobs.list(shop.admin, kind="train")
    assert job.attempts == 1


def test_a_worker_that_was_replaced_during_training_changes_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = shop.model(work=False)
    fit: Callable[..., Classifier] = Classifier.fit

    def lose_the_lease(*arguments: Any, **options: Any) -> Classifier:
        with shop.service.database.writing() as session:
            session.execute(update(JobRow).where(JobRow.kind == "train").values(fence=JobRow.fence + 1))
        return fit(*arguments, **options)

    monkeypatch.setattr(Classifier, "fit", lose_the_lease)
    assert shop.worker.work()
    found = shop.service.models.get(shop.admin, model.id)
    assert (found.status, found.promoted_version) == ("finetuning", None)
    assert shop.service.models.report(shop.admin, model.id) == {}


def test_clean_up_is_planned_once_an_hour_by_one_of_several_workers(open_shop: OpenShop) -> None:
    shops = open_shop(), open_shop()
    for shop in shops * 2:
        shop.worker._plan_clean_up()
        shop.work()
    assert shops[0].service.jobs.counts() == {("clean_up", "succeeded"): 1}


@pytest.mark.parametrize("thing", ["dataset", "model"])
def test_deleting_what_a_worker_is_writing_waits_for_it(shop: Shop, thing: str) -> None:
    dataset = shop.dataset(jsonl(single_rows()), work=thing == "model")
    subject = dataset.id
    remove: Callable[..., None] = shop.service.datasets.delete
    if thing == "model":
        subject = shop.service.models.create(shop.admin, name="router", dataset_id=dataset.id).id
        remove = shop.service.models.delete
    lease = shop.service.jobs.claim("worker", ("validate", "train"))
    assert lease is not None
    with ThreadPoolExecutor() as pool:
        with lease.writing() as session:
            removal = pool.submit(remove, shop.admin, subject)
            time.sleep(0.2)  # it has what it can get
            if thing == "model":
                add_event(session, subject, 1, "finetuning")
            else:
                row = session.get(DatasetRow, subject)
                assert row is not None
                row.status = "processing"
        removal.result()
    assert not lease.renew()
    with pytest.raises(LostLeaseError), lease.writing():
        pass

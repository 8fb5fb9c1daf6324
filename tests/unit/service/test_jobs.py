import threading
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import update

from fewfit.service.errors import BusyError, LostLeaseError
from fewfit.service.records import JobKind
from fewfit.service.store.queue import Lease
from fewfit.service.store.tables import JobRow, utc_now
from tests.unit.service.conftest import OpenShop
from tests.unit.service.shop import Shop, a_caller

KINDS: tuple[JobKind, ...] = ("validate", "train")


def _enqueue(shop: Shop, subject: str = "thing", organization_id: str = "default") -> str:
    with shop.service.database.writing() as session:
        return shop.service.jobs.enqueue(session, "validate", organization_id, subject, {"n": 1})


def _claim(shop: Shop, worker: str = "worker") -> Lease:
    lease = shop.service.jobs.claim(worker, KINDS)
    assert lease is not None
    return lease


def _expire(shop: Shop) -> None:
    """As if the worker had been silent for longer than its lease."""
    with shop.service.database.writing() as session:
        session.execute(update(JobRow).values(lease_until=utc_now() - timedelta(seconds=1)))


def _state(shop: Shop) -> str:
    return shop.service.jobs.list(shop.admin)[0].state


def test_jobs_come_in_the_order_they_were_queued(shop: Shop) -> None:
    ids = [_enqueue(shop, f"thing-{number}") for number in range(3)]
    assert [_claim(shop).job_id for _ in ids] == ids
    assert shop.service.jobs.claim("worker", KINDS) is None


def test_a_worker_gets_only_the_kinds_it_asks_for(shop: Shop) -> None:
    _enqueue(shop)
    assert shop.service.jobs.claim("worker", ("train",)) is None
    assert _claim(shop).kind == "validate"


def test_many_workers_never_get_the_same_job(open_shop: OpenShop) -> None:
    shops = [open_shop() for _ in range(3)]
    for number in range(30):
        _enqueue(shops[0], f"thing-{number}")
    taken: list[str] = []

    def work(shop: Shop) -> None:
        while (lease := shop.service.jobs.claim("worker", KINDS)) is not None:
            taken.append(lease.job_id)

    threads = [threading.Thread(target=work, args=(shop,)) for shop in shops for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 30
    assert max(Counter(taken).values()) == 1


def test_a_job_whose_worker_is_silent_is_taken_up_again(shop: Shop) -> None:
    _enqueue(shop)
    dead = _claim(shop, "dead")
    assert shop.service.jobs.claim("other", KINDS) is None
    _expire(shop)
    other = _claim(shop, "other")
    assert other.job_id == dead.job_id
    assert other.fence == dead.fence + 1
    assert other.payload == {"n": 1}


def test_a_worker_that_was_replaced_writes_nothing_any_more(shop: Shop) -> None:
    _enqueue(shop)
    slow = _claim(shop, "slow")
    _expire(shop)
    other = _claim(shop, "other")
    with pytest.raises(LostLeaseError), slow.writing() as session:
        slow.finish(session)
    assert not slow.renew()
    with pytest.raises(LostLeaseError):
        slow.give_back()
    with other.writing() as session:
        other.finish(session)
    assert _state(shop) == "succeeded"


def test_renewing_keeps_the_job(shop: Shop) -> None:
    _enqueue(shop)
    lease = _claim(shop)
    _expire(shop)
    assert lease.renew()
    assert shop.service.jobs.claim("other", KINDS) is None


def test_a_cancelled_job_is_lost_to_its_worker(shop: Shop) -> None:
    _enqueue(shop, "gone")
    lease = _claim(shop)
    with shop.service.database.writing() as session:
        shop.service.jobs.cancel(session, "gone")
    assert not lease.renew()
    with pytest.raises(LostLeaseError), lease.writing():
        pass
    assert _state(shop) == "cancelled"


def test_what_fails_is_tried_again_later_and_then_given_up(open_shop: OpenShop) -> None:
    shop = open_shop(max_attempts=2)
    _enqueue(shop)
    for attempt in (1, 2):
        lease = _claim(shop)
        assert lease.attempts == attempt
        assert not lease.exhausted
        lease.try_again("out of memory")
        assert shop.service.jobs.claim("worker", KINDS) is None
        with shop.service.database.writing() as session:
            session.execute(update(JobRow).values(run_after=utc_now()))
    last = _claim(shop)
    assert last.exhausted
    assert last.last_error == "out of memory"


def test_a_job_that_is_given_back_has_lost_no_attempt(shop: Shop) -> None:
    _enqueue(shop)
    _claim(shop).give_back()
    assert _claim(shop).attempts == 1


def test_a_failed_transaction_changes_nothing(shop: Shop) -> None:
    _enqueue(shop)
    lease = _claim(shop)
    with pytest.raises(RuntimeError), lease.writing() as session:  # noqa: PT012
        lease.finish(session)
        raise RuntimeError
    assert _state(shop) == "running"


def test_too_many_waiting_jobs_are_refused(open_shop: OpenShop) -> None:
    shop = open_shop(max_queued_jobs=2)
    _enqueue(shop)
    _enqueue(shop)
    with pytest.raises(BusyError) as caught:
        _enqueue(shop)
    assert caught.value.retry_after_s > 0
    _enqueue(shop, organization_id="another")


def test_jobs_of_another_organisation_are_not_listed(shop: Shop) -> None:
    _enqueue(shop)
    assert shop.service.jobs.list(a_caller("read", organization_id="another")) == ()
    assert shop.service.jobs.counts() == {("validate", "queued"): 1}

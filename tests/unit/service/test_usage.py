import threading
from datetime import UTC, datetime, timedelta

import pytest

from fewfit.errors import InputError
from fewfit.service.errors import DatabaseError, ForbiddenError, NotFoundError
from fewfit.service.in_use.usage import LATENCY_MS, SIZES, Usage, percentile_ms
from fewfit.service.store.tables import UsageRow, utc_now
from tests.unit.service.conftest import OpenShop
from tests.unit.service.shop import Shop, a_caller


def test_requests_are_counted_by_hour_model_and_organisation(shop: Shop) -> None:
    usage = shop.service.usage
    usage.note("default", "m", 3, 0.004)
    usage.note("default", "m", 96, 0.3, failed=True)
    usage.note("default", "", 1, 0.02)
    usage.note("other", "m", 1, 99.0)
    usage.write()
    by_model = {hour.model_id: hour for hour in usage.hours(shop.admin)}
    assert set(by_model) == {"", "m"}
    found = by_model["m"]
    assert (found.requests, found.texts, found.failures) == (2, 99, 1)
    assert found.total_ms == pytest.approx(304)
    assert found.slowest_ms == pytest.approx(300)
    assert found.latency[LATENCY_MS.index(5)] == found.latency[LATENCY_MS.index(500)] == 1
    assert found.sizes[SIZES.index(4)] == found.sizes[SIZES.index(96)] == 1
    assert sum(found.latency) == sum(found.sizes) == 2
    other = usage.hours(a_caller(organization_id="other"))
    assert [hour.latency[-1] for hour in other] == [1]


def test_what_several_servers_count_adds_up(open_shop: OpenShop) -> None:
    shops = [open_shop(), open_shop()]
    for shop in shops:
        for _ in range(3):
            shop.service.usage.note("default", "m", 2, 0.01)

    threads = [threading.Thread(target=shop.service.usage.write) for shop in shops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (hour,) = shops[0].service.usage.hours(shops[0].admin)
    assert (hour.requests, hour.texts) == (6, 12)


def test_classifying_is_counted_well_or_not(shop: Shop) -> None:
    model = shop.model()
    shop.service.classify(shop.admin, ["invoice", "parcel"], model=model.id)
    with pytest.raises(InputError):
        shop.service.classify(shop.admin, ["word " * 200], model=model.id, truncate="NONE")
    shop.service.usage.write()
    (hour,) = shop.service.usage.hours(shop.admin, model_id=model.id + "-ft")
    assert (hour.requests, hour.texts, hour.failures) == (2, 3, 1)


def test_what_was_counted_is_written_when_the_service_ends(open_shop: OpenShop) -> None:
    first = open_shop()
    first.service.usage.note("default", "m", 1, 0.01)
    first.close()
    second = open_shop()
    assert [hour.texts for hour in second.service.usage.hours(second.admin)] == [1]


def test_an_outage_of_the_database_loses_no_counts(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = Usage(shop.service.database)
    usage.note("default", "m", 1, 0.01)

    def fails() -> None:
        raise DatabaseError

    with monkeypatch.context() as patch:
        patch.setattr(shop.service.database, "writing", fails)
        usage.write()
    usage.note("default", "m", 1, 0.01)
    usage.write()
    assert [hour.requests for hour in usage.hours(shop.admin)] == [2]


def test_old_hours_are_deleted_and_not_asked_for(shop: Shop) -> None:
    usage = shop.service.usage
    usage.note("default", "m", 1, 0.01)
    usage.write()
    with shop.service.database.writing() as session:
        for row in session.query(UsageRow):
            row.hour = utc_now() - timedelta(days=91)
    assert usage.delete_expired(utc_now()) == 1
    with pytest.raises(InputError, match="90 days"):
        usage.hours(shop.admin, since=datetime(2020, 1, 1, tzinfo=UTC))


def test_usage_needs_the_scope_and_a_model_of_ones_own(shop: Shop) -> None:
    model = shop.model(work=False)
    with pytest.raises(ForbiddenError):
        shop.service.usage.hours(a_caller("classify"))
    with pytest.raises(NotFoundError):
        shop.service.usage.hours(a_caller(organization_id="other"), model_id=model.id)


def test_percentiles_are_read_off_the_buckets() -> None:
    latency = [0] * (len(LATENCY_MS) + 1)
    assert percentile_ms(latency, 0.5) is None
    latency[LATENCY_MS.index(20)] = 10
    assert percentile_ms(latency, 0.5) == pytest.approx(15)
    latency[-1] = 10
    assert percentile_ms(latency, 0.99) == LATENCY_MS[-1]

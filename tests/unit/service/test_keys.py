from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from fewfit.errors import InputError
from fewfit.service.access.keys import RateLimiter
from fewfit.service.errors import DatabaseError, ForbiddenError, NotFoundError, RateLimitError, UnauthorizedError
from fewfit.service.store.tables import ApiKeyRow
from tests.unit.service.conftest import OpenShop
from tests.unit.service.shop import Shop, a_caller


def test_a_key_leads_to_its_organisation_owner_and_scopes(shop: Shop) -> None:
    new = shop.service.keys.create(shop.admin, name="app", scopes=["classify", "read"], owner_id="anna")
    assert new.secret.startswith("ff_")
    assert len(new.secret) == 46
    caller = shop.service.keys.authenticate(new.secret)
    assert caller.organization_id == shop.admin.organization_id
    assert caller.owner_id == "anna"
    assert caller.scopes == {"read", "classify"}
    assert caller.key_id == new.key.id


def test_the_secret_is_not_in_the_database(shop: Shop) -> None:
    new = shop.service.keys.create(shop.admin, name="app")
    with shop.service.database.reading() as session:
        row = session.scalar(select(ApiKeyRow))
    assert row is not None
    kept = " ".join(map(str, vars(row).values()))
    assert new.secret not in kept
    assert new.secret[12:] not in kept


@pytest.mark.parametrize("secret", ["", "ff_", "wrong", "ff_" + "x" * 43, "ff_é", "ff_" + "x" * 500])
def test_a_wrong_key_is_refused(shop: Shop, secret: str) -> None:
    shop.service.keys.create(shop.admin, name="app")
    with pytest.raises(UnauthorizedError):
        shop.service.keys.authenticate(secret)


def test_a_revoked_key_ends_at_once(shop: Shop) -> None:
    new = shop.service.keys.create(shop.admin, name="app")
    shop.service.keys.authenticate(new.secret)
    shop.service.keys.revoke(shop.admin, new.key.id)
    with pytest.raises(UnauthorizedError, match="revoked"):
        shop.service.keys.authenticate(new.secret)
    assert shop.service.keys.list(shop.admin)[0].revoked_at is not None


def test_a_key_that_was_checked_is_known_at_once_until_it_is_revoked(shop: Shop) -> None:
    keys = shop.service.keys
    new = keys.create(shop.admin, name="app")
    assert keys.authenticate_at_once(new.secret) is None
    assert keys.authenticate_at_once(new.secret) is None  # a look-up has not been asked for yet
    caller = keys.authenticate(new.secret)
    assert keys.authenticate_at_once(new.secret) == caller
    keys.revoke(shop.admin, new.key.id)
    assert keys.authenticate_at_once(new.secret) is None
    with pytest.raises(UnauthorizedError, match="start with"):
        keys.authenticate_at_once("wrong")


def test_requests_known_at_once_count_towards_the_limit(open_shop: OpenShop) -> None:
    shop = open_shop(rate_limit_per_minute=3)
    new = shop.service.keys.create(shop.admin, name="app")
    shop.service.keys.authenticate(new.secret)
    for _ in range(2):
        shop.service.keys.authenticate_at_once(new.secret)
    with pytest.raises(RateLimitError):
        shop.service.keys.authenticate_at_once(new.secret)


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+23:59", "2030-01-01T00:00:00"])
def test_an_expiry_that_is_no_moment_is_refused(shop: Shop, moment: str) -> None:
    with pytest.raises(InputError, match="expires_at is"):
        shop.service.keys.create(shop.admin, name="app", expires_at=datetime.fromisoformat(moment))


def test_a_key_is_known_where_its_use_cannot_be_noted(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    new = shop.service.keys.create(shop.admin, name="app")

    def full() -> None:
        raise DatabaseError

    with monkeypatch.context() as patch:
        patch.setattr(shop.service.database, "writing", full)
        assert shop.service.keys.authenticate(new.secret).key_id == new.key.id
    assert new.key.id in caplog.text
    assert new.secret not in caplog.text


def test_an_expired_key_is_refused(shop: Shop) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=1)
    new = shop.service.keys.create(shop.admin, name="app", expires_at=soon)
    shop.service.keys.authenticate(new.secret)
    with shop.service.database.writing() as session:
        session.execute(update(ApiKeyRow).values(expires_at=soon - timedelta(minutes=2)))
    with pytest.raises(UnauthorizedError, match="expired"):
        shop.service.keys.authenticate(new.secret)


def test_a_key_that_would_be_expired_at_once_is_refused(shop: Shop) -> None:
    with pytest.raises(InputError, match="expires_at is 2020"):
        shop.service.keys.create(shop.admin, name="app", expires_at=datetime(2020, 1, 1, tzinfo=UTC))


def test_only_an_admin_makes_lists_and_revokes_keys(shop: Shop) -> None:
    trainer = a_caller("train")
    with pytest.raises(ForbiddenError, match="admin"):
        shop.service.keys.create(trainer, name="more")
    with pytest.raises(ForbiddenError):
        shop.service.keys.list(trainer)
    with pytest.raises(ForbiddenError):
        shop.service.keys.revoke(trainer, "any")


def test_keys_of_another_organisation_do_not_exist(shop: Shop) -> None:
    new = shop.service.keys.create(shop.admin, name="app")
    stranger = a_caller(organization_id="elsewhere")
    assert shop.service.keys.list(stranger) == ()
    with pytest.raises(NotFoundError):
        shop.service.keys.revoke(stranger, new.key.id)
    shop.service.keys.authenticate(new.secret)


def test_the_first_key_is_made_once(open_shop: OpenShop) -> None:
    one, two = open_shop(), open_shop()
    secret = one.service.first_key()
    assert secret is not None
    assert two.service.first_key() is None
    assert one.service.first_key() is None
    assert two.service.keys.authenticate(secret).may("admin")


@pytest.mark.parametrize("scopes", [[], ["fly"], ["read", "fly"]])
def test_unknown_scopes_are_refused(shop: Shop, scopes: list[str]) -> None:
    with pytest.raises(InputError, match="read, classify, train, admin"):
        shop.service.keys.create(shop.admin, name="app", scopes=scopes)


@pytest.mark.parametrize("name", ["", "   ", "a\0b", "x" * 201, "\ud800"])
def test_a_name_that_cannot_be_shown_is_refused(shop: Shop, name: str) -> None:
    with pytest.raises(InputError, match="name of a key"):
        shop.service.keys.create(shop.admin, name=name)


def test_train_includes_read_and_admin_everything() -> None:
    assert a_caller("train").may("read")
    assert not a_caller("train").may("classify")
    assert not a_caller("classify").may("read")
    assert all(a_caller("admin").may(scope) for scope in ("read", "classify", "train", "admin"))


def test_too_many_requests_are_refused_with_the_time_to_wait(open_shop: OpenShop) -> None:
    keys = open_shop(rate_limit_per_minute=2).service.keys
    one = keys.create_for("a", name="one", scopes=["read"]).secret
    other = keys.create_for("a", name="other", scopes=["read"]).secret
    keys.authenticate(one)
    keys.authenticate(one)
    with pytest.raises(RateLimitError) as caught:
        keys.authenticate(one)
    assert 0 < caught.value.retry_after_s <= 30
    keys.authenticate(other)


def test_the_rate_is_refilled_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1000.0
    monkeypatch.setattr("fewfit.service.access.keys.time.monotonic", lambda: now_s)
    limiter = RateLimiter(per_minute=60)
    for _ in range(60):
        limiter.count("key")
    with pytest.raises(RateLimitError):
        limiter.count("key")
    now_s += 1.0
    limiter.count("key")
    with pytest.raises(RateLimitError):
        limiter.count("key")

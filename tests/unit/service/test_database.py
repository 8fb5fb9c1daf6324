import os
import socket
import threading
import time
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, InternalError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as NoConnectionError
from sqlalchemy.orm import Session

from fewfit.service.errors import DatabaseError, StoreError
from fewfit.service.service import Service
from fewfit.service.store.database import FILE, Database
from fewfit.service.store.tables import Base, ServerState
from fewfit.settings import Settings
from fewfit.web.errors import status_of
from tests.unit.conftest import PRODUCT_SYNCHRONOUS
from tests.unit.service.conftest import OpenShop
from tests.unit.service.shop import Shop, jsonl, single_rows


def test_the_migrations_make_the_tables_of_the_code(shop: Shop) -> None:
    with shop.service.database.reading() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_opening_again_changes_nothing(open_shop: OpenShop) -> None:
    secret = open_shop().service.first_key()
    assert secret is not None
    assert open_shop().service.keys.authenticate(secret).may("admin")


def test_a_dataset_from_before_datasets_had_versions_is_validated(open_shop: OpenShop) -> None:
    shop = open_shop()
    dataset = shop.dataset(jsonl(single_rows()), work=False)
    with shop.service.database.writing() as session:
        session.execute(text("DROP TABLE dataset_versions"))
        session.execute(text("UPDATE alembic_version SET version_num = '0003'"))
    upgraded = open_shop()
    upgraded.work()
    assert upgraded.service.datasets.get(shop.admin, dataset.id).status == "validated"
    (version,) = upgraded.service.editing.versions(shop.admin, dataset.id)
    assert (version.number, version.note) == (1, "Uploaded")


def test_a_store_of_a_newer_fewfit_is_left_alone(open_shop: OpenShop) -> None:
    with open_shop().service.database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="newer"):
        open_shop()


def _count(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(ServerState)) or 0


def test_writers_wait_for_each_other(open_shop: OpenShop) -> None:
    shops = [open_shop() for _ in range(3)]
    before = _state_count(shops[0])

    def write(shop: Shop, worker: int) -> None:
        for number in range(10):
            with shop.service.database.writing() as session:
                _count(session)  # a read that turns into a write: BUSY at once without BEGIN IMMEDIATE
                session.add(ServerState(name=f"{worker}-{number}", value=""))

    threads = [threading.Thread(target=write, args=(shop, place)) for place, shop in enumerate(shops)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _state_count(shops[0]) == before + 30


def _state_count(shop: Shop) -> int:
    with shop.service.database.reading() as session:
        return _count(session)


def test_an_error_rolls_back(shop: Shop) -> None:
    before = _state_count(shop)
    with pytest.raises(RuntimeError), shop.service.database.writing() as session:  # noqa: PT012
        session.add(ServerState(name="x", value=""))
        session.flush()
        raise RuntimeError
    assert _state_count(shop) == before


def test_sqlite_keeps_accepted_data_through_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fewfit.service.store.database.SYNCHRONOUS", PRODUCT_SYNCHRONOUS)
    database = Database("", tmp_path)
    with database.reading() as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA synchronous")) == 2  # FULL
        assert session.scalar(text("PRAGMA foreign_keys")) == 1
    database.close()


@pytest.mark.parametrize(
    "url", ["mysql://host/name", "nonsense", "sqlite:///other.db", "postgresql://u:p@ss:word@host/name"]
)
def test_another_kind_of_database_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(StoreError, match="database_url") as caught:
        Database(url, tmp_path)
    assert "ss:word" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2", "postgresql+asyncpg"])
def test_postgresql_is_asked_through_the_driver_that_is_installed(tmp_path: Path, scheme: str) -> None:
    Database(f"{scheme}://someone@127.0.0.1:1/none", tmp_path).close()


def test_a_file_that_is_no_database_says_so(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("a backup that was cut off")
    database = Database("", tmp_path)
    with pytest.raises(StoreError, match="not a database"):
        database.migrate()
    database.close()


def test_a_postgresql_whose_machine_is_silent_is_not_waited_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and says nothing
        port = silent.getsockname()[1]
        database = Database(f"postgresql://someone@127.0.0.1:{port}/none?connect_timeout=2", tmp_path)
        started_s = time.monotonic()
        with pytest.raises(StoreError, match="timeout"):
            database.migrate()
        assert time.monotonic() - started_s < 30
        given = database._engine.dialect.create_connect_args(database._engine.url)[1]
        assert (given["connect_timeout"], given["tcp_user_timeout"]) == ("2", "20000")
        database.close()


def test_a_database_that_is_not_there_says_so_without_the_password(tmp_path: Path) -> None:
    database = Database("postgresql://someone:secret@127.0.0.1:1/none", tmp_path)
    with pytest.raises(StoreError, match="cannot be used") as caught:
        database.migrate()
    assert "secret" not in str(caught.value)
    database.close()


def test_an_outage_is_told_without_what_the_database_said(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    database = shop.service.database
    for transaction in (database.reading, database.writing):
        with pytest.raises(DatabaseError) as caught, transaction():
            raise OperationalError("UPDATE", {}, Exception("no answer from 10.1.2.3"))
        assert "10.1.2.3" not in str(caught.value)
        assert status_of(caught.value) == 503
    assert "no answer from 10.1.2.3" in caplog.text


@pytest.mark.parametrize(
    ("error", "is_outage"),
    [
        (InternalError("", {}, Exception("cannot execute UPDATE in a read-only transaction")), True),
        (InterfaceError("", {}, Exception("the connection is closed")), True),
        (DBAPIError("", {}, Exception("database disk image is malformed")), True),
        (NoConnectionError("QueuePool limit reached"), True),
        (IntegrityError("", {}, Exception("UNIQUE constraint failed")), False),
        (ProgrammingError("", {}, Exception("no such column")), False),
    ],
    ids=["read-only", "closed", "damaged", "no connection", "conflict", "our mistake"],
)
def test_what_the_database_says_of_itself_is_an_outage(shop: Shop, error: Exception, is_outage: bool) -> None:
    with pytest.raises(DatabaseError if is_outage else type(error)), shop.service.database.writing():
        raise error


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
def test_other_users_of_the_machine_cannot_look_into_the_data_folder(tmp_path: Path) -> None:
    old_mask = os.umask(0o022)
    try:
        Service.open(Settings(data=tmp_path / "new")).close()
    finally:
        os.umask(old_mask)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    (tmp_path / "old").mkdir(mode=0o750)
    Service.open(Settings(data=tmp_path / "old")).close()
    assert (tmp_path / "old").stat().st_mode & 0o777 == 0o750  # as its owner wants it

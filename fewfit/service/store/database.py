"""The database: SQLite in write-ahead mode, or PostgreSQL by URL, brought to the newest schema."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from filelock import FileLock
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as NoConnectionError
from sqlalchemy.orm import Session

from fewfit.service.errors import DatabaseError, StoreError

logger = logging.getLogger(__name__)

# SQLite's file in the data folder.
FILE = "fewfit.db"
_BUSY_TIMEOUT_S = 30.0
# When SQLite waits for the disk: an accepted upload survives a power cut, not only a crash of the process.
SYNCHRONOUS = "FULL"
# Any fixed number: two servers that start on one PostgreSQL migrate one after the other.
_MIGRATION_LOCK = 7_446_350
# How long a PostgreSQL may be silent whose machine has vanished: the system alone would wait for a quarter of an hour.
# What the URL says wins.
_TIMEOUTS = {
    "connect_timeout": "10",
    "tcp_user_timeout": "20000",  # milliseconds
    "keepalives_idle": "20",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}
# What a database says of a statement that is wrong; everything else that it says is about its own state.
_OWN_MISTAKES = (DataError, IntegrityError, NotSupportedError, ProgrammingError)


class Database:
    """Sessions on the store.

    `reading()` gives a snapshot; `writing()` commits at its end, or rolls back where an error leaves it.
    On SQLite a writer takes the write lock at once (BEGIN IMMEDIATE): a transaction that first reads and
    then writes would be refused as soon as another one has written in between. Both raise DatabaseError
    where the database is away, full, read-only, damaged, or locked for too long.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self._folder = folder
        self._engine = _create_engine(url, folder)
        self._writer = self._engine.execution_options(fewfit_writes=True)

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file of this machine."""
        return self._engine.dialect.name == "sqlite"

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that only reads."""
        with _outages_told(), Session(self._engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that is committed at the end."""
        with _outages_told(), Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    def migrate(self) -> None:
        """Brings the schema up to date. Raises StoreError where the database cannot be reached or is newer."""
        script = ScriptDirectory(str(Path(__file__).parent / "migrations"))
        head = script.get_current_head()
        try:
            with self._migration_lock() as connection:
                current = MigrationContext.configure(connection).get_current_revision()
                if current == head:
                    return
                known = {revision.revision for revision in script.walk_revisions()}
                if current is not None and current not in known:
                    raise StoreError(
                        f"The database has schema {current}, which this fewfit does not know: a newer fewfit made it. "
                        "Start the newer one, or give another data folder."
                    )
                config = Config()
                config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                logger.info("Database schema brought from %s to %s", current, head)
        except DBAPIError as error:
            shown = self._engine.url.set(query={}).render_as_string(hide_password=True)
            reason = str(error.orig).strip().partition("\n")[0]
            raise StoreError(
                f"The database {shown} cannot be used: {reason}. "
                "Check that it runs, is whole, and that its user may make tables in it."
            ) from error

    def check(self) -> None:
        """Asks the database something. Raises DatabaseError where it does not answer."""
        with self.reading() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()

    @contextmanager
    def _migration_lock(self) -> Iterator[Connection]:
        if self.is_sqlite:
            with FileLock(self._folder / "migration.lock"), self._writer.begin() as connection:
                yield connection
            return
        with self._engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            yield connection


@contextmanager
def _outages_told() -> Iterator[None]:
    """Tells what went wrong in the log alone: it may name hosts and users, and the caller may be anybody."""
    try:
        yield
    except _OWN_MISTAKES:
        raise
    except (DBAPIError, NoConnectionError) as error:
        logger.warning("The database gave up: %s", error.orig if isinstance(error, DBAPIError) else error)
        raise DatabaseError from error


def _create_engine(url: str, folder: Path) -> Engine:
    if not url:
        engine = create_engine(f"sqlite+pysqlite:///{folder / FILE}", pool_size=16, max_overflow=48)
        _prepare_sqlite(engine)
        return engine
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the latter names what it took for the port: part of the password, perhaps
        raise StoreError(
            "database_url cannot be read; expected postgresql://user:password@host:port/name, with %40 for an @ in the "
            "password, %2F for a /."
        ) from None
    if parsed.get_backend_name() in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")  # whichever driver it names: this one is installed
    if parsed.get_backend_name() != "postgresql":
        raise StoreError(
            f"database_url names a {parsed.get_backend_name()} database; expected postgresql://... "
            "(leave it empty for SQLite in the data folder)."
        )
    parsed = parsed.set(query={**_TIMEOUTS, **parsed.query})
    return create_engine(parsed, pool_size=16, max_overflow=48, pool_pre_ping=True)


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, record: object) -> None:
        # The driver would otherwise begin transactions by itself, and too late.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(_BUSY_TIMEOUT_S * 1000)}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(f"PRAGMA synchronous = {SYNCHRONOUS}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def began(connection: Connection) -> None:
        writes: Any = connection.get_execution_options().get("fewfit_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

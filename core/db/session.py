"""A connection to the database: SQLite in the home, or PostgreSQL; transactions, and what its errors mean here."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from riyl.core.db.revisions import check_seen
from riyl.core.db.upgrade import HEAD, revision_of, upgrade_schema
from riyl.core.errors import ConfigError, DatabaseDownError, DatabaseError, SchemaError
from riyl.core.setting_checks import postgres_url
from riyl.core.settings import Home, Settings
from riyl.core.storage.copies import Copies

FILE = "riyl.sqlite"
JOBS_FILE = "jobs.sqlite"

CONNECT_S = 3
"""Seconds to wait for PostgreSQL."""

BUSY_MS = 30_000
"""Milliseconds that one writer waits for another."""

UPGRADE_LOCK = 0x5249594C
"""PostgreSQL's advisory lock of who upgrades: "RIYL"."""

POLL_S = 0.05
"""Between looks at a lock that others hold."""

ALONE_LOCK = 0x5249594D


def database_url(settings: Settings, file: str = FILE) -> URL:
    """Where the database is: RIYL_DATABASE_URL, or with none of it `file` in the home.

    Raises:
        ConfigError: the address is of another database, or its password cannot be read.
    """
    if settings.database_url is None:
        return URL.create("sqlite", database=str((settings.home / file).absolute()))
    url = postgres_url(settings.database_url.get_secret_value())
    if settings.database_password_file is not None:
        try:
            url = url.set(password=settings.database_password_file.read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"RIYL_DATABASE_PASSWORD_FILE: cannot be read: {error}") from error
    return url.set(drivername="postgresql+psycopg")


def make_engine(url: URL) -> Engine:
    """An engine with the pragmas, time limits and transactions that RIYL relies on; connects to nothing yet."""
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url)
        event.listen(engine, "connect", _sqlite_connected)
        event.listen(engine, "checkout", _sqlite_taken)
        event.listen(engine, "begin", _sqlite_begin)
        return engine
    return create_engine(url, pool_pre_ping=True, pool_timeout=5, connect_args={"connect_timeout": CONNECT_S})


class Database:
    """The database of a home.

    Args:
        engine: from `make_engine`.
        home: whose copies say what the database must have to be believed; with None it is believed.
    """

    def __init__(self, engine: Engine, home: Home | None = None) -> None:
        self.engine = engine
        self._copies = None if home is None else Copies(home)
        self._checked = False
        # a new connection may be to another database under the same name
        event.listen(engine, "connect", self._forget)

    @classmethod
    def of(cls, settings: Settings) -> Database:
        """The database that the settings name; where it is SQLite and not there yet, it is made, once.

        Raises:
            ConfigError: RIYL_DATABASE_URL is not the address of one.
        """
        database = cls(make_engine(database_url(settings)), Home(settings.home))
        if database.is_sqlite and database.is_fresh():
            database.upgrade()
        return database

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @property
    def file(self) -> Path | None:
        """SQLite's file; None of PostgreSQL."""
        return Path(self.engine.url.database or "") if self.is_sqlite else None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction; one writer at a time on SQLite.

        Raises:
            DatabaseDownError: it cannot be reached.
            SchemaError: it is of another release.
        """
        with translated(self.file):
            self._check()
            with self.engine.begin() as connection:
                yield connection

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """A transaction that waits until nobody else is in one of these. Raises as `write`."""
        with self.write() as connection:
            if not self.is_sqlite:
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (ALONE_LOCK,))
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads, and waits for no writer. Raises as `write`."""
        with translated(self.file):
            self._check()
            with self.engine.connect() as connection:
                yield connection.execution_options(riyl_begin="BEGIN DEFERRED")

    @contextmanager
    def read_whole(self) -> Iterator[Connection]:
        """The same, and all that is read is of one moment. Raises as `write`."""
        with self.read() as connection:
            if not self.is_sqlite:  # SQLite's always is
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    def check(self, connection: Connection) -> str:
        """Hold the database to what its home has seen of it; first in every transaction that decides what is hidden or
        current, or that writes down what is.

        Returns:
            The database's id.

        Raises:
            StaleDatabaseError: it lacks something of that.
        """
        return check_seen(connection, {} if self._copies is None else self._copies.stamps())

    def is_fresh(self) -> bool:
        """Whether nothing was ever made in it.

        Raises:
            DatabaseDownError: it cannot be reached.
        """
        if self.is_sqlite and not Path(self.engine.url.database or "").exists():
            return True
        with translated(self.file), self.engine.connect() as connection:
            return revision_of(connection) is None

    def upgrade(self) -> None:
        """Bring the tables to this release's. One process does it, the others wait; what is there stays.

        Raises:
            DatabaseDownError: it cannot be reached.
            SchemaError: it is of a newer release.
        """
        with translated(self.file), self.upgrade_lock(), self.engine.connect() as connection:
            upgrade_schema(connection)

    @contextmanager
    def upgrade_lock(self) -> Iterator[None]:
        """Held by the one process that upgrades."""
        if not self.is_sqlite:
            with self.engine.connect() as opened:
                # no transaction and no wait inside the database: DBOS's CREATE INDEX CONCURRENTLY waits for either
                connection = opened.execution_options(isolation_level="AUTOCOMMIT")
                while not connection.exec_driver_sql("SELECT pg_try_advisory_lock(%s)", (UPGRADE_LOCK,)).scalar():
                    time.sleep(POLL_S)
                try:
                    yield
                finally:  # the pool keeps the session, and the session would keep the lock
                    connection.exec_driver_sql("SELECT pg_advisory_unlock(%s)", (UPGRADE_LOCK,))
            return
        path = Path(self.engine.url.database or "")
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path.with_name(f".{path.name}.upgrade"), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Close its connections."""
        self.engine.dispose()

    def _forget(self, connection: object, record: object) -> None:
        self._checked = False

    def _check(self) -> None:
        if self._checked:
            return
        with self.engine.connect() as connection:
            revision = revision_of(connection)
        if revision != HEAD:
            state = "nothing in it yet" if revision is None else f"schema {revision}"
            raise SchemaError(f"found a database with {state}; this RIYL needs schema {HEAD}: run riyl db upgrade")
        self._checked = True


@contextmanager
def translated(file: Path | None = None) -> Iterator[None]:
    """Turn the driver's errors into ours.

    Args:
        file: of SQLite, for the message, since SQLite names neither it nor why the system refused it.

    Raises:
        DatabaseDownError: the database cannot be reached.
        DatabaseError: it refused.
    """
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError) as error:
        raise DatabaseDownError(f"the database cannot be reached: {_reason(error, file)}") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseDownError(f"the database cannot be reached: {_first_line(error)}") from error
        raise DatabaseError(f"the database refused: {_first_line(error)}") from error


def _reason(error: Exception, file: Path | None) -> str:
    if file is None:
        return _first_line(error)
    try:
        os.close(os.open(file if file.exists() else file.parent, os.O_RDWR if file.exists() else os.O_RDONLY))
        refused = "" if os.access(file.parent, os.W_OK) else f" ({file.parent} cannot be written to)"
    except OSError as os_error:
        refused = f" ({os_error.strerror})"
    return f"{file}: {_first_line(error)}{refused}"


def _first_line(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return str(cause).strip().split("\n", 1)[0]


def set_pragmas(connection: sqlite3.Connection) -> None:
    """Make a connection to SQLite wait for others, and keep what was committed through a loss of power."""
    for pragma in (f"busy_timeout={BUSY_MS}", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    deadline = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:  # here SQLite does not wait for others: somebody makes the file
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)


def _sqlite_connected(connection: Any, record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver begins no transactions of its own: ours are whole, DDL included
    set_pragmas(connection)
    path = Path(connection.execute("PRAGMA database_list").fetchone()[2])
    record.info["file"] = path, _file_at(path)


def _sqlite_taken(connection: object, record: ConnectionPoolEntry, proxy: object) -> None:
    """Connect anew where another file has taken the place of the one that is open: nobody would see what is written."""
    path, opened = record.info["file"]
    if _file_at(path) != opened:
        raise DisconnectionError(f"{path} is another file than before")


def _file_at(path: Path) -> tuple[int, int] | None:
    """Device and inode."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _sqlite_begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("riyl_begin", "BEGIN IMMEDIATE"))

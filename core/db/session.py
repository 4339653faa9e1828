"""Connections to the database (SQLite in the home, or PostgreSQL), transactions, and translation of errors."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from riyl.core.db.faults import RecentFaults, damaged, is_busy, translated
from riyl.core.db.revisions import check_seen
from riyl.core.db.upgrade import HEAD, revision_of, upgrade_schema
from riyl.core.errors import ConfigError, DatabaseDamagedError, SchemaError
from riyl.core.setting_checks import postgres_url
from riyl.core.settings import Home, Settings
from riyl.core.storage.copies import Copies

FILE = "riyl.sqlite"
JOBS_FILE = "jobs.sqlite"

CONNECT_S = 3
"""Timeout of connecting to PostgreSQL, in seconds."""

BUSY_MS = 30_000
"""Maximum time that a writer waits for another, in milliseconds."""

UPGRADE_LOCK = 0x5249594C
"""Advisory lock of PostgreSQL that an upgrade holds; the letters "RIYL"."""

POLL_S = 0.05
"""Polling interval of a lock that another process holds, in seconds."""

ALONE_LOCK = 0x5249594D


def database_url(settings: Settings, file: str = FILE) -> URL:
    """Return the address of the database: RIYL_DATABASE_URL, or if it is unset `file` in the home.

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
    """Make an engine with the pragmas, timeouts and transactions that RIYL relies on, without connecting."""
    if url.get_backend_name() == "sqlite":
        engine = make_sqlite_engine(url, isolation_level=None)
        event.listen(engine, "begin", _sqlite_begin)
        return engine
    return create_engine(url, pool_pre_ping=True, pool_timeout=5, connect_args={"connect_timeout": CONNECT_S})


def make_sqlite_engine(url: URL, *, isolation_level: Literal["IMMEDIATE"] | None) -> Engine:
    """Make an engine of SQLite that waits for other writers, keeps every commit, and notices a replaced file.

    Args:
        url: address of the file.
        isolation_level: how sqlite3 begins transactions by itself; with None it begins none.
    """

    def connected(connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
        connection.isolation_level = isolation_level
        set_pragmas(connection)
        path = Path(connection.execute("PRAGMA database_list").fetchone()[2])
        record.info["file"] = path, _file_at(path)
        record.info["writable"] = os.access(path, os.W_OK)

    engine = create_engine(url)
    event.listen(engine, "connect", connected)
    event.listen(engine, "checkout", _sqlite_taken)
    event.listen(engine, "checkin", _sqlite_returned)
    return engine


class Database:
    """The database of a home.

    Args:
        engine: from `make_engine`.
        home: home whose copies define what the database must have; None checks nothing.

    Attributes:
        faults: recent faults of its storage, and of the storage of the jobs.
    """

    def __init__(self, engine: Engine, home: Home | None = None) -> None:
        self.engine = engine
        self._copies = None if home is None else Copies(home)
        self._checked = self._had_tables = False
        self._opened: object = None
        self.faults = RecentFaults()
        # a new connection may be to another database under the same name
        event.listen(engine, "connect", self._forget)

    @classmethod
    def of(cls, settings: Settings) -> Database:
        """Open the database that the settings name; a missing SQLite file is created.

        Raises:
            ConfigError: RIYL_DATABASE_URL is not the address of a database.
        """
        database = cls(make_engine(database_url(settings)), Home(settings.home))
        with suppress(DatabaseDamagedError):  # later uses raise it again; some processes work without the database
            if database.is_sqlite and database.is_fresh():
                database.upgrade()
        return database

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @property
    def file(self) -> Path | None:
        """File of SQLite; None for PostgreSQL."""
        return Path(self.engine.url.database or "") if self.is_sqlite else None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that writes; one writer at a time on SQLite.

        Raises:
            DatabaseDownError: it cannot be reached.
            SchemaError: it is of another release.
        """
        with translated(self.file, self.faults):
            self._check()
            with self.engine.begin() as connection:
                yield connection

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """Open a transaction that excludes all others of this kind. Raises as `write`."""
        with self.write() as connection:
            if not self.is_sqlite:
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (ALONE_LOCK,))
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that only reads, and waits for no writer. Raises as `write`."""
        with translated(self.file, self.faults):
            self._check()
            with self.engine.connect() as connection:
                yield connection.execution_options(riyl_begin="BEGIN DEFERRED")

    @contextmanager
    def read_whole(self) -> Iterator[Connection]:
        """Open a transaction that reads a consistent state. Raises as `write`."""
        with self.read() as connection:
            if not self.is_sqlite:  # SQLite always reads a consistent state
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    def check(self, connection: Connection) -> str:
        """Check that the database has every state that its home has seen.

        Must come first in every transaction that decides what is hidden or current, or that writes such facts.

        Returns:
            The database's id.

        Raises:
            StaleDatabaseError: it lacks such a state.
        """
        return check_seen(connection, {} if self._copies is None else self._copies.stamps())

    def is_fresh(self) -> bool:
        """Check whether the database has no tables yet.

        Raises:
            DatabaseDownError: it cannot be reached.
        """
        if self.is_sqlite and not Path(self.engine.url.database or "").exists():
            return True
        with translated(self.file, self.faults), self.engine.connect() as connection:
            return revision_of(connection) is None

    def upgrade(self) -> None:
        """Upgrade the tables to this release, keeping their rows; one process upgrades while the others wait.

        Raises:
            DatabaseDownError: it cannot be reached.
            SchemaError: it is of a newer release.
        """
        with translated(self.file, self.faults), self.upgrade_lock(), self.engine.connect() as connection:
            upgrade_schema(connection)

    @contextmanager
    def upgrade_lock(self) -> Iterator[None]:
        """Hold the lock of the one process that upgrades."""
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

    def _forget(self, connection: object, record: ConnectionPoolEntry) -> None:
        self._checked = False
        opened = record.info.get("file")
        if opened != self._opened:  # faults of another file do not apply any more
            self._opened = opened
            self.faults.clear()

    def _check(self) -> None:
        if self._checked:
            return
        with self.engine.connect() as connection:
            revision = revision_of(connection)
        if revision is None and self._had_tables and self.file is not None:
            raise damaged(self.file, "its tables are missing")
        if revision != HEAD:
            state = "no tables" if revision is None else f"schema {revision}"
            raise SchemaError(f"found a database with {state}; this RIYL needs schema {HEAD}: run riyl db upgrade")
        self._checked = self._had_tables = True


def set_pragmas(connection: sqlite3.Connection) -> None:
    """Make a connection to SQLite wait for others, and keep commits through a loss of power."""
    for pragma in (f"busy_timeout={BUSY_MS}", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    deadline = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:  # SQLite does not wait here for another process that creates the file
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)


def _sqlite_taken(connection: object, record: ConnectionPoolEntry, proxy: object) -> None:
    """Reconnect if the file was replaced since it was opened: writes to the old file would be lost."""
    path, opened = record.info["file"]
    if _file_at(path) != opened:
        raise DisconnectionError(f"{path} was replaced by another file")


def _sqlite_returned(connection: object, record: ConnectionPoolEntry) -> None:
    """Keep no connection to a read-only file: it would stay read-only after the disk is repaired."""
    if connection is not None and not record.info["writable"]:
        record.invalidate()


def _file_at(path: Path) -> tuple[int, int] | None:
    """Return device and inode."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _sqlite_begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("riyl_begin", "BEGIN IMMEDIATE"))

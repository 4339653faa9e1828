"""Meaning of errors of SQLite and PostgreSQL: unreachable, busy, damaged, full, read-only, or a rejected statement."""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from riyl.core.errors import (
    DatabaseBusyError,
    DatabaseDamagedError,
    DatabaseDownError,
    DatabaseError,
    DatabaseFullError,
    DatabaseReadOnlyError,
    RiylError,
    SchemaError,
    StorageError,
    StorageFullError,
    StorageReadOnlyError,
)
from riyl.core.files import has_room

RECENT_S = 60.0
"""Time after its last occurrence for which a fault is reported, in seconds."""

PRIMARY = 0xFF
"""Mask of SQLite's primary result code in an extended one (https://sqlite.org/rescode.html)."""

SQLITE_KINDS: Mapping[int, type[DatabaseError]] = {
    sqlite3.SQLITE_CORRUPT: DatabaseDamagedError,
    sqlite3.SQLITE_NOTADB: DatabaseDamagedError,
    sqlite3.SQLITE_FORMAT: DatabaseDamagedError,
    sqlite3.SQLITE_IOERR_READ: DatabaseDamagedError,
    sqlite3.SQLITE_IOERR_SHORT_READ: DatabaseDamagedError,
    sqlite3.SQLITE_IOERR_CORRUPTFS: DatabaseDamagedError,
    sqlite3.SQLITE_FULL: DatabaseFullError,
    sqlite3.SQLITE_READONLY: DatabaseReadOnlyError,
    sqlite3.SQLITE_READONLY_DBMOVED: DatabaseDownError,
    sqlite3.SQLITE_PERM: DatabaseReadOnlyError,
    sqlite3.SQLITE_BUSY: DatabaseBusyError,
    sqlite3.SQLITE_LOCKED: DatabaseBusyError,
    sqlite3.SQLITE_PROTOCOL: DatabaseBusyError,
}
"""Error by extended or primary result code. Codes that are missing here depend on the file, see `_kind_by_file`."""

POSTGRES_KINDS: Mapping[str, type[DatabaseError]] = {
    "53100": DatabaseFullError,  # disk_full
    "25006": DatabaseReadOnlyError,  # read_only_sql_transaction
    "XX001": DatabaseDamagedError,  # data_corrupted
    "XX002": DatabaseDamagedError,  # index_corrupted
    "58P01": DatabaseDamagedError,  # undefined_file
    "55P03": DatabaseBusyError,  # lock_not_available
    "40001": DatabaseBusyError,  # serialization_failure
    "40P01": DatabaseBusyError,  # deadlock_detected
}
"""Error by SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
"""Error numbers of the operating system for a full and for a read-only storage."""

TEXTS: Mapping[type[DatabaseError], str] = {
    DatabaseError: "the database rejected the statement",
    DatabaseDownError: "the database cannot be reached",
    DatabaseBusyError: "other processes keep the database locked",
    DatabaseDamagedError: "the database is damaged; restore it from a backup",
    DatabaseFullError: "no space is left on the disk of the database",
    DatabaseReadOnlyError: "the database cannot be written",
    SchemaError: "the database is of another release, run riyl db upgrade",
}


class RecentFaults:
    """Storage faults that occurred recently.

    Args:
        clock: returns seconds, from any starting point.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._met: dict[str, float] = {}

    def add(self, error: StorageError) -> None:
        """Record a fault that occurred now."""
        self._met[error.public] = self._clock()

    def clear(self) -> None:
        """Forget all faults."""
        self._met.clear()

    def recent(self) -> list[str]:
        """Return the faults of the last `RECENT_S`, without the paths of files."""
        since = self._clock() - RECENT_S
        return sorted(public for public, at in self._met.copy().items() if at > since)


@contextmanager
def translated(file: Path | None = None, faults: RecentFaults | None = None) -> Iterator[None]:
    """Translate the driver's errors into RIYL's.

    Args:
        file: file of SQLite, whose errors name neither the file nor the reason of the operating system.
        faults: records storage faults.

    Raises:
        DatabaseDownError: the database cannot be used, see its subclasses.
        SchemaError: it lacks a table or column.
        DatabaseError: it rejected the statement.
    """
    try:
        with _translated(file):
            yield
    except StorageError as error:
        if faults is not None:
            faults.add(error)
        raise


@contextmanager
def _translated(file: Path | None) -> Iterator[None]:
    try:
        yield
    except (RiylError, OSError):
        raise
    except (DBAPIError, PoolTimeoutError) as error:
        raise database_error(error, file) from error
    except Exception as error:
        # damaged rows may have values that RIYL never writes, before SQLite notices the damage
        if file is None or is_whole(file):
            raise
        raise damaged(file, str(error)) from error


def damaged(file: Path, reason: str) -> DatabaseDamagedError:
    """Return the error for a damaged file of SQLite."""
    return DatabaseDamagedError(_message(DatabaseDamagedError, file, reason), file=file.name)


def database_error(error: DBAPIError | PoolTimeoutError, file: Path | None) -> DatabaseError:
    """Translate an error of SQLAlchemy by its code; `file` is SQLite's."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = str(cause).strip().split("\n", 1)[0]
    if isinstance(cause, sqlite3.Error) and file is not None:
        kind, reason = _meant_by_sqlite(cause, file)
        text = f"{text}{reason}"
    elif isinstance(error, DBAPIError) and error.connection_invalidated:
        kind = DatabaseDownError
    else:
        default = isinstance(error, OperationalError | InterfaceError | PoolTimeoutError)
        kind = POSTGRES_KINDS.get(_sqlstate(cause), DatabaseDownError if default else DatabaseError)
    if issubclass(kind, DatabaseBusyError):
        # without SQLite's words, which make DBOS retry for ever
        text = f"for longer than the timeout ({type(cause).__name__})"
    message = _message(kind, file, text)
    if issubclass(kind, StorageError):
        return kind(message, file="the database" if file is None else file.name)
    return kind(message)


def storage_error(error: OSError) -> StorageError | None:
    """Return the storage fault that an operating system error stands for; None if it is of another kind."""
    if error.errno not in FULL | READ_ONLY:
        return None
    kind = StorageFullError if error.errno in FULL else StorageReadOnlyError
    path = error.filename2 or error.filename
    return kind(str(error), file=None if path is None else Path(os.fsdecode(path)).name)


def sqlite_code(error: sqlite3.Error) -> int:
    """Return the result code of SQLite, extended; 0 if Python raised the error without a code."""
    return int(vars(error).get("sqlite_errorcode", 0))


def is_busy(error: sqlite3.Error) -> bool:
    """Check whether other processes had locked the file."""
    return SQLITE_KINDS.get(sqlite_code(error) & PRIMARY) is DatabaseBusyError


def is_whole(file: Path) -> bool:
    """Check whether SQLite finds its file undamaged; also true if it cannot check."""
    return _holds(file, "SELECT quick_check = 'ok' FROM pragma_quick_check(1)")


def has_tables(file: Path) -> bool:
    """Check whether a file of SQLite has any table; also true if it cannot check."""
    return _holds(file, "SELECT count(*) > 0 FROM sqlite_master")


def _holds(file: Path, statement: str) -> bool:
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return bool(connection.execute(statement).fetchone()[0])
    except sqlite3.Error as error:
        return SQLITE_KINDS.get(sqlite_code(error) & PRIMARY) is not DatabaseDamagedError


def _meant_by_sqlite(error: sqlite3.Error, file: Path) -> tuple[type[DatabaseError], str]:
    """Return the kind of a SQLite error, and the operating system's reason."""
    code = sqlite_code(error)
    primary = code & PRIMARY
    kind = SQLITE_KINDS.get(code) or SQLITE_KINDS.get(primary)
    if primary == sqlite3.SQLITE_ERROR:
        if not (is_whole(file) and has_tables(file)):
            return DatabaseDamagedError, ""
        return SchemaError if str(error).startswith(("no such table", "no such column")) else DatabaseError, ""
    if kind is DatabaseReadOnlyError or (primary in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR) and kind is None):
        by_file, reason = _kind_by_file(file)
        return kind or by_file, reason
    if kind is not None:
        return kind, ""
    if not code and isinstance(error, sqlite3.OperationalError):  # a row contains text that is not UTF-8
        return DatabaseDamagedError, ""
    down = isinstance(error, sqlite3.OperationalError | sqlite3.InterfaceError)
    return DatabaseDownError if down else DatabaseError, ""


def _kind_by_file(file: Path) -> tuple[type[DatabaseError], str]:
    """Find out why SQLite could not use a file, by opening it again; SQLite does not report the reason."""
    try:
        os.close(os.open(file, os.O_RDWR) if file.exists() else os.open(file.parent, os.O_RDONLY))
    except OSError as error:
        number, reason = error.errno, f" ({error.strerror})"
        if number in FULL:
            return DatabaseFullError, reason
        if number in READ_ONLY:
            return DatabaseReadOnlyError, reason
        return DatabaseDamagedError if number == errno.EISDIR else DatabaseDownError, reason
    if not os.access(file.parent, os.W_OK):
        return DatabaseReadOnlyError, f" ({file.parent} cannot be written to)"
    if not has_room(file.parent):
        return DatabaseFullError, f" ({os.strerror(errno.ENOSPC)})"
    return DatabaseDownError, ""


def _sqlstate(error: BaseException) -> str:
    from psycopg import Error as PostgresError  # not imported if the database is SQLite

    return (error.sqlstate or "") if isinstance(error, PostgresError) else ""


def _message(kind: type[DatabaseError], file: Path | None, text: str) -> str:
    return f"{TEXTS[kind]}: {text}" if file is None else f"{TEXTS[kind]}: {file}: {text}"

"""Lock that lets one process at a time act under the name of a worker."""

from __future__ import annotations

import fcntl
import os
import threading
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from riyl.core.db.faults import translated
from riyl.core.db.session import UPGRADE_LOCK, Database


class WorkerLock:
    """Exclusive lock that a process holds as long as it lives.

    On PostgreSQL it is an advisory lock of a session of its own, by name; on SQLite a lock on a file in the home.
    """

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._name = name
        self._connection: Connection | None = None
        self._descriptor: int | None = None
        self._guard = threading.Lock()

    def take(self) -> bool:
        """Acquire the lock, or confirm that it is still held; False if another process holds it.

        Raises:
            DatabaseDownError: the database cannot be reached.
        """
        with self._guard:
            return self._take_file() if self._database.is_sqlite else self._take_session()

    def release(self) -> None:
        """Release the lock."""
        with self._guard:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
            if self._connection is not None:
                with suppress(DBAPIError):  # a session that has ended has released it
                    self._connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")
                self._connection.invalidate()
                self._connection = None

    def _take_file(self) -> bool:
        if self._descriptor is not None:
            return True
        path = Path(self._database.engine.url.database or "").with_name(".worker.lock")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def _take_session(self) -> bool:
        with translated():
            if self._connection is not None:
                try:
                    self._connection.exec_driver_sql("SELECT 1")
                    return True
                except DBAPIError:
                    self._connection.invalidate()
                    self._connection = None
            connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            cursor = connection.exec_driver_sql(
                "SELECT pg_try_advisory_lock(%s, hashtext(%s))", (UPGRADE_LOCK, self._name)
            )
            if not cursor.scalar():
                connection.close()
                return False
            self._connection = connection
            return True

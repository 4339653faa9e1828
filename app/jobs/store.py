"""Storage of jobs by DBOS: tables of its own, beside RIYL's in PostgreSQL, in a separate file with SQLite."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from dbos import DBOS, Serializer
from dbos import error as dbos_error
from dbos._serialization import DefaultSerializer
from sqlalchemy import Engine, ExceptionContext, create_engine, event, inspect
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from riyl.app.jobs.disclosure import ALL_IS_IN, shown_error
from riyl.core.db.faults import database_error, translated
from riyl.core.db.session import JOBS_FILE, Database, database_url, make_sqlite_engine
from riyl.core.errors import DatabaseDamagedError, DatabaseDownError, DatabaseError, StorageError
from riyl.core.settings import Settings

log = logging.getLogger(__name__)

APPLICATION = "riyl"

FORMAT = "2"
"""Format of a job's input and steps.

A worker runs only jobs of its own format, so change it when these change, not with every release: a job that an
upgrade interrupted must continue.
"""

INDEX_QUEUE = "index"
"""Queue of jobs that make versions current: one at a time, whatever the number of workers."""

WORK_QUEUE = "work"
"""Queue of all other jobs: also one at a time, beside a re-index."""


class JobError(Exception):
    """Error of a failed job, as it was stored.

    Attributes:
        shown: the text that HTTP shows.
    """

    def __init__(self, message: str, shown: str = ALL_IS_IN) -> None:
        super().__init__(message)
        self.shown = shown


class JsonSerializer(Serializer):
    """Serializer of inputs, results and errors as JSON: reading it executes nothing, and people can read it too."""

    def serialize(self, data: Any) -> str:
        if isinstance(data, dbos_error.DBOSMaxStepRetriesExceeded) and data.errors:
            data = data.errors[-1]  # the cause of the failure
        if isinstance(data, BaseException):
            shown = data.shown if isinstance(data, JobError) else shown_error(data)
            return json.dumps({"error": type(data).__name__, "message": str(data), "shown": shown})
        return json.dumps({"value": data}, ensure_ascii=False, allow_nan=False, default=_time)

    def deserialize(self, serialized_data: str) -> Any:
        read = json.loads(serialized_data)
        return JobError(read["message"], read.get("shown", ALL_IS_IN)) if "error" in read else read["value"]

    def name(self) -> str:
        return "riyl_json"


def refuse_pickles() -> None:
    """Prevent DBOS from reading pickles, which execute code.

    It would read one where a row says so, whatever serializer it was given.
    """
    DefaultSerializer.deserialize = _refuse_pickle  # type: ignore[method-assign, assignment]


def _refuse_pickle(_: DefaultSerializer, serialized_data: str) -> Any:
    raise JobError("found a pickled value among the jobs, which RIYL does not read; wanted JSON")


def jobs_engine(settings: Settings) -> Engine:
    """Create an engine for DBOS, which begins its transactions itself; it connects to nothing yet.

    Raises:
        ConfigError: RIYL_DATABASE_URL is not the address of a database.
    """
    url = database_url(settings, JOBS_FILE)
    if url.get_backend_name() != "sqlite":
        engine = create_engine(
            url, pool_pre_ping=True, pool_timeout=5, pool_size=10, connect_args={"connect_timeout": 3}
        )
        event.listen(engine, "handle_error", _unreachable)
        return engine
    return make_sqlite_engine(url, isolation_level="IMMEDIATE")


def jobs_file(settings: Settings) -> Path | None:
    """Return SQLite's file of the jobs; None with PostgreSQL."""
    url = database_url(settings, JOBS_FILE)
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def raise_faults(engine: Engine, file: Path) -> None:
    """Let an engine of SQLite raise RIYL's errors at once: DBOS itself would retry a locked file for ever."""

    def act(fault: DatabaseDownError, _: ExceptionContext) -> None:
        raise fault

    _on_fault(engine, file, act)


def wait_for_storage(engine: Engine, file: Path | None, damaged: Callable[[DatabaseDamagedError], None]) -> None:
    """Let DBOS wait while a disk is full or read-only; else a job whose end cannot be stored would run for ever.

    Args:
        engine: engine of DBOS.
        file: file of SQLite; None with PostgreSQL.
        damaged: called on damage, which waiting cannot repair.
    """

    def act(fault: DatabaseDownError, context: ExceptionContext) -> None:
        if isinstance(fault, DatabaseDamagedError):
            damaged(fault)
        elif isinstance(fault, StorageError):
            log.error("jobs_wait_for_storage", extra={"reason": str(fault)})
            context.is_disconnect = True  # DBOS waits only for lost connections

    _on_fault(engine, file, act)


def _on_fault(engine: Engine, file: Path | None, act: Callable[[DatabaseDownError, ExceptionContext], None]) -> None:
    def translate(context: ExceptionContext) -> None:
        if isinstance(context.sqlalchemy_exception, DBAPIError):
            fault = database_error(context.sqlalchemy_exception, file)
            if isinstance(fault, DatabaseDownError):  # DBOS handles other errors, such as a duplicate id
                act(fault, context)

    event.listen(engine, "handle_error", translate)


def upgrade_jobs(settings: Settings, database: Database) -> None:
    """Upgrade DBOS's tables to this release. One process does so, others wait.

    Raises:
        DatabaseDownError: the database cannot be reached.
        DatabaseError: the migration failed.
    """
    with translated(jobs_file(settings), database.faults), database.upgrade_lock():
        try:
            DBOS.migrate(_plain(database_url(settings, JOBS_FILE)))
        except dbos_error.DBOSException as error:
            raise DatabaseError(f"the tables of the jobs cannot be upgraded: {error}") from error


def upgrade_fresh_jobs(settings: Settings, database: Database) -> None:
    """Create DBOS's tables in a home without any; any other database is left to `riyl db upgrade`."""
    file = jobs_file(settings)
    if file is None:
        return
    if file.exists():
        engine = jobs_engine(settings)
        try:
            with translated(file, database.faults):
                if inspect(engine).has_table("workflow_status"):
                    return
        finally:
            engine.dispose()
    upgrade_jobs(settings, database)


def _time(value: object) -> str:
    """Return the time of a schedule as text; no other value that is not JSON is stored."""
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"found a value of type {type(value).__name__}; wanted JSON")


def _plain(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def _unreachable(context: ExceptionContext) -> None:
    """Mark every connection that cannot be made as a lost one.

    DBOS waits for a lost connection, and fails a job on any other error. It tells them apart by the error's text, which
    differs for a host whose name does not resolve; a stopped container is one.
    """
    if context.connection is None and isinstance(context.original_exception, psycopg.OperationalError):
        context.is_disconnect = True

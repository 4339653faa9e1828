"""Worker: the process that runs the jobs."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

from dbos import DBOS
from dbos import error as dbos_error

from riyl.app.jobs import store
from riyl.app.jobs.child import RUNNING, say_to_service
from riyl.app.jobs.client import Jobs
from riyl.app.jobs.flows import register
from riyl.app.jobs.steps import Steps, worker_threads
from riyl.core.db.faults import translated
from riyl.core.db.session import Database
from riyl.core.db.worker_lock import WorkerLock
from riyl.core.errors import (
    DatabaseDamagedError,
    DatabaseDownError,
    MismatchError,
    RiylError,
    SchemaError,
    StorageError,
)
from riyl.core.settings import Home, Settings
from riyl.index.versions.lifecycle import follow

log = logging.getLogger(__name__)

NICE = 10
"""Increment of the niceness of the process, so that queries have priority."""

TAKE_S = 1.0
"""Maximum time of the attempts to take the worker's place, in seconds."""

LOOK_S = 5.0
"""Interval of the checks that the worker still has its place, in seconds."""

POLL_S = 0.5
"""Polling interval of the queues, in seconds."""

SCHEDULE = "reindex"


def work(settings: Settings, *, until_closed: bool = False) -> None:
    """Run jobs until SIGTERM or SIGINT, which leave a running job to the next start; ends the process.

    Args:
        settings: settings of the home and the worker.
        until_closed: also end once standard input is closed, because the process that started this one is gone.

    Raises:
        MismatchError: another process holds this worker's place.
        DatabaseDownError: the database cannot be reached.
        SchemaError: it is of another release.
    """
    try:
        _work(settings, until_closed)
    except Exception as error:
        if not until_closed:
            raise
        # the service logs the reason; all threads of libraries end now
        if not isinstance(error, RiylError | OSError):
            log.error("worker_crashed", exc_info=error)
        # the service shows the reason to every client
        reason = error.public if isinstance(error, StorageError) else str(error)
        say_to_service(reason or type(error).__name__)
        logging.shutdown()
        os._exit(1)


def _work(settings: Settings, until_closed: bool) -> None:
    os.nice(NICE)
    database = Database.of(settings)
    lock = WorkerLock(database, settings.worker)
    if not _take(lock):
        raise MismatchError(_taken(database, settings))
    store.upgrade_fresh_jobs(settings, database)
    try:
        follow(Home(settings.home).versions, database)
    except SchemaError:
        raise
    except RiylError as error:
        log.warning("promotions_unknown reason=%s", error)
    stop = threading.Event()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if until_closed:
        threading.Thread(target=_until_closed, args=(stop,), daemon=True).start()
    damage: list[DatabaseDamagedError] = []

    def end(fault: DatabaseDamagedError) -> None:
        damage.append(fault)
        stop.set()

    _launch(settings, database, end)
    if until_closed:
        say_to_service(RUNNING)
    log.info("worker_started", extra={"worker": settings.worker, "threads": worker_threads(settings)})
    _hold(lock, stop, settings)
    if damage:
        log.error("database_damaged", extra={"reason": str(damage[0])})
        if until_closed:
            say_to_service(damage[0].public)
        logging.shutdown()
        os._exit(1)
    log.info("worker_ended", extra={"worker": settings.worker})
    logging.shutdown()
    # at once, as if killed: an interrupted step runs again at the next start, whatever it waits for now
    os._exit(0)


def _take(lock: WorkerLock) -> bool:
    """Take the worker's place; retry, because a process that only checks whether it is taken also holds it briefly."""
    end = monotonic() + TAKE_S
    while not (taken := lock.take()) and monotonic() < end:
        sleep(0.1)
    return taken


def _launch(settings: Settings, database: Database, damaged: Callable[[DatabaseDamagedError], None]) -> None:
    engine, file = store.jobs_engine(settings), store.jobs_file(settings)
    store.wait_for_storage(engine, file, damaged)
    DBOS(
        config={
            "name": store.APPLICATION,
            "application_version": store.FORMAT,
            "executor_id": settings.worker,
            "system_database_engine": engine,
            "serializer": store.JsonSerializer(),
            "run_migrations": False,
            "enable_otlp": False,
            "log_level": "WARNING",
            "scheduler_polling_interval_sec": LOOK_S,
        }
    )
    library = logging.getLogger("dbos")  # its records are formatted like all others
    library.handlers.clear()
    library.propagate = True
    steps = Steps(settings, database, worker_threads(settings))
    scheduled = register(steps, Jobs(settings, database))
    try:
        with translated(file):
            DBOS.launch()
    except dbos_error.DBOSInitializationError as error:
        raise SchemaError("the tables of the jobs are of another release: run riyl db upgrade") from error
    for queue in (store.INDEX_QUEUE, store.WORK_QUEUE):
        DBOS.register_queue(queue, global_concurrency=1, polling_interval_sec=POLL_S, on_conflict="always_update")
    if settings.reindex_cron is None:
        DBOS.delete_schedule(SCHEDULE)
        return
    DBOS.apply_schedules(
        [{"schedule_name": SCHEDULE, "workflow_fn": scheduled, "schedule": settings.reindex_cron, "context": None}]
    )


def _hold(lock: WorkerLock, stop: threading.Event, settings: Settings) -> None:
    """Keep the worker's place, and record so in the home, until it is to stop; exit if another process has taken it."""
    alive = Home(settings.home).workers / settings.worker
    _touch(alive)
    while not stop.wait(LOOK_S):
        try:
            held = lock.take()
        except DatabaseDownError as error:
            log.warning("database_down", extra={"reason": str(error)})
            continue
        if not held:
            log.error("place_lost", extra={"worker": settings.worker})
            logging.shutdown()
            os._exit(1)
        _touch(alive)


def _touch(path: Path) -> None:
    try:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    except OSError as error:  # a full disk is no reason to stop: readers see that the file gets old
        log.warning("alive_not_written", extra={"reason": str(error)})


def _taken(database: Database, settings: Settings) -> str:
    if database.is_sqlite:
        return (
            f"another worker runs on {settings.home}; SQLite has one worker at a time: stop the other one, "
            "or give PostgreSQL's address in RIYL_DATABASE_URL"
        )
    return f"another worker named {settings.worker!r} runs; give each one a name of its own in RIYL_WORKER"


def _until_closed(stop: threading.Event) -> None:
    # not sys.stdin: a thread that holds its lock would crash the interpreter at exit
    while os.read(0, 1024):
        pass
    stop.set()

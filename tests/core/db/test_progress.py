from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from riyl.core.db.progress import JobProgress, progress_of, save_progress
from riyl.core.db.session import Database

BEGUN = JobProgress("embed", 2, 7, "artists", 10, 100, 4.5, datetime(2026, 3, 1, 2, 0, 0, 250000, tzinfo=UTC))


def saved(database: Database, job: str, progress: JobProgress) -> None:
    with database.write() as connection:
        save_progress(connection, job, progress)


def found(database: Database, *jobs: str) -> dict[str, JobProgress]:
    with database.read() as connection:
        return progress_of(connection, list(jobs))


def test_progress_is_what_was_said_last(database: Database) -> None:
    ended = replace(BEGUN, done=100, seconds_left=0.0)
    saved(database, "j1", BEGUN)
    assert found(database, "j1") == {"j1": BEGUN}
    saved(database, "j1", ended)
    assert found(database, "j1") == {"j1": ended}


def test_jobs_that_have_not_begun_are_left_out(database: Database) -> None:
    unknown = replace(BEGUN, total=0, seconds_left=None)
    saved(database, "j1", BEGUN)
    saved(database, "j2", unknown)
    assert found(database, "j2", "j1", "j3") == {"j1": BEGUN, "j2": unknown}
    assert found(database, "j3") == found(database) == {}

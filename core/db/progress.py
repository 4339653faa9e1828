"""Progress of jobs: one row per job, replaced as the job advances."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from riyl.core.db.tables import job_progress


@dataclass(frozen=True)
class JobProgress:
    """Progress of a job.

    Attributes:
        step: the running step, the `number`-th of `steps`.
        what: unit that is counted in the step, `done` of `total`; a total of 0 is unknown.
        seconds_left: time until `total` is reached at the present pace; None if unknown.
    """

    step: str
    number: int
    steps: int
    what: str
    done: int
    total: int
    seconds_left: float | None
    at: datetime


def save_progress(connection: Connection, job: str, progress: JobProgress) -> None:
    """Replace the stored progress of a job."""
    connection.execute(delete(job_progress).where(job_progress.c.job == job))
    connection.execute(insert(job_progress).values(job=job, **asdict(progress)))


def progress_of(connection: Connection, jobs: list[str]) -> dict[str, JobProgress]:
    """Return the progress by job, without jobs that have not begun."""
    rows = connection.execute(select(job_progress).where(job_progress.c.job.in_(jobs)))
    return {
        row.job: JobProgress(row.step, row.number, row.steps, row.what, row.done, row.total, row.seconds_left, row.at)
        for row in rows
    }

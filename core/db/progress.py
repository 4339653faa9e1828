"""How far a job is: one row a job, replaced as it goes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from riyl.core.db.tables import job_progress


@dataclass(frozen=True)
class JobProgress:
    """How far a job is.

    Attributes:
        step: what runs, as the `number`-th of `steps`.
        what: what is counted in it, `done` of `total`; a total of 0 is not known.
        seconds_left: until `total` is reached at the pace so far; None where it cannot be told.
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
    """Put this in the place of what was said before."""
    connection.execute(delete(job_progress).where(job_progress.c.job == job))
    connection.execute(insert(job_progress).values(job=job, **asdict(progress)))


def progress_of(connection: Connection, jobs: list[str]) -> dict[str, JobProgress]:
    """By job, how far it is; without those that have not begun."""
    rows = connection.execute(select(job_progress).where(job_progress.c.job.in_(jobs)))
    return {
        row.job: JobProgress(row.step, row.number, row.steps, row.what, row.done, row.total, row.seconds_left, row.at)
        for row in rows
    }

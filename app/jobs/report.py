"""Progress reports of a step, and its end when the job is cancelled."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic

from riyl.core.db.progress import JobProgress, save_progress
from riyl.core.db.session import Database
from riyl.core.errors import DatabaseError, JobCancelledError

log = logging.getLogger(__name__)

EVERY_S = 1.0
"""Minimum time between two progress reports that are stored, in seconds."""


class Reporter:
    """A riyl.core.types.Progress of one step, which writes into the database.

    A report that cannot be written is skipped: a temporarily unreachable database ends no step.

    Args:
        database: database that stores the progress.
        job: id of the step's job.
        step: its name; it is the `number`-th of `steps`.
        number: number of the step, from 1.
        steps: number of steps of the job.
        cancelled: returns whether the job was cancelled.
    """

    def __init__(
        self, database: Database, job: str, step: str, number: int, steps: int, cancelled: Callable[[], bool]
    ) -> None:
        self._database = database
        self._job = job
        self._place = (step, number, steps)
        self._cancelled = cancelled
        self._what = ""
        self._began = self._wrote = monotonic()
        self._write(JobProgress(step, number, steps, step, 0, 0, None, datetime.now(UTC)))

    def __call__(self, step: str, done: int, total: int) -> None:
        """Report that `done` of `total` units of the step are done.

        Raises:
            JobCancelledError: the job was cancelled.
        """
        now = monotonic()
        if step != self._what:
            self._what, self._began = step, now
        if now - self._wrote < EVERY_S:
            return
        self._wrote = now
        if self._cancelled():
            raise JobCancelledError
        left = (now - self._began) * (total - done) / done if done and total else None
        self._write(JobProgress(*self._place, step, done, total, left, datetime.now(UTC)))

    def _write(self, progress: JobProgress) -> None:
        try:
            with self._database.write() as connection:
                save_progress(connection, self._job, progress)
        except DatabaseError as error:
            log.warning("progress_not_written job=%s reason=%s", self._job, error)

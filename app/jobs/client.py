"""Asking for jobs and looking after them, from any process; runs none."""

from __future__ import annotations

from app.jobs.types import Job, JobKind, JobState, Params
from core.db.session import Database
from core.settings import Settings


class Jobs:
    """The jobs of a home. Every method blocks for as long as the database takes.

    Raises (every method):
        DatabaseDownError: the database cannot be reached.
    """

    def __init__(self, settings: Settings, database: Database) -> None: ...

    def submit(self, kind: JobKind, params: Params, *, by: str) -> tuple[Job, bool]:
        """Ask for a job; whether it is one that waited already with the same params (a reindex or train is joined)."""
        raise NotImplementedError

    def get(self, identity: str) -> Job:
        """A job, by its id or how that begins.

        Raises:
            NotFoundError: there is none.
        """
        raise NotImplementedError

    def all(self, *, kind: JobKind | None = None, state: JobState | None = None, limit: int = 50) -> list[Job]:
        """The jobs asked for last, the newest first."""
        raise NotImplementedError

    def cancel(self, identity: str) -> Job:
        """Cancel a job; one that runs stops at its next sign of progress.

        Raises:
            NotFoundError: there is none.
            JobEndedError: it has ended.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Close the connections."""

"""The jobs of the home, opened when they are first asked for."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from riyl.core.db.session import Database
from riyl.core.settings import Settings

if TYPE_CHECKING:
    from riyl.app.jobs.client import Jobs


class LazyJobs:
    """The jobs of the home, opened when they are first asked for: the library below them takes a second to load."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._jobs: Jobs | None = None
        self._guard = Lock()

    def open(self) -> Jobs:
        """The jobs; every method of theirs blocks.

        Raises:
            DatabaseDownError: the database cannot be reached.
        """
        with self._guard:
            if self._jobs is None:
                from riyl.app.jobs.client import Jobs

                self._jobs = Jobs(self._settings, self._database)
            return self._jobs

    def close(self) -> None:
        """Close their connections, if there are any."""
        with self._guard:
            if self._jobs is not None:
                self._jobs.close()
                self._jobs = None

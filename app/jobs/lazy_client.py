"""Client of the jobs of a home that opens at first use."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from riyl.core.db.session import Database
from riyl.core.settings import Settings

if TYPE_CHECKING:
    from riyl.app.jobs.client import Jobs


class LazyJobs:
    """Client of the jobs of a home that opens at first use: the library below it takes a second to load."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._jobs: Jobs | None = None
        self._guard = Lock()

    def open(self) -> Jobs:
        """Return the client; all of its methods block.

        Raises:
            DatabaseDownError: the database cannot be reached.
        """
        with self._guard:
            if self._jobs is None:
                from riyl.app.jobs.client import Jobs

                self._jobs = Jobs(self._settings, self._database)
            return self._jobs

    def close(self) -> None:
        """Close its connections, if there are any."""
        with self._guard:
            if self._jobs is not None:
                self._jobs.close()
                self._jobs = None

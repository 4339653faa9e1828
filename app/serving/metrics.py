"""Metrics that serving reports; `riyl.app.http.metrics` collects them."""

from __future__ import annotations

from typing import Protocol


class ServingMetrics(Protocol):
    """Receiver of changes of the state that answers requests."""

    def version_taken(self, version: str, model: str, snapshot: str, artists: int) -> None:
        """Record the version that answers from now on."""

    def version_refused(self) -> None:
        """Count a version that was refused."""

    def changes_taken(self, last: int, overlay: int, artists: int) -> None:
        """Record the number of the last change shown, of changed artists, and of all artists."""

    def changes_set_aside(self, artists: int) -> None:
        """Record the number of artists whose changes are not shown because of a fault."""

    def database_believed(self, believed: bool) -> None:
        """Record whether the database has all records that this home has seen of it."""

"""Feed of changes for the serving version: from the database, or from the home's copy while that is unreachable."""

from __future__ import annotations

import logging
from math import inf
from time import perf_counter

from riyl.app.serving.metrics import ServingMetrics
from riyl.app.serving.state import ServingState
from riyl.core.allocator import release_freed_memory
from riyl.core.db.session import Database
from riyl.core.db.tombstones import copy_tombstones
from riyl.core.errors import RiylError
from riyl.core.settings import Home
from riyl.core.storage.tombstones import read_tombstones
from riyl.index.overlay.overlay import VersionOverlay
from riyl.index.overlay.update import OverlayUpdater

log = logging.getLogger(__name__)

AGAIN_S = 1.0
"""Retry interval after the database failed, in seconds."""

ASSUMED_CHANGES_PER_S, MIN_MEASURED = 200.0, 50
"""Assumed rate of applied changes per second until it is measured, and minimum number of changes for a measurement."""

FAILED_AGAIN_S = 10.0
"""Retry interval of changes that could not be applied, in seconds."""


class ChangeFeed:
    """Follower of the changes in the database; one thread at a time.

    Args:
        home: its copy of the tombstones is kept current, so that a service that starts without the database, or with
            one that lacks records that the home has seen, shows no deleted artist.
        metrics: receives the progress.

    Attributes:
        behind: number of changes that wait to be applied, as of the last poll.
    """

    def __init__(self, database: Database, home: Home, metrics: ServingMetrics) -> None:
        self._database = database
        self._home = home
        self._metrics = metrics
        self._changing: OverlayUpdater | None = None
        self._number: int | None = None  # of the last applied change; None where all must be read
        self._changes_per_s = ASSUMED_CHANGES_PER_S
        self.behind = 0
        self._again = -inf
        self._not_copied = False
        self._unknown = ""

    def seconds_until(self, number: int) -> float:
        """Estimate the time until the change with a given number is applied, at the last measured rate, in seconds."""
        return max(0, number - (self._number or 0)) / self._changes_per_s

    def start_anew(self) -> None:
        """Read all changes again at the next poll, because the database has another history."""
        self._changing, self._number, self._again = None, None, -inf

    def copy_tombstones(self, *, anew: bool = False) -> None:
        """Update the home's copy of the tombstones; on failure log it, and retry at a later change."""
        try:
            copy_tombstones(self._database, self._home, anew=anew)
        except (RiylError, OSError) as error:
            if not self._not_copied:
                log.error("tombstones_not_copied", extra={"reason": str(error)})
            self._not_copied = True
        else:
            self._not_copied = False

    def onto(self, state: ServingState) -> ServingState:
        """Return a newly opened version with all changes on it.

        If the database cannot be read, the changes are those of the home's copy.
        """
        self._changing, self._number, self._again = None, None, -inf
        updated = self.next(state)
        if self._number is None:
            try:
                effective = read_tombstones(self._home.tombstones).artists
            except (RiylError, OSError) as error:
                log.error("tombstones_unreadable", extra={"reason": str(error)})
                effective = {}
            updated = state.changed(effective, 0)
            self._changing = None
        return updated

    def next(self, state: ServingState) -> ServingState:
        """Return the same version with the changes since the last call; return `state` itself where there are none."""
        if perf_counter() < self._again:
            return state
        fresh, start = self._number is None, perf_counter()
        try:
            changes = state.changes(self._database, self._number)
        except (RiylError, OSError) as error:
            self._again = perf_counter() + AGAIN_S
            if str(error) != self._unknown:
                log.warning("changes_unknown", extra={"reason": str(error), "taken": self._number})
            self._unknown = str(error)
            return state
        self._unknown = ""
        last, effective = changes.last, changes.effective
        updated = state
        if fresh and not effective and state.searcher.overlay:  # the overlay of the copy is outdated
            updated = state.with_changes(VersionOverlay.of(state.searcher.version, last))
        if effective:
            try:
                self._changing = self._changing or state.changing()
                updated = state.with_changes(self._changing(effective, last))
            except Exception:
                # on any fault of a change, the service continues with those before it, but hides deleted artists
                self._changing, self._number, self._again = None, None, perf_counter() + FAILED_AGAIN_S
                log.exception("changes_not_taken", extra={"artists": len(effective), "last": last})
                self._metrics.changes_set_aside(len(effective))
                self.behind = 0
                deleted = {artist for artist, each in effective.items() if each is not None and each.deleted}
                return state.without(deleted | changes.deleted, changes.head)
            seconds = perf_counter() - start
            if len(effective) >= MIN_MEASURED:
                self._changes_per_s = len(effective) / seconds
                release_freed_memory()
            extra = {
                "artists": len(effective),
                "last": last,
                "seconds": round(seconds, 3),
                "behind": changes.head - last,
            }
            log.info("changes_taken", extra=extra)
        if fresh or self._not_copied or effective:
            self.copy_tombstones(anew=fresh)
        self._number, self.behind = last, changes.head - last
        if changes.deleted:  # a deletion takes effect before earlier changes are applied
            updated = updated.without(changes.deleted, changes.head)
        overlay = updated.searcher.overlay
        self._metrics.changes_taken(last, len(overlay.row_of_id), overlay.n_artists)
        self._metrics.changes_set_aside(len(self._changing.set_aside) if self._changing else 0)
        return updated

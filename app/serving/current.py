"""Current version as a service in the home would answer from it: with its changes and the editorial rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from riyl.app.serving.state import ServingState
from riyl.core.changes.effective import EffectiveByArtist
from riyl.core.db.hidden import Hidden, hidden, hidden_by_copies
from riyl.core.db.session import FILE, Database
from riyl.core.rules import Rules
from riyl.core.settings import Home, Settings
from riyl.core.types import ArtistId
from riyl.index.search.searcher import Searcher
from riyl.index.versions.lifecycle import find_version

OpenDatabase: TypeAlias = Callable[[], Database]
"""Function that returns the database of a home, and opens it at the first call."""


def hidden_now(settings: Settings, database: OpenDatabase) -> Hidden:
    """Return the rules in force, and the artists that were deleted or merged.

    Raises:
        DatabaseDownError: the database cannot be reached, and the home has no copy of the rules.
        FormatError: the copies are needed, and one is damaged.
    """
    home = Home(settings.home)
    if settings.database_url is None and not (home.root / FILE).exists():
        return hidden_by_copies(home)  # reading alone creates no database
    return hidden(database(), home)


@dataclass(frozen=True)
class _Origin:
    """Everything that a state was made of: equal origins give equal states.

    Attributes:
        version: id of the version.
        rules: the rules in force.
        last_change: number of the last change; None if the database was not believed.
        tombstones: hidden artists if the database was not believed; else empty.
    """

    version: str
    rules: Rules
    last_change: int | None
    tombstones: frozenset[ArtistId]


class CurrentState:
    """Reader of the current state of a home; a state is made anew only if version, rules or changes are others.

    Args:
        settings: settings of the process.
        database: opens the database.
        verify: whether the sha256 of every file of a version is checked when it is opened.
    """

    def __init__(self, settings: Settings, database: OpenDatabase, *, verify: bool = True) -> None:
        self._settings = settings
        self._database = database
        self._verify = verify
        self._plain: ServingState | None = None
        self._last: tuple[_Origin, ServingState] | None = None

    def read(self) -> ServingState:
        """Return the state that a service in this home would answer from.

        If the database cannot be reached, or lacks changes that this home has seen, `riyl.core.db.hidden` decides which
        artists are hidden, and other changes are ignored.

        Raises:
            NotFoundError: no version is promoted.
            FormatError: the version, or a copy of the rules or tombstones, is damaged.
            DatabaseDownError: the database cannot be reached, and the home has no copy of the rules.
        """
        home = Home(self._settings.home)
        folder = find_version(home.versions, None)
        now = hidden_now(self._settings, self._database)
        if self._plain is None or self._plain.searcher.version.folder != folder:
            self._plain = ServingState.of(Searcher.open(folder, verify=self._verify), now.rules, home)
        last: int | None = None
        effective: EffectiveByArtist = now.tombstones
        if now.believed:
            changes = self._plain.changes(self._database())
            last, effective = changes.last, changes.effective
        origin = _Origin(folder.name, now.rules, last, frozenset() if now.believed else frozenset(now.tombstones))
        if self._last is None or self._last[0] != origin:
            self._last = origin, self._plain.under(now.rules).changed(effective, last or 0)
        return self._last[1]

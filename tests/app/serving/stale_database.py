"""Hidden artists before a database was replaced, and acceptance of the new one."""

from __future__ import annotations

from riyl.app.services.stale_database import settle
from riyl.core.db.session import Database
from riyl.core.settings import Home, Settings

BLOCKED, DELETED = "a001", "a002"


def accept(settings: Settings, *, as_it_is: bool = False) -> None:
    """Accept the database of a home as `riyl db accept` does."""
    opened = Database.of(settings)
    assert settle(Home(settings.home), opened, by="ann", why="disk died", as_it_is=as_it_is) is not None
    opened.close()

"""What was hidden before a database was replaced, and how the new one is accepted."""

from __future__ import annotations

from riyl.app.services.stale_database import settle
from riyl.core.db.session import Database
from riyl.core.settings import Home, Settings

BLOCKED, DELETED = "a001", "a002"


def accept(settings: Settings, *, as_it_is: bool = False) -> None:
    """What `riyl db accept` does, of a home with this database."""
    opened = Database.of(settings)
    assert settle(Home(settings.home), opened, by="ann", why="disk died", as_it_is=as_it_is) is not None
    opened.close()

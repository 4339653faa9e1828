"""The current version as the service answers from it, for commands: with the changes on it, under the rules."""

from __future__ import annotations

from app.commands.session import Session
from app.served import Served
from core.changes import Standing
from core.db.hidden import Hidden, hidden, hidden_by_copies
from core.db.session import FILE
from core.db.standing import changed_since
from core.types import ArtistId
from index.search import Searcher
from index.versions import find_version


def current(run: Session, *, verify: bool = True) -> Served:
    """What serves in this home.

    Where the database cannot be reached, or lacks what this home has seen, what is hidden is by `core.db.hidden`, and
    other changes are not seen.

    Raises:
        NotFoundError: no version is promoted.
        FormatError: it, or a copy, is damaged.
        DatabaseDownError: the database cannot be reached, and the home has no copy of the rules.
    """
    opened = Searcher.open(find_version(run.home.versions, None), verify=verify)
    found = hidden_of(run)
    served = Served.of(opened, found.rules, run.home)
    last, standing = 0, dict[ArtistId, Standing | None](found.tombstones)
    if found.believed:
        last, standing = changed_since(run.database, int(opened.manifest["last_change"]), merged=True)
    return served.with_changes(served.changing()(standing, last)) if standing else served


def hidden_of(run: Session) -> Hidden:
    """The rules in force, and who was deleted or merged away. Raises as `current`."""
    if run.settings.database_url is None and not (run.home.root / FILE).exists():
        return hidden_by_copies(run.home)  # who only reads makes no database
    return hidden(run.database, run.home)

"""Current version as the service uses it, for commands: with its changes and the editorial rules."""

from __future__ import annotations

from riyl.app.commands.session import Session
from riyl.app.serving.state import ServingState
from riyl.core.db.hidden import Hidden, hidden, hidden_by_copies
from riyl.core.db.session import FILE
from riyl.index.search.searcher import Searcher
from riyl.index.versions.lifecycle import find_version


def current(run: Session, *, verify: bool = True) -> ServingState:
    """Return the state that a service in this home would answer from.

    If the database cannot be reached, or lacks changes that this home has seen, `riyl.core.db.hidden` decides which
    artists are hidden, and other changes are ignored.

    Raises:
        NotFoundError: no version is promoted.
        FormatError: the version, or a copy of the rules or tombstones, is damaged.
        DatabaseDownError: the database cannot be reached, and the home has no copy of the rules.
    """
    opened = Searcher.open(find_version(run.home.versions, None), verify=verify)
    hidden = hidden_of(run)
    state = ServingState.of(opened, hidden.rules, run.home)
    if hidden.believed:
        changes = state.changes(run.database)
        last, effective = changes.last, changes.effective
    else:
        last, effective = 0, hidden.tombstones
    return state.changed(effective, last)


def hidden_of(run: Session) -> Hidden:
    """Return the rules in force, and the artists that were deleted or merged. Raises the errors of `current`."""
    if run.settings.database_url is None and not (run.home.root / FILE).exists():
        return hidden_by_copies(run.home)  # a command that only reads creates no database
    return hidden(run.database, run.home)

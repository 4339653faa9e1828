"""The current version as the service answers from it, for commands: with the changes on it, under the rules."""

from __future__ import annotations

from riyl.app.commands.session import Session
from riyl.app.serving.state import ServingState
from riyl.core.db.hidden import Hidden, hidden, hidden_by_copies
from riyl.core.db.session import FILE
from riyl.index.search.searcher import Searcher
from riyl.index.versions.lifecycle import find_version


def current(run: Session, *, verify: bool = True) -> ServingState:
    """What serves in this home.

    Where the database cannot be reached, or lacks what this home has seen, what is hidden is by `riyl.core.db.hidden`,
    and other changes are not seen.

    Raises:
        NotFoundError: no version is promoted.
        FormatError: it, or a copy, is damaged.
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
    """The rules in force, and who was deleted or merged away. Raises as `current`."""
    if run.settings.database_url is None and not (run.home.root / FILE).exists():
        return hidden_by_copies(run.home)  # who only reads makes no database
    return hidden(run.database, run.home)

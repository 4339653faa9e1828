"""Acceptance of a database that is not believed, and update of the home's copies from it."""

from __future__ import annotations

from pathlib import Path

from riyl.core.db.accepting import Differences, accept
from riyl.core.db.rules import copy_rules
from riyl.core.db.session import Database
from riyl.core.db.tombstones import copy_tombstones
from riyl.core.errors import FormatError
from riyl.core.settings import Home
from riyl.index.artifact.version import MANIFEST
from riyl.index.versions.lifecycle import current, follow, states


def settle(home: Home, database: Database, *, by: str, why: str, as_it_is: bool = False) -> Differences | None:
    """Accept the database for this home; see `riyl.core.db.accepting.accept`.

    A process that ends between acceptance and update leaves copies that services bring up to date.

    Args:
        home: the home whose copies are updated.
        database: the database to accept.
        by: author of the acceptance.
        why: reason of the acceptance.
        as_it_is: see `riyl.core.db.accepting.accept`.

    Returns:
        The records that the database lacked; None where it is believed, and nothing was done.

    Raises:
        DatabaseDownError: the database cannot be reached.
        SchemaError: it has no tables, or those of another release.
        FormatError: a copy of the home is damaged.
        NotFoundError: the current version of the database is not in this home; the database is accepted all the same.
    """
    diff = accept(
        database, home, by=by, why=why, keep_current=_is_there(home.versions), as_it_is=as_it_is, folded=_folded(home)
    )
    if diff is not None:
        copy_rules(database, home.rules)
        copy_tombstones(database, home, anew=True)
        follow(home.versions, database)
    return diff


def _is_there(folder: Path) -> bool:
    """Return whether the home contains its current version."""
    chosen = current(folder)
    return chosen is not None and (folder / chosen / MANIFEST).is_file()


def _folded(home: Home) -> int:
    """Return the highest number of a change that a version of this home has folded in."""
    manifests = [state for state in states(home.versions).values() if not isinstance(state, FormatError)]
    return max((int(manifest.get("last_change", 0)) for manifest in manifests), default=0)

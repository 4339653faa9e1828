"""The current version as the service answers from it, for commands: with the changes on it, under the rules."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from app.commands.session import Session
from app.served import Served
from core.changes import Standing, read_gone
from core.db.rules import all_rules
from core.db.session import FILE
from core.db.standing import changed_since, gone
from core.errors import DatabaseDownError
from core.rules import NO_RULES, Rules, read_copy
from index.search import Searcher
from index.versions import find_version

log = logging.getLogger(__name__)


def current(run: Session, *, verify: bool = True) -> Served:
    """What serves in this home.

    Where the database cannot be reached, rules and who is gone are the home's copies, and other changes are not seen.

    Raises:
        NotFoundError: no version is promoted.
        FormatError: it, or a copy, is damaged.
        DatabaseDownError: the database cannot be reached, and the home has no copy of the rules.
    """
    opened = Searcher.open(find_version(run.home.versions, None), verify=verify)
    served = Served.of(opened, rules_of(run), run.home)
    if _no_database(run):
        return served
    try:
        last, standing = changed_since(run.database, int(opened.manifest["last_change"]), merged=True)
    except DatabaseDownError as error:
        log.warning("changes_from_copy reason=%s", error)
        last, standing = 0, {**read_gone(run.home.gone)}
    return served.with_changes(served.changing()(standing, last)) if standing else served


def rules_of(run: Session) -> Rules:
    """The rules in force: the database's; where it cannot be reached, the home's copy; where there is none, none.

    Raises:
        DatabaseDownError: it cannot be reached, and the home has no copy.
        FormatError: it cannot be reached, and the copy is damaged.
    """
    if _no_database(run):
        return NO_RULES
    try:
        with run.database.read() as connection:
            return all_rules(connection)
    except DatabaseDownError as error:
        found = read_copy(run.home.rules)
        if found is None:
            raise
        log.warning("rules_from_copy reason=%s", error)
        return found


def gone_of(run: Session) -> Sequence[Standing]:
    """Who was deleted or merged away, by the database, else by the home's copy. Raises as `current`."""
    if _no_database(run):
        return []
    try:
        with run.database.read_whole() as connection:
            return gone(connection)
    except DatabaseDownError as error:
        log.warning("changes_from_copy reason=%s", error)
        return list(read_gone(run.home.gone).values())


def _no_database(run: Session) -> bool:
    return run.settings.database_url is None and not (run.home.root / FILE).exists()

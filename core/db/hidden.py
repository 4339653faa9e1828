"""Hidden artists: decided in this one place, from the database, or from the home's copies if it is down or stale."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from riyl.core.changes.effective import EffectiveChanges
from riyl.core.db.effective import read_all_tombstones
from riyl.core.db.rules import all_rules
from riyl.core.db.session import Database
from riyl.core.errors import DatabaseDownError, RiylError, StaleDatabaseError
from riyl.core.rules import NO_RULES, Rule, RuleKind, Rules
from riyl.core.settings import Home
from riyl.core.storage.rules_copy import read_copy
from riyl.core.storage.tombstones import read_tombstones
from riyl.core.types import ArtistId

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hidden:
    """The rules in force, and the deleted and merged artists.

    Attributes:
        believed: whether they are from the database; else they are from the home's copies, with what a stale database
            hides besides.
    """

    rules: Rules
    tombstones: Mapping[ArtistId, EffectiveChanges]
    believed: bool

    def as_rules(self) -> Rules:
        """Return everything that is hidden as rules, for a version that does not apply changes."""
        blocked = {rule.artist for rule in self.rules.rules if rule.kind is RuleKind.BLOCK}
        blocks = [Rule(0, RuleKind.BLOCK, artist, None) for artist in self.tombstones if artist not in blocked]
        return Rules(self.rules.revision, (*self.rules.rules, *blocks))


def hidden(database: Database, home: Home) -> Hidden:
    """Return the rules and artists that are hidden now.

    Raises:
        DatabaseDownError: the database cannot be reached, and the home has no copy of the rules.
        FormatError: the copies are needed, and one is damaged.
    """
    try:
        with database.read_whole() as connection:
            database.check(connection)
            return Hidden(all_rules(connection), {each.artist: each for each in read_all_tombstones(connection)}, True)
    except StaleDatabaseError as error:
        log.warning("database_not_believed reason=%s", error)
        return hidden_by_either(database, home)
    except DatabaseDownError as error:
        if read_copy(home.rules) is None:
            raise
        log.warning("hidden_by_copies reason=%s", error)
        return hidden_by_copies(home)


def hidden_by_copies(home: Home) -> Hidden:
    """Return what the home's copies hide; nothing without copies.

    Raises:
        FormatError: a copy is damaged.
    """
    return Hidden(read_copy(home.rules) or NO_RULES, read_tombstones(home.tombstones).artists, False)


def hidden_by_either(database: Database, home: Home) -> Hidden:
    """Return what the home's copies hide and what a stale database hides, as far as it can be read.

    Raises:
        FormatError: a copy is damaged.
    """
    copied = hidden_by_copies(home)
    try:
        with database.read_whole() as connection:
            rules, tombstones = all_rules(connection), {each.artist: each for each in read_all_tombstones(connection)}
    except RiylError:  # without tables, or damaged: it hides nothing
        return copied
    return Hidden(_with(copied.rules, rules.rules), {**tombstones, **copied.tombstones}, False)


def _with(rules: Rules, others: tuple[Rule, ...]) -> Rules:
    """Return the rules extended by those of `others` that hide an artist."""
    meanings = {rule.meaning for rule in rules.rules}
    more = [rule for rule in others if rule.kind is not RuleKind.PIN and rule.meaning not in meanings]
    return replace(rules, rules=(*rules.rules, *more)) if more else rules

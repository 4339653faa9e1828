"""Editorial rules in the database: people add, drop and list them; services read all of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, insert, or_, select, update

from riyl.core.db.revisions import newest_stamp, raise_revision
from riyl.core.db.session import Database
from riyl.core.db.tables import rules, rules_revision
from riyl.core.errors import FormatError, NotFoundError
from riyl.core.files import locked
from riyl.core.rules import Rule, RuleKind, Rules, check_rule
from riyl.core.storage.rules_copy import read_stamped, write_copy
from riyl.core.storage.stamps import Stream
from riyl.core.types import ArtistId


@dataclass(frozen=True)
class WrittenRule:
    """A rule with its author, time and reason."""

    rule: Rule
    why: str
    by: str
    at: datetime


def add_rule(
    database: Database, kind: RuleKind, artist: ArtistId, other: ArtistId | None, *, by: str, why: str
) -> tuple[WrittenRule, bool]:
    """Add a rule; an existing one stays as it is. The order of the artists of a never does not matter.

    Returns:
        The rule, and whether it is new.

    Raises:
        InputError: see `riyl.core.rules.check_rule`.
        DatabaseDownError: the database cannot be reached; nothing has changed.
        StaleDatabaseError: it lacks what this home has seen; nothing has changed.
    """
    with database.alone() as connection:
        database.check(connection)
        return insert_rule(connection, kind, artist, other, by=by, why=why)


def insert_rule(
    connection: Connection, kind: RuleKind, artist: ArtistId, other: ArtistId | None, *, by: str, why: str
) -> tuple[WrittenRule, bool]:
    """Add a rule as `add_rule` does, in a transaction that must be the only one to act on rules: `Database.alone`."""
    check_rule(kind, artist, other)
    existing = connection.execute(select(rules).where(_same(kind, artist, other))).one_or_none()
    if existing is not None:
        return _written(existing), False
    values = {
        "kind": kind.value,
        "artist": artist,
        "other": other or "",
        "why": why,
        "by": by,
        "at": datetime.now(UTC),
    }
    added = connection.execute(insert(rules).values(**values).returning(rules)).one()
    _raise_revision(connection)
    return _written(added), True


def drop_rule(database: Database, number: int) -> WrittenRule:
    """Drop a rule.

    Raises:
        NotFoundError: there is no rule of this number.
        DatabaseDownError: the database cannot be reached; nothing has changed.
        StaleDatabaseError: it lacks what this home has seen; nothing has changed.
    """
    with database.alone() as connection:
        database.check(connection)
        dropped = connection.execute(delete(rules).where(rules.c.number == number).returning(rules)).one_or_none()
        if dropped is None:
            raise NotFoundError(f"there is no rule {number}; see riyl rules list")
        _raise_revision(connection)
        return _written(dropped)


def list_rules(
    database: Database,
    *,
    kind: RuleKind | None = None,
    artist: ArtistId | None = None,
    limit: int | None = None,
    before: int | None = None,
) -> list[WrittenRule]:
    """List rules, the newest first.

    Args:
        database: the database.
        kind: only those of this kind.
        artist: only those that name this artist, first or second.
        limit: maximum number of rules.
        before: only those with a lower number.
    """
    wanted = select(rules).order_by(rules.c.number.desc()).limit(limit)
    if kind is not None:
        wanted = wanted.where(rules.c.kind == kind.value)
    if artist is not None:
        wanted = wanted.where(or_(rules.c.artist == artist, rules.c.other == artist))
    if before is not None:
        wanted = wanted.where(rules.c.number < before)
    with database.read() as connection:
        return [_written(row) for row in connection.execute(wanted)]


def revision(connection: Connection) -> int:
    """Return the number that changes with every act on the rules."""
    return int(connection.execute(select(rules_revision.c.revision)).scalar_one())


def all_rules(connection: Connection) -> Rules:
    """Return the rules in force."""
    # the revision first: if an act comes between the two reads, its revision is still unseen
    number = revision(connection)
    rows = connection.execute(select(rules).order_by(rules.c.number)).all()
    return Rules(number, tuple(_rule(row) for row in rows))


def copy_rules(database: Database, copy: Path) -> Rules:
    """Update a home's copy of the rules from the database.

    Raises:
        DatabaseDownError: the database cannot be reached; the copy stays.
        StaleDatabaseError: it lacks what this home has seen; the copy stays.
        OSError: the copy cannot be written; it stays.
    """
    with locked(copy.with_name(f".{copy.name}.lock")):  # so that an older read is not written after a newer one
        with database.read_whole() as connection:
            database.check(connection)
            stamp, current_rules = newest_stamp(connection, Stream.RULES), all_rules(connection)
        try:
            same = read_stamped(copy) == (current_rules, stamp)
        except FormatError:
            same = False
        if not same:
            write_copy(copy, current_rules, stamp)
    return current_rules


def _same(kind: RuleKind, artist: ArtistId, other: ArtistId | None) -> ColumnElement[bool]:
    columns = rules.c
    same_artists = and_(columns.artist == artist, columns.other == (other or ""))
    if kind is RuleKind.NEVER:
        same_artists = or_(same_artists, and_(columns.artist == other, columns.other == artist))
    return and_(columns.kind == kind.value, same_artists)


def _raise_revision(connection: Connection) -> None:
    raised = update(rules_revision).values(revision=rules_revision.c.revision + 1)
    number = connection.execute(raised.returning(rules_revision.c.revision)).scalar_one()
    raise_revision(connection, Stream.RULES, number)


def _rule(row: Row[Any]) -> Rule:
    return Rule(row.number, RuleKind(row.kind), row.artist, row.other or None)


def _written(row: Row[Any]) -> WrittenRule:
    return WrittenRule(_rule(row), row.why, row.by, row.at)

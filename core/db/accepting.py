"""Acceptance of a stale database: comparison with the home's copies, and restoring of the lacking records or none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select, update

from riyl.core.changes.effective import ChangeKind, EffectiveChanges
from riyl.core.db.changes import ChangeRequest, add_change, lock_head
from riyl.core.db.effective import effective_of, read_all_tombstones
from riyl.core.db.promotions import add_promotion, last_promotion
from riyl.core.db.revisions import new_database_id
from riyl.core.db.rules import all_rules, insert_rule
from riyl.core.db.session import Database
from riyl.core.db.tables import acceptances, changes_head
from riyl.core.errors import InputError, NotFoundError, StaleDatabaseError
from riyl.core.rules import Rule
from riyl.core.settings import Home
from riyl.core.storage.copies import Copies
from riyl.core.storage.current import read_current
from riyl.core.storage.rules_copy import read_copy
from riyl.core.storage.stamps import Stream
from riyl.core.storage.tombstones import read_tombstones
from riyl.core.types import ArtistId


@dataclass(frozen=True)
class Differences:
    """Differences between a stale database and the home's copies.

    Attributes:
        reason: why the database is stale.
        rules: rules of the home that the database lacks.
        tombstones: artists that are deleted or merged in the home, and not in the database.
        current: the home's current version, if the database has another one or none.
        current_there: the database's current version.
        more_rules: rules of the database that the home lacks.
        more_tombstones: artists that are deleted or merged in the database, and not in the home.
    """

    reason: str
    rules: tuple[Rule, ...]
    tombstones: tuple[EffectiveChanges, ...]
    current: str | None
    current_there: str | None
    more_rules: tuple[Rule, ...]
    more_tombstones: tuple[EffectiveChanges, ...]


@dataclass(frozen=True)
class Acceptance:
    """One acceptance of a database.

    Attributes:
        restored: number of rules, tombstones and promotions that were restored from the home's copies.
    """

    at: datetime
    by: str
    why: str
    restored: Mapping[str, int]


def acceptances_of(connection: Connection) -> list[Acceptance]:
    """Return every acceptance of this database, the latest last."""
    rows = connection.execute(select(acceptances).order_by(acceptances.c.number))
    return [Acceptance(row.at, row.by, row.why, row.restored) for row in rows]


def differences(database: Database, home: Home) -> Differences | None:
    """Compare the database with the home's copies; None if the database is not stale.

    Raises:
        DatabaseDownError: it cannot be reached.
        SchemaError: it has no tables, or those of another release.
        FormatError: a copy is damaged.
    """
    with database.read_whole() as connection:
        return _differences(database, connection, home)


def accept(
    database: Database, home: Home, *, by: str, why: str, keep_current: bool, as_it_is: bool, folded: int
) -> Differences | None:
    """Accept a stale database, for this home and for every other home that has seen no later state.

    Restores the artists that the home's copies hide, as rules and changes made by `by`, and promotes the home's current
    version in the database. The database gets a new id and keeps the reason. Other homes follow without a command.

    Args:
        database: the database.
        home: the home whose copies are compared.
        by: author of the acceptance.
        why: reason, for the history.
        keep_current: whether to promote the home's current version; useless if the version's folder is missing.
        as_it_is: restore nothing: artists that the database does not hide are shown again.
        folded: highest number of a change that a version of this home has folded in; later changes get higher numbers,
            so that they are not mistaken for folded ones.

    Returns:
        The differences; None if the database is not stale, in which case nothing was done.

    Raises:
        DatabaseDownError, SchemaError, FormatError: as `differences`; nothing has changed.
    """
    with database.alone() as connection:
        diff = _differences(database, connection, home)
        if diff is None:
            return None
        seen = Copies(home).stamps()
        tombstones = seen.get(Stream.TOMBSTONES)
        floor = max(lock_head(connection), folded, 0 if tombstones is None else tombstones.number)
        connection.execute(update(changes_head).values(number=floor))
        restored = {} if as_it_is else _restore(connection, diff, by=by, why=why, keep_current=keep_current)
        new_database_id(connection)
        connection.execute(
            insert(acceptances).values(
                at=datetime.now(UTC),
                by=by,
                why=why,
                seen={stream.value: stamp.as_dict() for stream, stamp in seen.items()},
                restored=restored,
            )
        )
    return diff


def _differences(database: Database, connection: Connection, home: Home) -> Differences | None:
    try:
        database.check(connection)
        return None
    except StaleDatabaseError as error:
        reason = str(error)
    copied = read_copy(home.rules)
    home_rules = {rule.meaning: rule for rule in (() if copied is None else copied.rules)}
    database_rules = {rule.meaning: rule for rule in all_rules(connection).rules}
    home_tombstones, database_tombstones = (
        read_tombstones(home.tombstones).artists,
        {each.artist: each for each in read_all_tombstones(connection)},
    )
    last, current = last_promotion(connection), read_current(home.versions)
    database_version = None if last is None else last.version
    return Differences(
        reason,
        tuple(rule for key, rule in home_rules.items() if key not in database_rules),
        tuple(each for artist, each in home_tombstones.items() if artist not in database_tombstones),
        None if current == database_version else current,
        database_version,
        tuple(rule for key, rule in database_rules.items() if key not in home_rules),
        tuple(each for artist, each in database_tombstones.items() if artist not in home_tombstones),
    )


def _restore(connection: Connection, diff: Differences, *, by: str, why: str, keep_current: bool) -> dict[str, int]:
    reason = f"accept: {why}"
    for rule in diff.rules:
        insert_rule(connection, rule.kind, rule.artist, rule.other, by=by, why=reason)
    for effective in _in_order(diff.tombstones):
        _hide(connection, effective, by=by)
    promoted = 0
    if keep_current and diff.current is not None:
        add_promotion(connection, diff.current, "promote", by=by, why=reason)
        promoted = 1
    return {"rules": len(diff.rules), "tombstones": len(diff.tombstones), "promotions": promoted}


def _hide(connection: Connection, effective: EffectiveChanges, *, by: str) -> None:
    """Delete or merge an artist as in the home; delete it if the merge is impossible, because it must stay hidden."""
    if effective.into is not None:
        payload = (
            {"into": effective.into} if effective.mbid is None else {"into": effective.into, "mbid": effective.mbid}
        )
        try:
            add_change(connection, ChangeRequest(effective.artist, ChangeKind.MERGE, payload, None), by=by)
            return
        except (NotFoundError, InputError):  # the target of the merge is deleted too
            pass
    if (stored := effective_of(connection, effective.artist)) is None or not stored.deleted:
        add_change(connection, ChangeRequest(effective.artist, ChangeKind.DELETE, {}, None), by=by)


def _in_order(tombstones: Iterable[EffectiveChanges]) -> list[EffectiveChanges]:
    """Order artists so that each is merged before its target is merged or deleted, after which it could not be."""
    into: Mapping[ArtistId, ArtistId | None] = {each.artist: each.into for each in tombstones}

    def steps(artist: ArtistId) -> int:
        """Count the merges that lead on from an artist; copies have no cycles, and the count stops if one had."""
        count, at = 0, into.get(artist)
        while at is not None and count < len(into):
            count, at = count + 1, into.get(at)
        return count

    return sorted(tombstones, key=lambda each: -steps(each.artist))

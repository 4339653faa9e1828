"""Settling a database that is not believed: what it lacks, and bringing that in or doing without."""

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
    """What a database that is not believed says otherwise than the home's copies.

    Attributes:
        reason: why it is not believed.
        rules: of the home that it lacks.
        tombstones: artists deleted or merged away by the home, and not by the database.
        current: the version that the home has as current, where the database has another one or none.
        current_there: the version that the database has as current.
        more_rules: that the database has and the home has not.
        more_tombstones: artists deleted or merged away by the database, and not by the home.
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
    """One time that a database was accepted.

    Attributes:
        restored: how many rules, tombstones and promotions were brought in from the home's copies.
    """

    at: datetime
    by: str
    why: str
    restored: Mapping[str, int]


def acceptances_of(connection: Connection) -> list[Acceptance]:
    """Every time that this database was accepted, the last one last."""
    rows = connection.execute(select(acceptances).order_by(acceptances.c.number))
    return [Acceptance(row.at, row.by, row.why, row.restored) for row in rows]


def differences(database: Database, home: Home) -> Differences | None:
    """Compare the database with the home's copies; None where it is believed.

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
    """Settle a database that is not believed, for this home and every other one that has seen no more than it.

    What the home's copies hide is brought into the database, as rules and changes of `by`, and the home's current
    version is promoted in it. The database gets a new id, and the reason is kept in it. Homes follow by themselves.

    Args:
        keep_current: whether to promote the home's current version; where its folder is not there, that is of no use.
        as_it_is: bring in nothing: what the database does not hide is shown again.
        folded: the highest number of a change that a version of this home has folded in; changes to come get higher
            ones, or they would be taken for those.

    Returns:
        What was found; None where the database is believed, and nothing was done.

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
    """Delete or merge an artist as a home has it; delete it where the merge cannot be, for hidden it must be."""
    if effective.into is not None:
        payload = (
            {"into": effective.into} if effective.mbid is None else {"into": effective.into, "mbid": effective.mbid}
        )
        try:
            add_change(connection, ChangeRequest(effective.artist, ChangeKind.MERGE, payload, None), by=by)
            return
        except (NotFoundError, InputError):  # into whom is gone as well
            pass
    if (stored := effective_of(connection, effective.artist)) is None or not stored.deleted:
        add_change(connection, ChangeRequest(effective.artist, ChangeKind.DELETE, {}, None), by=by)


def _in_order(tombstones: Iterable[EffectiveChanges]) -> list[EffectiveChanges]:
    """Those merged into somebody before that one is merged or deleted itself, for later it cannot be."""
    into: Mapping[ArtistId, ArtistId | None] = {each.artist: each.into for each in tombstones}

    def steps(artist: ArtistId) -> int:
        """How many merges lead on from an artist; copies have no circles, and one would end here."""
        count, at = 0, into.get(artist)
        while at is not None and count < len(into):
            count, at = count + 1, into.get(at)
        return count

    return sorted(tombstones, key=lambda each: -steps(each.artist))

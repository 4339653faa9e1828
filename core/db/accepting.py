"""Settling a database that is not believed: what it lacks, and bringing that in or doing without."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select, update

from core.changes import ChangeKind, Standing
from core.copies import Copies
from core.current import read_current
from core.db.changes import Wish, add_change, lock_head
from core.db.promotions import add_promotion, last_promotion
from core.db.revisions import new_database_id
from core.db.rules import all_rules, insert_rule
from core.db.session import Database
from core.db.standing import gone, standing_of
from core.db.tables import acceptances, changes_head
from core.errors import InputError, NotFoundError, StaleDatabaseError
from core.rules import Rule, read_copy
from core.settings import Home
from core.stamps import Stream
from core.tombstones import read_tombstones
from core.types import ArtistId


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
    tombstones: tuple[Standing, ...]
    current: str | None
    current_there: str | None
    more_rules: tuple[Rule, ...]
    more_tombstones: tuple[Standing, ...]


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
        found = _differences(database, connection, home)
        if found is None:
            return None
        seen = Copies(home).stamps()
        tombstones = seen.get(Stream.TOMBSTONES)
        floor = max(lock_head(connection), folded, 0 if tombstones is None else tombstones.number)
        connection.execute(update(changes_head).values(number=floor))
        restored = {} if as_it_is else _restore(connection, found, by=by, why=why, keep_current=keep_current)
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
    return found


def _differences(database: Database, connection: Connection, home: Home) -> Differences | None:
    try:
        database.check(connection)
        return None
    except StaleDatabaseError as error:
        reason = str(error)
    copied = read_copy(home.rules)
    mine = {rule.meaning: rule for rule in (() if copied is None else copied.rules)}
    theirs = {rule.meaning: rule for rule in all_rules(connection).rules}
    hidden, gone_there = read_tombstones(home.gone).artists, {each.artist: each for each in gone(connection)}
    last, current = last_promotion(connection), read_current(home.versions)
    there = None if last is None else last.version
    return Differences(
        reason,
        tuple(rule for key, rule in mine.items() if key not in theirs),
        tuple(each for artist, each in hidden.items() if artist not in gone_there),
        None if current == there else current,
        there,
        tuple(rule for key, rule in theirs.items() if key not in mine),
        tuple(each for artist, each in gone_there.items() if artist not in hidden),
    )


def _restore(connection: Connection, found: Differences, *, by: str, why: str, keep_current: bool) -> dict[str, int]:
    reason = f"accept: {why}"
    for rule in found.rules:
        insert_rule(connection, rule.kind, rule.artist, rule.other, by=by, why=reason)
    for standing in _in_order(found.tombstones):
        _hide(connection, standing, by=by)
    promoted = 0
    if keep_current and found.current is not None:
        add_promotion(connection, found.current, "promote", by=by, why=reason)
        promoted = 1
    return {"rules": len(found.rules), "tombstones": len(found.tombstones), "promotions": promoted}


def _hide(connection: Connection, standing: Standing, *, by: str) -> None:
    """Delete or merge an artist as a home has it; delete it where the merge cannot be, for hidden it must be."""
    if standing.into is not None:
        said = {"into": standing.into} if standing.mbid is None else {"into": standing.into, "mbid": standing.mbid}
        try:
            add_change(connection, Wish(standing.artist, ChangeKind.MERGE, said, None), by=by)
            return
        except (NotFoundError, InputError):  # into whom is gone as well
            pass
    if (there := standing_of(connection, standing.artist)) is None or not there.deleted:
        add_change(connection, Wish(standing.artist, ChangeKind.DELETE, {}, None), by=by)


def _in_order(tombstones: Iterable[Standing]) -> list[Standing]:
    """Those merged into somebody before that one is merged or deleted itself, for later it cannot be."""
    into: Mapping[ArtistId, ArtistId | None] = {each.artist: each.into for each in tombstones}

    def steps(artist: ArtistId) -> int:
        """How many merges lead on from an artist; copies have no circles, and one would end here."""
        count, at = 0, into.get(artist)
        while at is not None and count < len(into):
            count, at = count + 1, into.get(at)
        return count

    return sorted(tombstones, key=lambda each: -steps(each.artist))

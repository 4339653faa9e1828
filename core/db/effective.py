"""Changes of artists, read: in the order in which they were made, and what stands after them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, case, func, select

from riyl.core.changes.effective import ChangeKind, EffectiveByArtist, EffectiveChanges, after, write_effective
from riyl.core.db.session import Database
from riyl.core.db.tables import changes, changes_head, revisions
from riyl.core.storage.stamps import Stream
from riyl.core.types import ArtistId

_AT_ONCE = 16
"""Rows read at once of those with what they say, which may be some megabytes each."""

# made once: making one takes as long as running it
_WHOLE = select(func.max(changes.c.number)).where(
    changes.c.artist == bindparam("of"),
    changes.c.kind.in_([kind.value for kind in (ChangeKind.PUT, ChangeKind.DELETE, ChangeKind.MERGE)]),
)
_OF_ARTIST = (
    select(changes)
    .where(changes.c.artist == bindparam("of"), changes.c.number >= func.coalesce(_WHOLE.scalar_subquery(), 0))
    .order_by(changes.c.number)
)
"""An artist's changes that count: from the last one on that lets nothing before it show through."""
_INTO = case((changes.c.kind == ChangeKind.MERGE.value, changes.c.payload["into"].as_string())).label("into")


@dataclass(frozen=True)
class WrittenChange:
    """A change without what it says: how much of what, who made it, when, and in which batch.

    Attributes:
        into: of a merge, who is in the artist's place.
    """

    number: int
    artist: ArtistId
    kind: ChangeKind
    counts: Mapping[str, int]
    by: str
    at: datetime
    key: str | None
    into: ArtistId | None = None


def head(connection: Connection) -> int:
    """The number of the last change; 0 is none."""
    return int(connection.execute(select(changes_head.c.number)).scalar_one())


def since(connection: Connection, number: int, limit: int, *, artist: ArtistId | None = None) -> list[WrittenChange]:
    """The first changes after that number, in their order. Whoever follows them asks `effective_of` what each means."""
    columns: list[ColumnElement[Any]] = [*(column for column in changes.c if column is not changes.c.payload), _INTO]
    wanted = select(*columns).where(changes.c.number > number).order_by(changes.c.number).limit(limit)
    if artist is not None:
        wanted = wanted.where(changes.c.artist == artist)
    return [
        WrittenChange(row.number, row.artist, ChangeKind(row.kind), row.counts, row.by, row.at, row.key, row.into)
        for row in connection.execute(wanted)
    ]


def effective_of(connection: Connection, artist: ArtistId) -> EffectiveChanges | None:
    """What stands of one artist; None where no change says anything of it."""
    return last_of(connection, artist)[0]


def last_of(connection: Connection, artist: ArtistId) -> tuple[EffectiveChanges | None, int]:
    """The same, and the number of the artist's last change; 0 where there is none."""
    rows = connection.execute(_OF_ARTIST, {"of": artist}).all()
    return _after_all(artist, rows), int(rows[-1].number) if rows else 0


def effective(connection: Connection, upto: int) -> Iterator[EffectiveChanges]:
    """What the changes up to that number leave standing, by ascending artist id; one artist in memory at a time."""
    return (stands for _, stands in _each(connection, changes.c.number <= upto) if stands is not None)


@dataclass(frozen=True)
class ChangesSince:
    """The changes after a number, or the first of them.

    Attributes:
        last: number of the last change that counts in them.
        head: number of the last change there is.
        effective: by artist what stands once the last one counts; None where nothing does any more.
        deleted: artists that changes after the last one delete or merge away.
    """

    last: int
    head: int
    effective: EffectiveByArtist
    deleted: frozenset[ArtistId] = frozenset()


def changed_since(database: Database, number: int, *, merged: bool = False, at_most: int | None = None) -> ChangesSince:
    """What stands of every artist that a change after that number is about.

    Args:
        merged: of every artist that was merged into another as well, whenever.
        at_most: maximum changes that are read; all with None.

    Raises:
        DatabaseDownError: the database cannot be reached.
        StaleDatabaseError: it lacks what its home has seen.
    """
    wanted: ColumnElement[bool] = changes.c.number > number
    if merged:
        wanted |= changes.c.kind == ChangeKind.MERGE.value
    with database.read_whole() as connection:
        database.check(connection)
        newest = head(connection)
        last = newest if at_most is None else min(newest, number + at_most)
        if newest == number and not merged:
            return ChangesSince(newest, newest, {})
        upto = changes.c.number <= last
        effective = dict(_each(connection, _about(wanted & upto) & upto))
        later = tombstoned_or_restored(connection, last) if last < newest else []
        return ChangesSince(last, newest, effective, frozenset(each.artist for each in later if each.deleted))


def read_all_tombstones(connection: Connection) -> list[EffectiveChanges]:
    """Who is deleted or merged away, by ascending artist id."""
    kinds = [ChangeKind.DELETE.value, ChangeKind.MERGE.value]
    entries = _each(connection, _about(changes.c.kind.in_(kinds)))
    return [stands for _, stands in entries if stands is not None and stands.deleted]


def tombstoned_or_restored(connection: Connection, number: int) -> list[EffectiveChanges]:
    """Whom a change after that number has deleted, merged away or brought back, as they stand; by ascending id."""
    raised = select(revisions.c.number).where(
        revisions.c.stream == Stream.TOMBSTONES.value, revisions.c.number > number
    )
    entries = _each(connection, _about(changes.c.number.in_(raised)))
    return [stands or EffectiveChanges(artist, False, {}) for artist, stands in entries]


def freeze_changes(database: Database, folder: Path) -> tuple[str | None, int]:
    """Write what stands now into a folder, as `riyl.core.changes.effective.write_effective` does.

    Returns:
        The id of what was written and the number of the last change that counts in it; None and 0 where nothing stands.

    Raises:
        DatabaseDownError: the database cannot be reached.
        StaleDatabaseError: it lacks what its home has seen.
    """
    with database.read() as connection:
        database.check(connection)
        last = head(connection)
        identity = write_effective(folder, effective(connection, last))
    return identity, 0 if identity is None else last


def _about(wanted: ColumnElement[bool]) -> ColumnElement[bool]:
    """All changes of the artists that any of these changes is about."""
    return changes.c.artist.in_(select(changes.c.artist).where(wanted))


def _each(connection: Connection, wanted: ColumnElement[bool]) -> Iterator[tuple[ArtistId, EffectiveChanges | None]]:
    """By ascending artist id what is left after these changes, all of an artist; None where nothing is."""
    ordered = select(changes).where(wanted).order_by(changes.c.artist, changes.c.number)
    rows = connection.execute(ordered.execution_options(yield_per=_AT_ONCE))
    for artist, of_artist in groupby(rows, lambda row: str(row.artist)):
        yield artist, _after_all(artist, of_artist)


def _after_all(artist: ArtistId, rows: Iterable[Row[Any]]) -> EffectiveChanges | None:
    stands: EffectiveChanges | None = None
    for row in rows:
        stands = after(stands, artist, ChangeKind(row.kind), row.payload)
    return stands

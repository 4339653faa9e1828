"""Reading of artist changes: in the order in which they were made, and the effective changes after them."""

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
"""Number of rows with payloads that are read at once; a payload may have some megabytes."""

# built once: building a statement takes as long as running it
_WHOLE = select(func.max(changes.c.number)).where(
    changes.c.artist == bindparam("of"),
    changes.c.kind.in_([kind.value for kind in (ChangeKind.PUT, ChangeKind.DELETE, ChangeKind.MERGE)]),
)
_OF_ARTIST = (
    select(changes)
    .where(changes.c.artist == bindparam("of"), changes.c.number >= func.coalesce(_WHOLE.scalar_subquery(), 0))
    .order_by(changes.c.number)
)
"""Changes of an artist that count: from the last one that replaces everything before it."""
_INTO = case((changes.c.kind == ChangeKind.MERGE.value, changes.c.payload["into"].as_string())).label("into")


@dataclass(frozen=True)
class WrittenChange:
    """A stored change without its payload: sizes by field, author, time, and batch.

    Attributes:
        into: target of a merge.
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
    """Return the number of the last change; 0 if there is none."""
    return int(connection.execute(select(changes_head.c.number)).scalar_one())


def since(connection: Connection, number: int, limit: int, *, artist: ArtistId | None = None) -> list[WrittenChange]:
    """Return the first changes after that number, in order; their effects are read with `effective_of`."""
    columns: list[ColumnElement[Any]] = [*(column for column in changes.c if column is not changes.c.payload), _INTO]
    wanted = select(*columns).where(changes.c.number > number).order_by(changes.c.number).limit(limit)
    if artist is not None:
        wanted = wanted.where(changes.c.artist == artist)
    return [
        WrittenChange(row.number, row.artist, ChangeKind(row.kind), row.counts, row.by, row.at, row.key, row.into)
        for row in connection.execute(wanted)
    ]


def effective_of(connection: Connection, artist: ArtistId) -> EffectiveChanges | None:
    """Return the effective changes of one artist; None if it has none."""
    return last_of(connection, artist)[0]


def last_of(connection: Connection, artist: ArtistId) -> tuple[EffectiveChanges | None, int]:
    """Return the effective changes of an artist and the number of its last change; None and 0 if it has none."""
    rows = connection.execute(_OF_ARTIST, {"of": artist}).all()
    return _after_all(artist, rows), int(rows[-1].number) if rows else 0


def effective(connection: Connection, upto: int) -> Iterator[EffectiveChanges]:
    """Yield the effective changes up to that number, by ascending artist id; one artist in memory at a time."""
    return (stands for _, stands in _each(connection, changes.c.number <= upto) if stands is not None)


@dataclass(frozen=True)
class ChangesSince:
    """The changes after a number, or the first of them.

    Attributes:
        last: number of the last change that they include.
        head: number of the last change in the database.
        effective: by artist its effective changes after `last`; None if it has none left.
        deleted: artists that changes after `last` delete or merge.
    """

    last: int
    head: int
    effective: EffectiveByArtist
    deleted: frozenset[ArtistId] = frozenset()


def changed_since(database: Database, number: int, *, merged: bool = False, at_most: int | None = None) -> ChangesSince:
    """Read the effective changes of every artist that has a change after that number.

    Args:
        database: the database.
        number: number of the last change that is already known.
        merged: also of every artist that was ever merged into another.
        at_most: maximum number of changes that are read; None reads all.

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
    """Return the deleted and merged artists, by ascending artist id."""
    kinds = [ChangeKind.DELETE.value, ChangeKind.MERGE.value]
    entries = _each(connection, _about(changes.c.kind.in_(kinds)))
    return [stands for _, stands in entries if stands is not None and stands.deleted]


def tombstoned_or_restored(connection: Connection, number: int) -> list[EffectiveChanges]:
    """Return the artists that changes after that number deleted, merged or restored, in their present state; by id."""
    raised = select(revisions.c.number).where(
        revisions.c.stream == Stream.TOMBSTONES.value, revisions.c.number > number
    )
    entries = _each(connection, _about(changes.c.number.in_(raised)))
    return [stands or EffectiveChanges(artist, False, {}) for artist, stands in entries]


def freeze_changes(database: Database, folder: Path) -> tuple[str | None, int]:
    """Write the present effective changes into a folder, as `riyl.core.changes.effective.write_effective` does.

    Returns:
        The id of the written file and the number of the last change in it; None and 0 without effective changes.

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
    """Return the condition of all changes of the artists that the given changes are about."""
    return changes.c.artist.in_(select(changes.c.artist).where(wanted))


def _each(connection: Connection, wanted: ColumnElement[bool]) -> Iterator[tuple[ArtistId, EffectiveChanges | None]]:
    """Yield by ascending artist id the effective changes after the given ones, None if an artist has none left."""
    ordered = select(changes).where(wanted).order_by(changes.c.artist, changes.c.number)
    rows = connection.execute(ordered.execution_options(yield_per=_AT_ONCE))
    for artist, of_artist in groupby(rows, lambda row: str(row.artist)):
        yield artist, _after_all(artist, of_artist)


def _after_all(artist: ArtistId, rows: Iterable[Row[Any]]) -> EffectiveChanges | None:
    stands: EffectiveChanges | None = None
    for row in rows:
        stands = after(stands, artist, ChangeKind(row.kind), row.payload)
    return stands

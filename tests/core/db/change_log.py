"""Changes written to a database, and the effective changes that they leave."""

from __future__ import annotations

from typing import Any

from riyl.core.changes.effective import ChangeKind, EffectiveChanges
from riyl.core.db.changes import ChangeRequest, ChangeResult, write_change
from riyl.core.db.effective import WrittenChange, effective, effective_of, head, since
from riyl.core.db.session import Database

PUT, PATCH, REPLACE, DELETE, MERGE, DROP = ChangeKind


def write(
    database: Database,
    artist: str,
    kind: ChangeKind = PUT,
    artist_exists: bool | None = None,
    into_known: bool | None = None,
    **payload: Any,
) -> ChangeResult:
    return write_change(database, ChangeRequest(artist, kind, payload, artist_exists, into_known), by="ann")


def merge(database: Database, artist: str, into: str, **options: Any) -> ChangeResult:
    """Merge an artist into another; `options` as for `write`."""
    return write(database, artist, MERGE, into=into, **options)


def stands(database: Database, artist: str) -> EffectiveChanges | None:
    with database.read() as connection:
        return effective_of(connection, artist)


def put(artist: str, **payload: Any) -> EffectiveChanges:
    """Return the effective changes after a put, which replaces the tags and plays that it has."""
    return EffectiveChanges(artist, False, payload, whole=frozenset({"tags", "plays"} & payload.keys()))


def all_standing(database: Database, upto: int = 1000) -> list[EffectiveChanges]:
    with database.read() as connection:
        return list(effective(connection, upto))


def listed(database: Database, number: int = 0, limit: int = 1000, **options: Any) -> list[WrittenChange]:
    with database.read() as connection:
        return since(connection, number, limit, **options)


def last(database: Database) -> int:
    with database.read() as connection:
        return head(connection)

"""Ids of artists in media servers (aliases): the ids that clients of another service name artists by."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from itertools import islice

from sqlalchemy import and_, delete, func, insert, or_, select

from riyl.core.db.session import Database
from riyl.core.db.tables import aliases
from riyl.core.types import ArtistId

BATCH = 5000
"""Number of rows that are inserted at once."""


class AliasKind(StrEnum):
    """Media server that gave an id."""

    NAVIDROME = "navidrome"
    JELLYFIN = "jellyfin"


def replace_aliases(database: Database, kind: AliasKind, artists: Mapping[str, ArtistId]) -> None:
    """Replace all aliases of a kind, at once: readers see those of before until all are stored.

    Args:
        database: the database.
        kind: the media server.
        artists: artist by its id there; ids that `riyl.core.rules.check_id` accepts.

    Raises:
        DatabaseDownError: the database cannot be reached; nothing has changed.
    """
    with database.alone() as connection:
        connection.execute(delete(aliases).where(aliases.c.kind == kind.value))
        items = iter(artists.items())
        while batch := list(islice(items, BATCH)):
            values = [{"kind": kind.value, "external_id": alias, "artist": artist} for alias, artist in batch]
            connection.execute(insert(aliases), values)


def count_aliases(database: Database) -> dict[AliasKind, int]:
    """Count the aliases of every kind."""
    counting = select(aliases.c.kind, func.count().label("number")).group_by(aliases.c.kind)
    with database.read() as connection:
        counts = {row.kind: row.number for row in connection.execute(counting)}
    return {kind: counts.get(kind.value, 0) for kind in AliasKind}


def artists_of_alias(database: Database, external_ids: Mapping[AliasKind, str]) -> dict[AliasKind, ArtistId]:
    """Return by kind the artist that has this id there, in the order of the kinds."""
    same = [and_(aliases.c.kind == kind.value, aliases.c.external_id == alias) for kind, alias in external_ids.items()]
    with database.read() as connection:
        looking = select(aliases.c.kind, aliases.c.artist).where(or_(*same))
        artists = {row.kind: row.artist for row in connection.execute(looking)}
    return {kind: artists[kind.value] for kind in AliasKind if kind.value in artists}


def aliases_of_artists(database: Database, kind: AliasKind, artists: Collection[ArtistId]) -> dict[ArtistId, str]:
    """Return the ids that artists have in a media server; of several ids of an artist the first in their order."""
    looking = (
        select(aliases.c.artist, func.min(aliases.c.external_id).label("alias"))
        .where(aliases.c.kind == kind.value, aliases.c.artist.in_(artists))
        .group_by(aliases.c.artist)
    )
    with database.read() as connection:
        return {row.artist: row.alias for row in connection.execute(looking)}

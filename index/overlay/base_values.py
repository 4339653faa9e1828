"""What the tables themselves say of artists, as far as a snapshot tells: what merge patches are merged into."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import ArtistId


class Underlying:
    """Reads it from a snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._beneath = snapshot.base_rows
        tables = {PurePath(name).stem for name in snapshot.manifest["tables"]}
        tags = snapshot.modalities.get("tags")
        self._of_terms = {table for table in tables if table == "plays" or (table == "tags" and tags and tags.sets)}

    def has_terms(self, table: str) -> bool:
        """Whether there is such a table, and it has weighted terms."""
        return table in self._of_terms

    def changed(self, artist: ArtistId) -> bool:
        """Whether changes of the artist were folded into the snapshot: else its rows are what the tables say."""
        return self._beneath is not None and artist in self._beneath.ids

    def of(self, artist: ArtistId) -> Mapping[str, Any] | None:
        """What they say of an artist of whom changes were folded in, empty where nothing; None of any other."""
        if self._beneath is None or not self.changed(artist):
            return None
        return self._beneath.of(artist) or {}

    def tells_terms(self, artist: ArtistId, row: int, table: str) -> bool:
        """Whether `terms` knows them: a snapshot of an earlier release does not keep those of most artists."""
        return row < 0 or self.changed(artist) or not self.has_terms(table) or table in self._snapshot.raw_terms

    def terms(self, artist: ArtistId, row: int, table: str) -> Mapping[str, float] | None:
        """The weighted terms of an artist in a table; None where the snapshot does not keep them.

        Args:
            row: that the snapshot has of it; -1 where it has none.
        """
        if not self.tells_terms(artist, row, table):
            return None
        if (tables := self.of(artist)) is not None:
            weights: Mapping[str, float] = tables.get(table, {})
            return weights
        return self._snapshot.raw_terms[table].of(row) if row >= 0 and self.has_terms(table) else {}

"""Values of the tables, as far as a snapshot keeps them; merge patches are merged into them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from riyl.core.catalog.tables import MODALITY_OF
from riyl.core.catalog.terms import COLUMNS_OF
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import ArtistId


class Underlying:
    """Values of the tables for artists, read from a snapshot.

    Attributes:
        widths: by table, the width of its vectors; 0 for a table of weighted terms.
        table_of: by modality of the snapshot, its table.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._base_rows = snapshot.base_rows
        tags = snapshot.modalities.get("tags")
        has_terms = {
            "tags": tags is not None and tags.sets is not None,
            "plays": any(PurePath(name).stem == "plays" for name in snapshot.manifest["tables"]),
        }
        self.widths = {table: 0 for table in COLUMNS_OF if has_terms[table]}
        tables = {MODALITY_OF.get(table, table): table for table in self.widths}
        self.table_of = {name: tables.get(name, name) for name in snapshot.modalities}
        for name, modality in snapshot.modalities.items():
            self.widths.setdefault(self.table_of[name], modality.width)

    def changed(self, artist: ArtistId) -> bool:
        """Return whether changes of the artist were folded into the snapshot; if not, its rows equal the tables."""
        return self._base_rows is not None and artist in self._base_rows.ids

    def of(self, artist: ArtistId) -> Mapping[str, Any] | None:
        """Return the tables' values of an artist whose changes were folded in, empty where it has none; else None."""
        if self._base_rows is None or not self.changed(artist):
            return None
        return self._base_rows.of(artist) or {}

    def tells_terms(self, artist: ArtistId, row: int, table: str) -> bool:
        """Return whether the artist's weighted terms are known; snapshots of earlier releases lack most of them.

        `row` is the artist's row in the snapshot; -1 where the snapshot does not have it.
        """
        return row < 0 or self.changed(artist) or self.widths.get(table) != 0 or table in self._snapshot.raw_terms

    def terms(self, row: int, table: str) -> Mapping[str, float]:
        """Return the weighted terms of an artist whose changes were not folded in, where `tells_terms` is true."""
        return self._snapshot.raw_terms[table].of(row) if row >= 0 else {}

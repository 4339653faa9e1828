"""Tables and what changes leave standing, as one catalog: changes win field by field, and the deleted are not there."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from core.changes import Said, read_standing
from core.columns import Kind
from core.files import sha256_of
from core.folded_artists import changed_artists
from core.notes import Notes
from core.tables import BATCH_ROWS, REQUIRED, Tables, checked_batches
from core.types import ArtistId

log = logging.getLogger(__name__)

DIGEST = "changes.ndjson"
"""What the changes are called among the digests of a catalog."""

_TERMS = {"tags": ("tag", "weight"), "plays": ("user_id", "count")}
"""Columns of the tables that are no vectors: the text and its number."""


@dataclass(frozen=True)
class FoldedTables(Tables):
    """Tables with changes folded in; read like any others.

    What is said and has no place in the tables (a modality that they lack, a vector of another width, an attribute
    of another type) is left out with a warning, and what the tables say stands.

    Attributes:
        base: the tables themselves.
        standing: file of what stands, see `core.changes.write_standing`.
        last_change: number of the last change that counts in it.
        deleted: ids of the deleted artists.
        said: by table, of whom changes say something that has a place there, and whether it is that they have nothing.
        widths: by table, of its vectors; 0 of one that has none.
    """

    base: Tables
    standing: Path
    last_change: int
    deleted: frozenset[ArtistId]
    said: Mapping[str, Mapping[ArtistId, bool]]
    widths: Mapping[str, int]

    def digests(self) -> dict[str, str]:
        """sha256 of every table's file and of the changes, by file name: other changes are another catalog."""
        return {**self.base.digests(), DIGEST: sha256_of(self.standing)}

    def count_rows(self, table: str) -> int:
        """Rows of a table; reads the ids of its artists and all that changes say."""
        if table == "artists":
            return int(self.artists().num_rows)
        replaced = self._replaced(table)
        ids = (batch.column("artist_id") for batch in checked_batches(self.files[table], {"artist_id": Kind.TEXT}))
        kept = sum(len(column) - (pc.sum(pc.is_in(column, replaced)).as_py() or 0) for column in ids)
        return int(kept + sum(batch.num_rows for batch in self._added(table)))

    def batches(self, table: str, notes: Notes | None = None) -> Iterator[pa.RecordBatch]:
        """The rows of a table, those of changed artists last. Raises as `Tables.batches`."""
        if table == "artists":
            yield from self.artists(notes).to_batches(BATCH_ROWS)
            return
        replaced = self._replaced(table)
        for batch in self.base.batches(table, notes):
            yield batch.filter(pc.invert(pc.is_in(batch.column("artist_id"), replaced)))
        yield from self._added(table)

    def artists(self, notes: Notes | None = None) -> pa.Table:
        """The whole artists table, sorted by artist_id. Raises as `Tables.artists`, and where all are deleted."""
        return changed_artists(self.base.artists(notes), self.standing)

    def _replaced(self, table: str) -> pa.Array:
        """Of whom the table itself says nothing any more."""
        return pa.array(sorted(self.deleted | self.said.get(table, {}).keys()), pa.string())

    def _added(self, table: str) -> Iterator[pa.RecordBatch]:
        """The rows that changes say, in the order of the artists."""
        said, width = self.said.get(table, {}), self.widths.get(table, 0)
        if all(said.values()):
            return
        ids: list[ArtistId] = []
        values: list[Any] = []
        for each in read_standing(self.standing):
            if said.get(each.artist, True):
                continue
            rows = each.said["vectors"][table] if width else list(each.said[table].items())
            ids += [each.artist] * len(rows)
            values += rows
            if len(ids) >= BATCH_ROWS:
                yield _batch(table, ids, values, width)
                ids, values = [], []
        if ids:
            yield _batch(table, ids, values, width)


def fold(tables: Tables, standing: Path, last_change: int) -> FoldedTables:
    """The tables with changes folded in; reads what stands once.

    Args:
        standing: file of it, see `core.changes.write_standing`.
        last_change: number of the last change that counts in it.

    Raises:
        FormatError: the file is damaged.
    """
    widths = {table: _width(tables, table) for table in tables.modalities.values()}
    deleted: set[ArtistId] = set()
    said: dict[str, dict[ArtistId, bool]] = {}
    for each in read_standing(standing):
        if each.deleted:
            deleted.add(each.artist)
        for table, width in _widths_said(each.said):
            if width is None and table in widths:
                said.setdefault(table, {}).setdefault(each.artist, True)
            elif width is not None and widths.get(table) == width:
                said.setdefault(table, {})[each.artist] = False
            elif width is not None:
                log.warning(
                    "change_left_out artist=%s field=%s: found %s; the tables have %s",
                    *(each.artist, table, _named(width), _named(widths.get(table))),
                )
    return FoldedTables(tables.folder, tables.files, tables, standing, last_change, frozenset(deleted), said, widths)


def _width(tables: Tables, table: str) -> int:
    """Of a table's vectors; 0 of one that has none."""
    if not tables.has_vectors(table):
        return 0
    return int(next(tables.batches(table)).schema.field("vector").type.list_size)


def _widths_said(said: Said) -> Iterator[tuple[str, int | None]]:
    """The tables that something is said for, and the width of its vectors: 0 of texts, None of nothing."""
    for table in _TERMS:
        if table in said:
            yield table, None if said[table] is None else 0
    for table, vectors in said.get("vectors", {}).items():
        yield table, None if vectors is None else len(vectors[0])


def _named(width: int | None) -> str:
    return "no such table" if width is None else f"vectors of {width} numbers" if width else "texts with numbers"


def _batch(table: str, ids: list[str], values: list[Any], width: int) -> pa.RecordBatch:
    """In the types of `Tables.batches`."""
    artists = pa.array(ids, pa.string())
    if width:
        flat = pa.array([number for vector in values for number in vector], pa.float64()).cast(pa.float32(), safe=False)
        return pa.RecordBatch.from_pydict(
            {"artist_id": artists, "vector": pa.FixedSizeListArray.from_arrays(flat, width)}
        )
    texts, numbers = zip(*values, strict=True)
    text, number = _TERMS[table]
    columns = {
        "artist_id": artists,
        text: pa.array(texts, pa.string()),
        number: pa.array(numbers, pa.float64()),
    }
    return pa.RecordBatch.from_pydict({name: columns[name] for name in REQUIRED[table]})

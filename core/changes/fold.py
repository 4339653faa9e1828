"""Tables with effective changes folded in, as one catalog: changes win field by field; deleted artists are left out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from riyl.core.catalog.columns import Kind
from riyl.core.catalog.notes import Notes
from riyl.core.catalog.tables import BATCH_ROWS, REQUIRED, Tables, checked_batches
from riyl.core.catalog.terms import COLUMNS_OF, normalised_tags, term_keys
from riyl.core.changes.effective import EffectiveChanges, read_effective
from riyl.core.changes.fold_artists import changed_artists
from riyl.core.changes.reading import Says, table_changes
from riyl.core.files import sha256_of
from riyl.core.types import ArtistId

log = logging.getLogger(__name__)

DIGEST = "changes.ndjson"
"""Name of the changes among the digests of a catalog."""

_BETWEEN = "\0"
"""Separator between an artist's id and a term; no id of a change contains it, so distinct pairs give distinct texts."""


@dataclass(frozen=True)
class FoldedTables(Tables):
    """Tables with changes folded in, read like other tables.

    Values that have no place in the tables (a modality that they lack, a vector of another width, an attribute of
    another type) are left out with a warning, and the values of the tables remain.

    Attributes:
        base: the tables themselves.
        effective: file of the effective changes, see `riyl.core.changes.effective.write_effective`.
        last_change: number of the last change that the file includes.
        deleted: ids of the deleted artists.
        says: by table, the artists with changes that have a place there, and how these combine with the table's rows.
        patched: by table, pairs of artist and term, joined by `_pairs`, whose rows in the table do not count any more.
        widths: by table, width of its vectors; 0 for a table without vectors.
    """

    base: Tables
    effective: Path
    last_change: int
    deleted: frozenset[ArtistId]
    says: Mapping[str, Mapping[ArtistId, Says]]
    patched: Mapping[str, pa.Array]
    widths: Mapping[str, int]

    def digests(self) -> dict[str, str]:
        """Return the sha256 of every table's file and of the changes, by file name: other changes, other catalog."""
        return {**self.base.digests(), DIGEST: sha256_of(self.effective)}

    def count_rows(self, table: str) -> int:
        """Count the rows of a table; reads the artist ids, the terms if some are patched, and all changes."""
        if table == "artists":
            return int(self.artists().num_rows)
        columns = {"artist_id": Kind.TEXT} | ({COLUMNS_OF[table][0]: Kind.TEXT} if table in self.patched else {})
        filter_batch = self._filter(table)
        remaining_rows = sum(filter_batch(batch).num_rows for batch in checked_batches(self.files[table], columns))
        return int(remaining_rows + sum(batch.num_rows for batch in self._added(table)))

    def batches(self, table: str, notes: Notes | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a table, those of changed artists last. Raises as `Tables.batches`."""
        if table == "artists":
            yield from self.artists(notes).to_batches(BATCH_ROWS)
            return
        filter_batch = self._filter(table)
        for batch in self.base.batches(table, notes):
            yield filter_batch(batch)
        yield from self._added(table)

    def artists(self, notes: Notes | None = None) -> pa.Table:
        """Return the whole artists table, sorted by artist_id. Raises as `Tables.artists`, and if all are deleted."""
        return changed_artists(self.base.artists(notes), self.effective)

    def _filter(self, table: str) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
        """Return a filter that keeps those of the table's own rows that still count."""
        table_says = self.says.get(table, {})
        over = {artist for artist, says in table_says.items() if says is Says.OVER}
        replaced = pa.array(sorted(self.deleted | (table_says.keys() - over)), pa.string())
        patched, pairs = pa.array(sorted(over), pa.string()), self.patched.get(table)

        def filter_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
            batch = batch.filter(pc.invert(pc.is_in(batch.column("artist_id"), replaced)))
            if pairs is None:
                return batch
            at = pc.indices_nonzero(pc.is_in(batch.column("artist_id"), patched))
            artists, terms = (batch.column(name).take(at) for name in ("artist_id", COLUMNS_OF[table][0]))
            overridden = at.filter(pc.is_in(_pairs(table, artists, terms), pairs)).to_numpy()
            return batch.take(pa.array(np.delete(np.arange(batch.num_rows), overridden)))

        return filter_batch

    def _added(self, table: str) -> Iterator[pa.RecordBatch]:
        """Yield the rows that come from changes, in the order of the artists."""
        if all(says is Says.NOTHING for says in self.says.get(table, {}).values()):
            return
        width = self.widths[table]
        ids: list[ArtistId] = []
        values: list[Any] = []
        for each in read_effective(self.effective):
            for _, _, entries in table_changes(each, {table: width}):
                rows = entries if width else [row for row in entries.items() if row[1] is not None]
                ids += [each.artist] * len(rows)
                values += rows
            if len(ids) >= BATCH_ROWS:
                yield _batch(table, ids, values, width)
                ids, values = [], []
        if ids:
            yield _batch(table, ids, values, width)


def fold(tables: Tables, effective: Path, last_change: int) -> FoldedTables:
    """Fold effective changes into tables; reads the file of changes once.

    Args:
        tables: the tables.
        effective: file of the changes, see `riyl.core.changes.effective.write_effective`.
        last_change: number of the last change that the file includes.

    Raises:
        FormatError: the file is damaged.
    """
    widths = {table: _width(tables, table) for table in tables.modalities.values()}
    deleted: set[ArtistId] = set()
    said_by_table: dict[str, dict[ArtistId, Says]] = {table: {} for table in widths}
    pairs: dict[str, list[str]] = {}
    for each in read_effective(effective):
        if each.deleted:
            deleted.add(each.artist)
        for table, says, entries in table_changes(each, widths):
            said_by_table[table][each.artist] = says
            if says is Says.OVER:
                terms = term_keys(table, entries)
                pairs.setdefault(table, []).extend(f"{each.artist}{_BETWEEN}{term}" for term in terms)
        _warn_without_place(each, widths)
    patched = {table: pa.array(keys, pa.string()) for table, keys in pairs.items()}
    return FoldedTables(
        tables.folder, tables.files, tables, effective, last_change, frozenset(deleted), said_by_table, patched, widths
    )


def _width(tables: Tables, table: str) -> int:
    """Return the width of a table's vectors; 0 for a table without vectors."""
    if not tables.has_vectors(table):
        return 0
    return int(next(tables.batches(table)).schema.field("vector").type.list_size)


def _warn_without_place(effective: EffectiveChanges, widths: Mapping[str, int]) -> None:
    """Log the changes of an artist whose form differs from that of the tables."""
    payload = effective.payload
    forms = [(table, 0) for table in COLUMNS_OF if table in payload]
    forms += [(table, len(rows[0])) for table, rows in payload.get("vectors", {}).items() if rows]
    for table, width in forms:
        if widths.get(table) != width:
            log.warning(
                "change_left_out artist=%s field=%s: found %s; the tables have %s",
                *(effective.artist, table, _named(width), _named(widths.get(table))),
            )


def _pairs(table: str, artists: pa.Array, terms: pa.Array) -> pa.Array:
    """Join artists and their terms to one text each, terms in the form of `riyl.core.catalog.terms.term_keys`."""
    keys = normalised_tags(terms) if table == "tags" else terms
    return pc.binary_join_element_wise(artists, keys, _BETWEEN)


def _named(width: int | None) -> str:
    return "no such table" if width is None else f"vectors of {width} numbers" if width else "texts with numbers"


def _batch(table: str, ids: list[str], values: list[Any], width: int) -> pa.RecordBatch:
    """Build a batch with the types of `Tables.batches`."""
    artists = pa.array(ids, pa.string())
    if width:
        flat = pa.array([number for vector in values for number in vector], pa.float64()).cast(pa.float32(), safe=False)
        return pa.RecordBatch.from_pydict(
            {"artist_id": artists, "vector": pa.FixedSizeListArray.from_arrays(flat, width)}
        )
    texts, numbers = zip(*values, strict=True)
    text, number = COLUMNS_OF[table]
    columns = {"artist_id": artists, text: pa.array(texts, pa.string()), number: pa.array(numbers, pa.float64())}
    return pa.RecordBatch.from_pydict({name: columns[name] for name in REQUIRED[table]})

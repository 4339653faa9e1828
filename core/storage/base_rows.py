"""Base rows: the rows that the tables have of changed artists; a part of a snapshot that has changes folded in."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from riyl.core.catalog.columns import matrix
from riyl.core.catalog.tables import Tables
from riyl.core.catalog.terms import COLUMNS_OF
from riyl.core.changes.effective import read_effective
from riyl.core.changes.reading import IDENTITY_FIELDS
from riyl.core.storage.memory_map import ATTRIBUTE_TYPES, VECTORS, arrow_columns, read_arrow, write_arrow
from riyl.core.storage.sealed_files import SealedFile
from riyl.core.types import ArtistId, Progress, silent

FOLDER = "base_rows"

IDS = "artist-ids.arrow"
"""File of the artist ids. No table has this name; each table has a file of its own."""

SUFFIX = ".arrow"

_ARTIST_TYPES = (*ATTRIBUTE_TYPES, pa.list_(pa.string()))
"""Types of an artist's columns in the tables: mbid, aliases and attributes."""


class BaseRows:
    """Reader of the files of `write_base_rows`; maps them into memory and finds an artist's rows by bisection."""

    def __init__(self, files: Mapping[str, SealedFile]) -> None:
        self._files = files

    @cached_property
    def ids(self) -> frozenset[ArtistId]:
        """Ids of the artists that had effective changes; base rows exist for these alone."""
        if IDS not in self._files:
            return frozenset()
        return frozenset(read_arrow(self._files[IDS], {"artist_id": pa.string()}).column("artist_id").to_pylist())

    def of(self, artist: ArtistId) -> dict[str, Any] | None:
        """Return the values of an artist in the tables; None if the tables lack it, or if it had no effective changes.

        Returns:
            name, mbid, aliases; attributes, by column, None where it has none; vectors, by table that has rows of the
            artist, (m, w) float32 in the order of the table; tags and plays, where their tables have rows of it, weight
            by term as written, with the weights of equal terms added up.
        """
        rows = {name: matches for name, table in self._tables.items() if (matches := _rows_of(table, artist)).num_rows}
        if "artists" not in rows:
            return None
        (row,) = rows.pop("artists").drop_columns(["artist_id"]).to_pylist()
        values = {name: row.pop(name, None) for name in IDENTITY_FIELDS} | {"attributes": row, "vectors": {}}
        for name, table in rows.items():
            if "vector" in table.column_names:
                values["vectors"][name] = matrix(table.column("vector").combine_chunks())
            else:
                values[name] = _added_up(table, *COLUMNS_OF[name])
        return values

    @cached_property
    def _tables(self) -> dict[str, pa.Table]:
        names = sorted(name.removesuffix(SUFFIX) for name in self._files if name.endswith(SUFFIX) and name != IDS)
        return {name: _read(self._files[f"{name}{SUFFIX}"], name) for name in names}


def write_base_rows(
    folder: Path, tables: Tables, names: Iterable[str], effective: Path, progress: Progress = silent
) -> None:
    """Write the rows of the artists with effective changes, one file per table, by ascending artist_id.

    Writes nothing if there are no effective changes. Holds one batch of a table in memory at a time, and all of the
    table's rows that are kept.

    Args:
        folder: the folder to create; it is sealed together with the folder that contains it.
        tables: the tables themselves, without changes.
        names: names of the tables, including artists.
        effective: file of the effective changes, see `riyl.core.changes.effective.write_effective`.
        progress: called after each batch.

    Raises:
        TableError: as `Tables.batches`.
    """
    ids = pa.array([each.artist for each in read_effective(effective)], pa.string())
    if not len(ids):
        return
    folder.mkdir()
    _write(folder / IDS, pa.table({"artist_id": ids}))
    for name in names:
        batches, seen, total = [], 0, tables.count_rows(name)
        for batch in tables.batches(name):
            batches.append(batch.filter(pc.is_in(batch.column("artist_id"), ids)))
            seen += batch.num_rows
            progress(f"keep base rows of {name}", seen, total)
        _write(folder / f"{name}{SUFFIX}", pa.Table.from_batches(batches))


def _write(path: Path, table: pa.Table) -> None:
    """Write a table sorted by artist_id; Arrow's sort is stable."""
    write_arrow(path, table.take(pc.sort_indices(table.column("artist_id"))))


def _read(file: SealedFile, name: str) -> pa.Table:
    """Read the rows of the table of this name."""
    columns = {"artist_id": pa.string()}
    if name == "artists":
        return read_arrow(file, columns | {"name": pa.string()}, others=_ARTIST_TYPES)
    if "vector" in arrow_columns(file) or name not in COLUMNS_OF:
        return read_arrow(file, columns | {"vector": VECTORS})
    text, number = COLUMNS_OF[name]
    return read_arrow(file, columns | {text: pa.string(), number: pa.float64()})


def _rows_of(table: pa.Table, artist: ArtistId) -> pa.Table:
    ids = table.column("artist_id")

    def at(row: int) -> ArtistId:
        return str(ids[row].as_py())

    # both Python and Arrow sort by code points
    first = bisect_left(range(len(ids)), artist, key=at)
    return table.slice(first, bisect_right(range(len(ids)), artist, lo=first, key=at) - first)


def _added_up(rows: pa.Table, text: str, number: str) -> dict[str, float]:
    totals: dict[str, float] = {}
    for term, value in zip(rows.column(text).to_pylist(), rows.column(number).to_pylist(), strict=True):
        totals[term] = totals.get(term, 0.0) + value
    return totals

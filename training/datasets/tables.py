"""The user's own folder of tables as a source: every value checked, and copied as Parquet in canonical types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from core.mbids import shared_mbids
from core.tables import Tables
from core.types import Progress
from training.datasets.base import Dataset, Notes, TableWriter, write_table

_KEYS = {
    "tags": ("artist_id", "tag"),
    "plays": ("user_id", "artist_id"),
    "similar": ("artist_id", "similar_id"),
}
"""What should stand once in a table. Of vectors an artist may have several: they are averaged."""


SHARED = "mbids that several artists share: asked for by such an mbid, none of them is answered"
MOST_SHARED = 100
"""Of these that are named."""


def dataset(folder: Path) -> Dataset:
    """The tables in `folder` as a dataset."""
    return Dataset(
        name=folder.resolve().name,
        summary=f"the tables in {folder}",
        licence="",
        citation="",
        files=(),
        make=partial(_make, folder),
    )


def _make(folder: Path, files: Mapping[str, Path], out: Path, notes: Notes, progress: Progress) -> None:
    """Copy every table. Rows of unknown artists and rows that stand twice are copied too, and noted.

    Columns that RIYL knows and, of artists, all others are copied; other columns are not.

    Raises:
        InputError: a table is not what it should be; names file, row, found and wanted.
    """
    tables = Tables.open(folder)
    artists = tables.artists()
    write_table(out, "artists", artists)
    for mbid, ids in shared_mbids(artists).items():
        notes.add(SHARED, f"{mbid}: {', '.join(ids)}", keep=MOST_SHARED)
    progress("check artists", artists.num_rows, artists.num_rows)
    known = artists.column("artist_id").combine_chunks()
    for table in sorted(tables.files.keys() - {"artists"}):
        file = tables.files[table].name
        keys = _KEYS.get(table, ()) if not tables.has_vectors(table) else ()
        doubles = _Doubles(keys)
        with TableWriter(out, table) as writer:
            for first_row, batch in batches(tables, table, progress):
                note_unknown(notes, file, batch, first_row, known)
                doubles.add(batch)
                writer.write(batch)
        doubles.note(notes, file)


def batches(tables: Tables, table: str, progress: Progress) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The checked batches of a table, each with the number of its first row, counted from 1.

    The step's progress is in rows; its total is 0 until the end where only reading tells (CSV).
    """
    step = f"check {table}"
    total = tables.count_rows(table) if tables.files[table].suffix == ".parquet" else 0
    done = 0
    for batch in tables.batches(table):
        yield done + 1, batch
        done += batch.num_rows
        progress(step, done, total)
    progress(step, done, done)


def note_unknown(
    notes: Notes, file: str, batch: pa.RecordBatch, first_row: int, known: pa.Array, what: str = "row"
) -> NDArray[np.bool_]:
    """(n,) bool: the rows whose artists are all in `known`; the others are noted.

    Args:
        what: begins the note; says what becomes of such a row.
    """
    good = np.ones(batch.num_rows, np.bool_)
    for column in ("artist_id", "similar_id"):
        if column in batch.schema.names:
            good &= pc.is_in(batch.column(column), known).to_numpy(zero_copy_only=False)
    bad = np.flatnonzero(~good)
    for row in bad[:3]:
        ids = [batch.column(c)[int(row)].as_py() for c in ("artist_id", "similar_id") if c in batch.schema.names]
        notes.add(f"{file}: {what} of an artist that artists has not", f"row {first_row + row}: {', '.join(ids)}")
    notes.add(f"{file}: {what} of an artist that artists has not", count=max(0, len(bad) - 3))
    return good


class _Doubles:
    """Finds rows that repeat the key of an earlier row; 16 bytes of memory a row, and every different text once."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._columns = columns
        self._codes: list[dict[str, int]] = [{} for _ in columns]
        self._keys: list[NDArray[np.int64]] = []

    def add(self, batch: pa.RecordBatch) -> None:
        if not self._columns:
            return
        left, right = (_coded(batch.column(c), codes) for c, codes in zip(self._columns, self._codes, strict=True))
        self._keys.append(left << 32 | right)

    def note(self, notes: Notes, file: str) -> None:
        if not self._keys:
            return
        keys = np.concatenate(self._keys)
        order = np.argsort(keys, kind="stable")
        again = np.sort(order[1:][keys[order[1:]] == keys[order[:-1]]])
        what = f"{file}: row whose {' and '.join(self._columns)} stand in an earlier row"
        texts = [list(codes) for codes in self._codes]
        for row in again[:3]:
            left, right = divmod(int(keys[row]), 1 << 32)
            notes.add(what, f"row {row + 1}: {texts[0][left]}, {texts[1][right]}")
        notes.add(what, count=max(0, len(again) - 3))


def _coded(column: pa.Array, codes: dict[str, int]) -> NDArray[np.int64]:
    """(n,) the number of each text, in order of first appearance; `codes` grows."""
    encoded = column.dictionary_encode()
    numbers = [codes.setdefault(text, len(codes)) for text in encoded.dictionary.to_pylist()]
    rows: NDArray[np.int64] = np.array(numbers, np.int64)[encoded.indices.to_numpy(zero_copy_only=False)]
    return rows

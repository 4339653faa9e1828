"""The user's own folder of tables as a dataset: every value is checked, and copied as Parquet in canonical types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riyl.core.catalog.mbids import shared_mbids
from riyl.core.catalog.notes import Notes
from riyl.core.catalog.tables import Tables
from riyl.core.types import Progress, silent
from riyl.training.datasets.base import Dataset, TableWriter, write_table

_KEYS = {
    "tags": ("artist_id", "tag"),
    "plays": ("user_id", "artist_id"),
    "similar": ("artist_id", "similar_id"),
}
"""Columns that are unique together in each table. An artist may have several vectors, which are averaged."""


SHARED = "mbids that several artists share: a request by such an mbid returns none of them"
MAX_SHARED = 100
"""Maximum number of shared mbids that are listed."""


def dataset(folder: Path, *, ignore_unread: bool = False) -> Dataset:
    """Return the tables in `folder` as a dataset; see `Tables.open` for `ignore_unread`."""
    return Dataset(
        name=folder.resolve().name,
        summary=f"the tables in {folder}",
        licence="",
        citation="",
        files=(),
        make=partial(_make, folder, ignore_unread),
    )


def _make(
    folder: Path, ignore_unread: bool, files: Mapping[str, Path], out: Path, notes: Notes, progress: Progress
) -> None:
    check_tables(Tables.open(folder, ignore_unread=ignore_unread), notes, out=out, progress=progress)


def check_tables(tables: Tables, notes: Notes, *, out: Path | None = None, progress: Progress = silent) -> None:
    """Read every value of every table, and copy the tables into the folder `out` if it is given.

    Known columns are copied, and of the artists table all columns; other columns are not. Rows of unknown artists and
    repeated rows are kept, and noted.

    Raises:
        InputError: a table is invalid; the message has file, row, the value found and the value wanted.
    """
    for name, why in tables.unread.items():
        notes.files[name] = why.reason
    artists = tables.artists(notes)
    if out is not None:
        write_table(out, "artists", artists)
    for mbid, ids in shared_mbids(artists).items():
        notes.add(SHARED, f"{mbid}: {', '.join(ids)}", keep=MAX_SHARED)
    progress("check artists", artists.num_rows, artists.num_rows)
    artist_ids = artists.column("artist_id").combine_chunks()
    for table in sorted(tables.files.keys() - {"artists"}):
        file = tables.files[table].name
        keys = _KEYS.get(table, ()) if not tables.has_vectors(table) else ()
        doubles = _Doubles(keys)
        with ExitStack() as stack:
            writer = None if out is None else stack.enter_context(TableWriter(out, table))
            for rows, batch in batches(tables, table, notes, progress):
                note_unknown(notes, file, batch, rows, artist_ids)
                doubles.add(batch, rows)
                if writer is not None:
                    writer.write(batch)
        doubles.note(notes, file)


def batches(
    tables: Tables, table: str, notes: Notes, progress: Progress
) -> Iterator[tuple[NDArray[np.int64], pa.RecordBatch]]:
    """Yield the checked batches of a table, each with the numbers of its rows in the file, counted from 1.

    Progress is in rows; its total is 0 until the end if only reading reveals it (CSV).
    """
    step = f"check {table}"
    total = tables.count_rows(table) if tables.files[table].suffix == ".parquet" else 0
    done = 0
    for rows, batch in tables.numbered_batches(table, notes):
        yield rows, batch
        done += batch.num_rows
        progress(step, done, total)
    progress(step, done, done)


def note_unknown(
    notes: Notes, file: str, batch: pa.RecordBatch, rows: NDArray[np.int64], artist_ids: pa.Array, what: str = "row"
) -> NDArray[np.bool_]:
    """Return (n,) bool, true for rows whose artists are all in `artist_ids`; note the others.

    Args:
        notes: where to note them.
        file: name of the file.
        batch: the n rows.
        rows: (n,) their numbers in the file.
        artist_ids: known artists.
        what: start of the note; says what happens to such a row.
    """
    good = np.ones(batch.num_rows, np.bool_)
    for column in ("artist_id", "similar_id"):
        if column in batch.schema.names:
            good &= pc.is_in(batch.column(column), artist_ids).to_numpy(zero_copy_only=False)
    bad = np.flatnonzero(~good)
    for row in bad[:3]:
        ids = [batch.column(c)[int(row)].as_py() for c in ("artist_id", "similar_id") if c in batch.schema.names]
        notes.add(f"{file}: {what} of an artist that the artists table lacks", f"row {rows[row]}: {', '.join(ids)}")
    notes.add(f"{file}: {what} of an artist that the artists table lacks", count=max(0, len(bad) - 3))
    return good


class _Doubles:
    """Finder of rows that repeat the key of an earlier row; takes 24 bytes a row, and each distinct text once."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._columns = columns
        self._codes: list[dict[str, int]] = [{} for _ in columns]
        self._keys: list[NDArray[np.int64]] = []
        self._rows: list[NDArray[np.int64]] = []

    def add(self, batch: pa.RecordBatch, rows: NDArray[np.int64]) -> None:
        if not self._columns:
            return
        left, right = (_coded(batch.column(c), codes) for c, codes in zip(self._columns, self._codes, strict=True))
        self._keys.append(left << 32 | right)
        self._rows.append(rows)

    def note(self, notes: Notes, file: str) -> None:
        if not self._keys:
            return
        keys, rows = np.concatenate(self._keys), np.concatenate(self._rows)
        order = np.argsort(keys, kind="stable")
        again = np.sort(order[1:][keys[order[1:]] == keys[order[:-1]]])
        what = f"{file}: row that repeats the {' and '.join(self._columns)} of an earlier row"
        texts = [list(codes) for codes in self._codes]
        for position in again[:3]:
            left, right = divmod(int(keys[position]), 1 << 32)
            notes.add(what, f"row {rows[position]}: {texts[0][left]}, {texts[1][right]}")
        notes.add(what, count=max(0, len(again) - 3))


def _coded(column: pa.Array, codes: dict[str, int]) -> NDArray[np.int64]:
    """Return the number of each text, (n,), in order of first appearance; `codes` grows."""
    encoded = column.dictionary_encode()
    numbers = [codes.setdefault(text, len(codes)) for text in encoded.dictionary.to_pylist()]
    rows: NDArray[np.int64] = np.array(numbers, np.int64)[encoded.indices.to_numpy(zero_copy_only=False)]
    return rows

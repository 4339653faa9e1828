"""Join of two catalogs: artists of B that are also in A take A's id, all others are added.

`riyl.training.datasets.join_matches` decides which artists of B are in A.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from riyl.core.catalog.notes import Notes
from riyl.core.catalog.tables import Tables
from riyl.core.errors import MismatchError
from riyl.core.types import Progress, silent
from riyl.training.datasets.base import SOURCE, Report, TableWriter, new_tables, write_source, write_table
from riyl.training.datasets.join_matches import PREFIX, Match, fresh_ids, match_artists
from riyl.training.datasets.tables import batches, note_unknown

UNKNOWN = "of an artist that the artists table lacks"

NAME_FIELDS = ("artist_id", "name")


def join(a: Tables, b: Tables, out: Path, progress: Progress = silent) -> Report:
    """Join the tables of both catalogs in the new folder `out`.

    A matched artist keeps A's values; values that A lacks are taken from B. Tables of both catalogs are concatenated,
    `similar` without duplicate pairs of the same direction. Listeners of A and of B are assumed to be different
    people. Rows whose artist is missing from their own catalog are left out and noted.

    Raises:
        InputError: a table is invalid, or `out` is not empty.
        MismatchError: a table of both has vectors of different widths, or is of a different kind, or an attribute has
            different types.
    """
    _refuse_unlike(a, b)
    notes = Notes()
    for letter, side in (("A", a), ("B", b)):
        notes.files.update({f"{letter}, {name}": why.reason for name, why in side.unread.items()})
    of_a, of_b = a.artists(notes), b.artists(notes)
    match = match_artists(of_a, of_b, notes)
    notes.leave_out("artists", "of B that are artists of A", int((match.rows >= 0).sum()))
    progress("match artists", of_b.num_rows, of_b.num_rows)
    both_play = "plays" in a.files and "plays" in b.files
    users = fresh_ids(_listeners(a, progress), _listeners(b, progress)) if both_play else {}
    notes.add(f"listeners of B whose id A also has; their id got the prefix {PREFIX!r}", count=len(users))
    sides = (_Side("A", a, of_a, {}, {}), _Side("B", b, of_b, match.ids, users))
    with new_tables(out) as folder:
        write_table(folder, "artists", _merged(of_a, of_b, match))
        for table in sorted((a.files.keys() | b.files.keys()) - {"artists"}):
            having = [side for side in sides if table in side.tables.files]
            if table == "similar":
                _write_pairs(having, folder, notes, progress)
            else:
                _write(having, table, folder, notes, progress)
        report = Report.of(notes, Tables.open(folder))
        sources = [_source(a.folder), _source(b.folder)]
        licence, citation = (" + ".join(dict.fromkeys(s[k] for s in sources if s[k])) for k in ("licence", "citation"))
        write_source(folder, " + ".join(s["dataset"] for s in sources), licence, citation, report)
    return report


def _merged(a: pa.Table, b: pa.Table, match: Match) -> pa.Table:
    """Merge the artists: those of A, with B's values where A has none, then those of B that A lacks."""
    kinds = {field.name: _common_type(a, b, field.name) for schema in (a.schema, b.schema) for field in schema}
    in_b = np.full(a.num_rows, -1, np.int64)
    matched = np.flatnonzero(match.rows >= 0)
    in_b[match.rows[matched]] = matched
    other = pa.array(in_b, mask=in_b < 0)
    added = pa.array(np.flatnonzero(match.rows < 0))
    columns = {}
    for name, kind in kinds.items():
        of_a, of_b = _column(a, name, kind), _column(b, name, kind)
        if name == "artist_id":
            of_b = pa.array([match.ids.get(i, i) for i in of_b.to_pylist()], kind)
        elif name not in NAME_FIELDS:
            of_a = pc.if_else(pc.is_valid(of_a), of_a, of_b.take(other))
        columns[name] = pa.concat_arrays([of_a, of_b.take(added)])
    return pa.table(columns)


def _column(artists: pa.Table, name: str, kind: pa.DataType) -> pa.Array:
    if name not in artists.column_names:
        return pa.nulls(artists.num_rows, kind)
    return artists.column(name).combine_chunks().cast(kind)


def _common_type(a: pa.Table, b: pa.Table, name: str) -> pa.DataType:
    """Return the type that holds an attribute of both: if one is all empty the other's, of two numbers float64."""
    types = {t.schema.field(name).type for t in (a, b) if name in t.column_names} - {pa.null()}
    if not types:
        return pa.string()
    if types == {pa.int64(), pa.float64()}:
        return pa.float64()
    if len(types) > 1:
        actual = " and ".join(f"{t.schema.field(name).type} in {w}" for t, w in ((a, "A"), (b, "B")))
        raise MismatchError(f"attribute {name!r} of artists: found {actual}; wanted the same in both")
    return types.pop()


@dataclass(frozen=True)
class _Side:
    """One of the two catalogs, with its ids that change."""

    letter: str
    tables: Tables
    artists: pa.Table
    ids: Mapping[str, str]
    users: Mapping[str, str]

    def rows(self, table: str, notes: Notes, progress: Progress) -> Iterable[pa.RecordBatch]:
        """Yield the rows of a table under their new ids, without rows of unknown artists."""
        artist_ids = self.artists.column("artist_id").combine_chunks()
        file = f"{self.letter}, {self.tables.files[table].name}"
        changes = {"artist_id": self.ids, "similar_id": self.ids, "user_id": self.users}
        for rows, batch in batches(self.tables, table, notes, progress):
            good = note_unknown(notes, file, batch, rows, artist_ids, "row left out")
            filtered = batch.filter(pa.array(good))
            notes.leave_out(table, UNKNOWN, batch.num_rows - filtered.num_rows)
            yield pa.RecordBatch.from_pydict(
                {n: _renamed(filtered.column(n), changes.get(n, {})) for n in batch.schema.names}
            )


def _renamed(column: pa.Array, changes: Mapping[str, str]) -> pa.Array:
    if not changes or not len(column):
        return column
    encoded = column.dictionary_encode()
    texts = [changes.get(text, text) for text in encoded.dictionary.to_pylist()]
    return pa.array(texts, pa.string()).take(encoded.indices)


def _write(sides: list[_Side], table: str, folder: Path, notes: Notes, progress: Progress) -> None:
    with TableWriter(folder, table) as writer:
        for side in sides:
            for batch in side.rows(table, notes, progress):
                writer.write(batch)


def _write_pairs(sides: list[_Side], folder: Path, notes: Notes, progress: Progress) -> None:
    pairs = pa.Table.from_batches([batch for side in sides for batch in side.rows("similar", notes, progress)])
    once = pairs.group_by(pairs.column_names).aggregate([]).sort_by([(c, "ascending") for c in pairs.column_names])
    notes.add("similar: pair left out, a duplicate", count=pairs.num_rows - once.num_rows)
    notes.leave_out("similar", "that are duplicates", pairs.num_rows - once.num_rows)
    write_table(folder, "similar", once)


def _listeners(tables: Tables, progress: Progress) -> list[str]:
    users: set[str] = set()
    for _, batch in batches(tables, "plays", Notes(), progress):
        users.update(batch.column("user_id").unique().to_pylist())
    return sorted(users)


def _refuse_unlike(a: Tables, b: Tables) -> None:
    """Refuse tables of the same name that cannot be concatenated."""
    for modality in a.modalities.keys() & b.modalities.keys():
        tables = a.modalities[modality], b.modalities[modality]
        if tables[0] != tables[1]:
            raise MismatchError(f"found {tables[0]} in A and {tables[1]} in B; wanted one of them in both")
    for table in sorted(a.files.keys() & b.files.keys() - {"artists", "similar"}):
        widths = [_width(t, table) for t in (a, b)]
        if widths[0] != widths[1]:
            actual = " and ".join(f"{w or 'no'} numbers a vector in {x}" for w, x in zip(widths, "AB", strict=True))
            raise MismatchError(f"table {table}: found {actual}; wanted the same in both")


def _width(tables: Tables, table: str) -> int | None:
    if not tables.has_vectors(table):
        return None
    return int(next(iter(tables.batches(table))).column("vector").type.list_size)


def _source(folder: Path) -> dict[str, str]:
    """Read the record of a folder's source; the folder's own name if there is none."""
    payload = {"dataset": folder.name, "licence": "", "citation": ""}
    try:
        document = json.loads((folder / SOURCE).read_bytes())
    except (FileNotFoundError, ValueError):
        return payload
    return (
        {key: str(document.get(key, value)) for key, value in payload.items()}
        if isinstance(document, dict)
        else payload
    )

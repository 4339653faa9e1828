"""Tables of a user's catalog: a folder of Parquet or CSV files, read in checked batches of bounded memory."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from numpy.typing import NDArray

from riyl.core.catalog.attribute_columns import plain_attribute
from riyl.core.catalog.columns import ColumnCheck, Kind
from riyl.core.catalog.delimited import count_delimited, other_delimiter, read_delimited, read_header
from riyl.core.catalog.missing import is_missing_name
from riyl.core.catalog.notes import EXAMPLES, Notes
from riyl.core.catalog.text_types import text_columns
from riyl.core.catalog.unread import OWN, Unread, unread
from riyl.core.errors import InputError, TableError
from riyl.core.files import sha256_of

BATCH_ROWS = 1 << 16

MAX_SHOWN, MAX_SHOWN_LENGTH = 50, 100
"""Maximum number of column names in an error, and maximum length of each, in characters."""

VECTORS = {"artist_id": Kind.TEXT, "vector": Kind.VECTOR}
"""Columns of a modality that is given as vectors (audio, and any that the user adds)."""

REQUIRED: dict[str, dict[str, Kind]] = {
    "artists": {"artist_id": Kind.TEXT, "name": Kind.TEXT},
    "tags": {"artist_id": Kind.TEXT, "tag": Kind.TEXT, "weight": Kind.POSITIVE},
    "plays": {"user_id": Kind.TEXT, "artist_id": Kind.TEXT, "count": Kind.POSITIVE},
    "similar": {"artist_id": Kind.TEXT, "similar_id": Kind.TEXT},
}
OPTIONAL: dict[str, dict[str, Kind]] = {"artists": {"mbid": Kind.OPTIONAL_TEXT, "aliases": Kind.TEXTS}}

MODALITY_OF = {"plays": "cf"}
"""Modality of a table, where it differs from the table's name."""

NO_TAG = "of a tag that stands for nothing"
"""Reason for leaving out a row of tags whose tag is a placeholder."""

_UNNAMED = re.compile(r"\s*|Unnamed: [0-9]+(\.[0-9]+)*|__index_level_[0-9]+__|\.\.\.[0-9]+")
"""Names of columns that the author of a file did not name: an index, or delimiters at the end of lines."""


@dataclass(frozen=True)
class Tables:
    """A folder of tables. `files` maps a table's name to its file; opening reads no rows.

    Attributes:
        unread: by name, the other files of the folder.
    """

    folder: Path
    files: dict[str, Path]
    unread: Mapping[str, Unread] = field(default_factory=dict, kw_only=True)

    @staticmethod
    def open(folder: Path, *, ignore_unread: bool = False) -> Tables:
        """Find the tables of a folder.

        Args:
            folder: the folder.
            ignore_unread: whether to ignore files that may be tables in another format, or under another name.

        Raises:
            InputError: the folder or the artists table is missing, a table is in two formats, or a file is not read.
        """
        if not folder.is_dir():
            raise InputError(
                f"{folder}: found no such folder; wanted a folder of tables, including artists.parquet or artists.csv"
            )
        files: dict[str, Path] = {}
        others: dict[str, Unread] = {}
        for path in sorted(folder.iterdir()):
            if path.name == OWN:
                continue
            if (why := unread(path)) is not None:
                others[path.name] = why
            elif path.stem in files:
                raise InputError(f"{folder}: found both {files[path.stem].name} and {path.name}; wanted one of them")
            else:
                files[path.stem] = path
        if lost := [f"{name} ({why.reason})" for name, why in others.items() if not (why.harmless or ignore_unread)]:
            wanted = "only tables, or the option to ignore other entries (--ignore-unread, RIYL_IGNORE_UNREAD=true)"
            raise InputError(f"{folder}: found entries that are not read: {', '.join(lost)}; wanted {wanted}")
        if "artists" not in files:
            raise InputError(
                f"{folder}: found {', '.join(sorted(files)) or 'no tables'}; wanted artists.parquet or artists.csv"
            )
        if {"plays", "cf"} <= files.keys():
            raise InputError(
                f"{folder}: found both plays and cf; wanted listeners' plays or ready cf vectors, not both"
            )
        return Tables(folder, files, unread=others)

    @property
    def modalities(self) -> dict[str, str]:
        """Table name by modality name, sorted by modality."""
        tables_by_modality = {MODALITY_OF.get(t, t): t for t in self.files if t not in ("artists", "similar")}
        return dict(sorted(tables_by_modality.items()))

    def has_vectors(self, table: str) -> bool:
        """Check whether a modality's table holds vectors, rather than tags with weights, or plays."""
        return table not in REQUIRED or (table == "tags" and "vector" in _column_names(self.files[table]))

    def digests(self) -> dict[str, str]:
        """Return the sha256 of every table's file, by file name."""
        return {path.name: sha256_of(path) for path in self.files.values()}

    def count_rows(self, table: str) -> int:
        """Count the rows of a table's file: from the footer for Parquet, by reading for CSV."""
        path = self.files[table]
        return int(_parquet(path).metadata.num_rows) if path.suffix == ".parquet" else count_delimited(path)

    def columns(self, table: str) -> list[str]:
        """Return the names of a table's columns, which include the required ones; reads no rows.

        Raises:
            TableError: a column is missing, or a name is repeated.
        """
        return column_names(self.files[table], self._required(table))

    def batches(self, table: str, notes: Notes | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a table without their numbers. Raises as `numbered_batches`."""
        return (batch for _, batch in self.numbered_batches(table, notes))

    def numbered_batches(
        self, table: str, notes: Notes | None = None
    ) -> Iterator[tuple[NDArray[np.int64], pa.RecordBatch]]:
        """Yield the rows of a table in file order, with every known column checked and in its canonical type.

        Other columns are passed on for `artists` (attributes) and dropped elsewhere; so are columns without a name.
        Rows of tags whose tag is a placeholder (`riyl.core.catalog.missing`) are left out.

        Args:
            table: name of the table.
            notes: receives rows read and left out, columns that are dropped, and values that are read as missing.

        Returns:
            (n,) numbers of the rows in the file, counted from 1 behind the header, and the rows.

        Raises:
            TableError: a column is missing, or a value is invalid; names file, row, found, wanted.
        """
        notes = Notes() if notes is None else notes
        path = self.files[table]
        names = self.columns(table)
        kinds = self._required(table) | {n: k for n, k in OPTIONAL.get(table, {}).items() if n in names}
        others = [n for n in names if n not in kinds]
        attributes = [n for n in others if table == "artists" and not _UNNAMED.fullmatch(n)]
        for name in others:
            if name not in attributes and name != "track_id":
                why = "it has no name" if _UNNAMED.fullmatch(name) else "only the artists table has attributes"
                notes.columns.setdefault(path.name, {})[name] = why
        first = 1
        for batch in checked_batches(path, kinds, attributes, notes):
            rows = np.arange(first, first + batch.num_rows)
            first += batch.num_rows
            notes.add_read(table, batch.num_rows)
            if "tag" in kinds and len(left := _without_tag(batch)):
                _note_without_tag(path, rows, batch, left, notes)
                rows, batch = np.delete(rows, left), batch.take(pa.array(np.delete(np.arange(len(rows)), left)))
            yield rows, batch

    def artists(self, notes: Notes | None = None) -> pa.Table:
        """Read the whole artists table, sorted by artist_id; mbid and aliases are added if the file lacks them.

        Raises:
            TableError: as `batches`, or an artist_id is repeated.
        """
        table = pa.Table.from_batches(self.batches("artists", notes))
        ids = table.column("artist_id").combine_chunks()
        if len(ids.unique()) != len(ids):
            counts = ids.value_counts()
            double = counts.filter(pc.greater(counts.field("counts"), 1))[0]["values"].as_py()
            rows = pc.indices_nonzero(pc.equal(ids, double)).to_pylist()
            raise TableError(
                self.files["artists"],
                row=rows[1] + 1,
                found=f"artist_id {double!r} again (first in row {rows[0] + 1})",
                wanted="each artist_id once",
            )
        for name, kind in (("mbid", pa.string()), ("aliases", pa.list_(pa.string()))):
            if name not in table.column_names:
                table = table.append_column(name, pa.nulls(len(ids), kind))
        return table.take(pc.sort_indices(ids)).combine_chunks()

    def _required(self, table: str) -> dict[str, Kind]:
        return VECTORS if self.has_vectors(table) else REQUIRED[table]


def column_names(path: Path, required: Mapping[str, Kind]) -> list[str]:
    """Return the names of the columns of a Parquet, CSV or TSV file, which include the required ones; reads no rows.

    Raises:
        TableError: a column is missing, or a name is repeated.
    """
    names = _column_names(path)
    for name, kind in required.items():
        if name not in names:
            shown = [
                n[:MAX_SHOWN_LENGTH] if n == n.strip() != "" else repr(n[:MAX_SHOWN_LENGTH]) for n in names[:MAX_SHOWN]
            ]
            more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
            actual = f"columns {', '.join(shown) or 'none'}{more}"
            wanted = f"a column {name!r} ({kind.value})"
            hint = other_delimiter(path, names)
            raise TableError(path, found=actual, wanted=wanted if hint is None else f"{wanted}, and {hint}")
    for name, times in Counter(names).items():
        if times > 1 and not _UNNAMED.fullmatch(name):
            raise TableError(path, found=f"column {name[:MAX_SHOWN_LENGTH]!r} twice", wanted="each column once")
    return names


def checked_batches(
    path: Path, kinds: Mapping[str, Kind], attributes: Sequence[str] = (), notes: Notes | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a Parquet, CSV or TSV file in file order: columns of these kinds, and attributes, each checked.

    An attribute of a text file has the type that fits all of its values: see `riyl.core.catalog.text_types`. For
    `notes` see `riyl.core.catalog.columns.ColumnCheck`.

    Raises:
        TableError: a value is invalid, or there are no rows; names file, row, found, wanted.
    """
    checks = {name: ColumnCheck(path, name, kind, notes) for name, kind in kinds.items()}
    texts = text_columns(_read(path, attributes, {}), attributes) if path.suffix != ".parquet" and attributes else {}
    for text in texts.values():
        if notes is not None:
            text.note(notes, path.name)
    row, seen = 1, False
    for batch in _read(path, [*kinds, *attributes], kinds):
        columns = {name: check(batch.column(name), row) for name, check in checks.items()}
        for name in attributes:
            column = batch.column(name)
            typed = texts[name].typed(column) if texts else plain_attribute(path, name, column, row, notes)
            columns[name] = typed
        row += batch.num_rows
        seen = seen or batch.num_rows > 0
        yield pa.RecordBatch.from_pydict(columns)
    if not seen:
        raise TableError(path, found="no rows", wanted="at least one (omit the file if it would be empty)")


def _without_tag(batch: pa.RecordBatch) -> NDArray[np.int64]:
    """Return the positions of rows whose tag is a placeholder."""
    tags = batch.column("tag")
    return np.flatnonzero(is_missing_name(tags))


def _note_without_tag(
    path: Path, rows: NDArray[np.int64], batch: pa.RecordBatch, left: NDArray[np.int64], notes: Notes
) -> None:
    what = f"{path.name}: row left out, its tag is a placeholder for a missing value"
    notes.leave_out("tags", NO_TAG, len(left))
    for position in left[:EXAMPLES]:
        notes.add(what, f"row {rows[position]}: {batch.column('tag')[int(position)].as_py()!r}")
    notes.add(what, count=max(0, len(left) - EXAMPLES))


def _parquet(path: Path) -> pyarrow.parquet.ParquetFile:
    try:
        file = pyarrow.parquet.ParquetFile(path)
        file.schema_arrow.names  # noqa: B018  decodes the names of the columns
        return file
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise TableError(path, found=f"no readable Parquet file ({error})", wanted="a whole Parquet file") from error


def _column_names(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        return list(_parquet(path).schema_arrow.names)
    return read_header(path)


def _read(path: Path, columns: Sequence[str], kinds: Mapping[str, Kind]) -> Iterator[pa.RecordBatch]:
    if path.suffix != ".parquet":
        yield from read_delimited(path, columns, kinds)
        return
    file = _parquet(path)
    try:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=list(columns)):
            batch.validate(full=True)
            yield batch
    except (pa.ArrowException, OSError) as error:
        raise TableError(
            path, found=f"damaged Parquet data ({error})", wanted="a whole Parquet file with UTF-8 text"
        ) from error

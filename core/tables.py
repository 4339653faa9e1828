"""The catalog as a user brings it: a folder of Parquet or CSV files, read in checked batches of bounded memory."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from core.columns import ColumnCheck, Kind
from core.errors import InputError, TableError
from core.files import sha256_of

BATCH_ROWS = 1 << 16

VECTORS = {"artist_id": Kind.TEXT, "vector": Kind.VECTOR}
"""Columns of a modality that comes as vectors (audio, and any that the user adds)."""

REQUIRED: dict[str, dict[str, Kind]] = {
    "artists": {"artist_id": Kind.TEXT, "name": Kind.TEXT},
    "tags": {"artist_id": Kind.TEXT, "tag": Kind.TEXT, "weight": Kind.POSITIVE},
    "plays": {"user_id": Kind.TEXT, "artist_id": Kind.TEXT, "count": Kind.POSITIVE},
    "similar": {"artist_id": Kind.TEXT, "similar_id": Kind.TEXT},
}
OPTIONAL: dict[str, dict[str, Kind]] = {"artists": {"mbid": Kind.OPTIONAL_TEXT, "aliases": Kind.TEXTS}}

MODALITY_OF = {"plays": "cf"}
"""Modality that a table gives, where it is not the table's own name."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LOST_BYTE = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True)
class Tables:
    """A folder of tables. `files` maps a table's name to its file; opening reads no rows."""

    folder: Path
    files: dict[str, Path]

    @staticmethod
    def open(folder: Path) -> Tables:
        """Find the tables of `folder`; other kinds of files are left alone.

        Raises:
            InputError: no such folder, no artists table, a table in two formats, or a name that is none.
        """
        if not folder.is_dir():
            raise InputError(
                f"{folder}: found no such folder; wanted a folder of tables, artists.parquet or artists.csv among them"
            )
        files: dict[str, Path] = {}
        for path in sorted(folder.iterdir()):
            if path.suffix not in (".parquet", ".csv"):
                continue
            if not _NAME.fullmatch(path.stem):
                raise InputError(
                    f"{path}: found table name {path.stem!r}; wanted lower-case letters, digits and _, a letter first"
                )
            if path.stem in files:
                raise InputError(f"{folder}: found both {files[path.stem].name} and {path.name}; wanted one of them")
            files[path.stem] = path
        if "artists" not in files:
            raise InputError(
                f"{folder}: found {', '.join(sorted(files)) or 'no tables'}; wanted artists.parquet or artists.csv"
            )
        if {"plays", "cf"} <= files.keys():
            raise InputError(
                f"{folder}: found both plays and cf; wanted listeners' plays or ready cf vectors, not both"
            )
        return Tables(folder, files)

    @property
    def modalities(self) -> dict[str, str]:
        """Modality name to table name, sorted by modality."""
        found = {MODALITY_OF.get(t, t): t for t in self.files if t not in ("artists", "similar")}
        return dict(sorted(found.items()))

    def has_vectors(self, table: str) -> bool:
        """Whether a modality's table holds vectors (else tags with weights, or plays)."""
        return table not in REQUIRED or (table == "tags" and "vector" in _column_names(self.files[table]))

    def digests(self) -> dict[str, str]:
        """sha256 of every table's file, by file name."""
        return {path.name: sha256_of(path) for path in self.files.values()}

    def count_rows(self, table: str) -> int:
        """Rows of a table: from the footer for Parquet, by reading for CSV."""
        path = self.files[table]
        if path.suffix == ".parquet":
            return int(_parquet(path).metadata.num_rows)
        return sum(batch.num_rows for batch in self.batches(table))

    def columns(self, table: str) -> list[str]:
        """Names of a table's columns, those that it must have among them; reads no rows.

        Raises:
            TableError: a column is missing, or a name stands twice.
        """
        return column_names(self.files[table], self._required(table))

    def batches(self, table: str) -> Iterator[pa.RecordBatch]:
        """The rows of a table in file order, every known column checked and in its canonical type.

        Columns beside the known ones are passed on for `artists` (attributes) and dropped elsewhere.

        Raises:
            TableError: a column is missing, or a value is not what it must be; names file, row, found, wanted.
        """
        path = self.files[table]
        names = self.columns(table)
        kinds = self._required(table) | {n: k for n, k in OPTIONAL.get(table, {}).items() if n in names}
        attributes = [n for n in names if n not in kinds] if table == "artists" else []
        return checked_batches(path, kinds, attributes)

    def artists(self) -> pa.Table:
        """The whole artists table, sorted by artist_id, with mbid and aliases added where the file has none.

        Raises:
            TableError: as `batches`, or an artist_id that stands twice.
        """
        table = pa.Table.from_batches(self.batches("artists"))
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
    """Names of the columns of a Parquet, CSV or TSV file, the required ones among them; reads no rows.

    Raises:
        TableError: a column is missing, or a name stands twice.
    """
    names = _column_names(path)
    for name, kind in required.items():
        if name not in names:
            found = f"columns {', '.join(names) or 'none'}"
            raise TableError(path, found=found, wanted=f"a column {name!r} ({kind.value})")
    for name in names:
        if names.count(name) > 1:
            raise TableError(path, found=f"column {name!r} twice", wanted="each column once")
    return names


def checked_batches(path: Path, kinds: Mapping[str, Kind], attributes: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet, CSV or TSV file in file order: columns of these kinds, and attributes, each checked.

    Raises:
        TableError: a value is not what it must be, or there are no rows; names file, row, found, wanted.
    """
    checks = {name: ColumnCheck(path, name, kind) for name, kind in kinds.items()}
    row, seen = 1, False
    for batch in _read(path, [*kinds, *attributes], kinds):
        columns = {name: check(batch.column(name), row) for name, check in checks.items()}
        columns |= {name: _attribute(path, name, batch.column(name)) for name in attributes}
        row += batch.num_rows
        seen = seen or batch.num_rows > 0
        yield pa.RecordBatch.from_pydict(columns)
    if not seen:
        raise TableError(path, found="no rows", wanted="at least one (leave the file out if there is nothing)")


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
    with _csv(path, {}) as reader:
        try:
            return list(reader.schema.names)
        except UnicodeDecodeError as error:
            raise _csv_error(path, error) from error


def _csv(path: Path, kinds: Mapping[str, Kind]) -> pyarrow.csv.CSVStreamingReader:
    try:
        return pyarrow.csv.open_csv(
            path,
            read_options=pyarrow.csv.ReadOptions(use_threads=False),
            parse_options=pyarrow.csv.ParseOptions(delimiter=_delimiter(path), newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={name: pa.string() for name in kinds}, null_values=[""], strings_can_be_null=True
            ),
        )
    except pa.ArrowInvalid as error:
        raise _csv_error(path, error) from error


def _delimiter(path: Path) -> str:
    return "\t" if path.suffix == ".tsv" else ","


def _csv_error(path: Path, error: Exception) -> TableError:
    """What is wrong with a CSV file that Arrow refused, with the row where it can be found by reading once more."""
    header: list[str] | None = None
    row = 0
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            delimiter = _delimiter(path)
            for fields in filter(None, csv.reader(file, delimiter=delimiter)):
                header = header or fields
                text = delimiter.join(fields)
                if wrong := _LOST_BYTE.search(text):
                    found = f"byte 0x{ord(wrong[0]) - 0xDC00:02x}, which is not UTF-8, in {_shown(text)}"
                    return TableError(path, row=row or None, found=found, wanted="UTF-8 text")
                if len(fields) != len(header):
                    found = f"{len(fields)} fields in {_shown(text)}"
                    return TableError(path, row=row, found=found, wanted=f"{len(header)}, as in the header")
                row += 1
    except csv.Error:
        pass
    if header is None or row <= 1:
        found = "an empty file" if header is None else "no rows"
        return TableError(path, found=found, wanted="a header and at least one row")
    return TableError(path, found=str(error), wanted="a CSV file, each column of one kind")


def _shown(text: str) -> str:
    return repr(text[:60].encode(errors="surrogateescape").decode(errors="replace"))


def _read(path: Path, columns: list[str], kinds: Mapping[str, Kind]) -> Iterator[pa.RecordBatch]:
    if path.suffix != ".parquet":
        with _csv(path, kinds) as reader:
            try:
                for batch in reader:
                    yield batch.select(columns)
            except pa.ArrowInvalid as error:
                raise _csv_error(path, error) from error
        return
    file = _parquet(path)
    try:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=columns):
            batch.validate(full=True)
            yield batch
    except (pa.ArrowException, OSError) as error:
        raise TableError(
            path, found=f"damaged Parquet data ({error})", wanted="a whole Parquet file with UTF-8 text"
        ) from error


def _attribute(path: Path, name: str, column: pa.Array) -> pa.Array:
    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_temporal(kind):
        return column.cast(pa.string())
    if pa.types.is_string(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind):
        return column
    if pa.types.is_integer(kind):
        return column.cast(pa.int64())
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return column.cast(pa.float64())
    raise TableError(
        path, found=f"type {kind} in attribute {name!r}", wanted="text, whole numbers, numbers or true/false"
    )

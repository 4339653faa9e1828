"""Delimited text (CSV, TSV), parsed strictly, with every value as text, in batches of bounded memory.

The grammar is RFC 4180 as Python's csv module reads it with strict=True. A quote inside an unquoted value is an
ordinary character (`12" Mix`); text behind a closing quote and a quote that is never closed are errors. Blocks
without quotes are parsed by Arrow, which gives the same result ten times as fast.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from riyl.core.catalog.columns import Kind
from riyl.core.errors import TableError

BLOCK_BYTES = 1 << 20
MAX_BYTES = 1 << 24
"""Maximum size of a line and of a quoted value, in bytes; without it, an unclosed quote would fill the memory."""

QUOTING = 'a value that begins with a quote to be in quotes, and each quote in it doubled: """80s""", "12"" Mix"'
PLAIN_LINES = f"one line a row, or {QUOTING} (a Parquet file is unambiguous)"

_BOM = b"\xef\xbb\xbf"
_WRONG = re.compile("[\udc80-\udcff\0]")
_DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}


def delimiter_of(path: Path) -> str:
    """Return the delimiter: a tab for .tsv, else a comma."""
    return "\t" if path.suffix == ".tsv" else ","


def other_delimiter(path: Path, header: Sequence[str]) -> str | None:
    """Describe the delimiter that is wanted, if the header seems to use another one; else None."""
    wanted = delimiter_of(path)
    if path.suffix != ".parquet" and len(header) == 1:
        for mark, name in _DELIMITERS.items():
            if mark != wanted and mark in header[0]:
                return f"columns separated by {_DELIMITERS[wanted]}, not by {name}"
    return None


def read_header(path: Path) -> list[str]:
    """Return the names of the columns, in the file's order; reads no rows.

    Raises:
        TableError: the file is empty or not UTF-8, or a quote of the header is not closed.
    """
    with path.open("rb") as file:
        return _Source(path, file).header


def read_delimited(path: Path, columns: Sequence[str], kinds: Mapping[str, Kind]) -> Iterator[pa.RecordBatch]:
    """Yield the rows in file order: these columns as strings, null for empty values. Blank lines are skipped.

    Args:
        path: the file.
        columns: names of columns in the header.
        kinds: content of columns, to decide whether a line could be a row.

    Raises:
        TableError: a row has too few or too many fields, a quote is not closed or has text behind it, or the bytes
            are not UTF-8; names file, row and line.
    """
    with path.open("rb") as file:
        source = _Source(path, file)
        places = {name: source.header.index(name) for name in columns}
        yield from source.batches(places, kinds)


def count_delimited(path: Path) -> int:
    """Count the rows that `read_delimited` yields."""
    with path.open("rb") as file:
        source = _Source(path, file)
        for _ in source.batches({source.header[0]: 0}, {}):
            pass
        return source.row


class _Source:
    """One pass over a file.

    Attributes:
        header: fields of the first record.
        row: number of rows read so far, without the header.
        line: number of lines read so far, with those of the header.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._delimiter = delimiter_of(path)
        self._pending: deque[str] = deque()
        self._lines: list[str] = []
        self._began = 1
        self._suspect = False
        self.row = -1
        self.line = 0
        csv.field_size_limit(MAX_BYTES)
        self._records = csv.reader(self._feed(), delimiter=self._delimiter, strict=True)
        if file.read(len(_BOM)) != _BOM:
            file.seek(0)
        header = self._next()
        if header is None:
            raise TableError(path, found="an empty file", wanted="a header and at least one row")
        self.header = header
        self.row = 0

    def batches(self, places: Mapping[str, int], kinds: Mapping[str, Kind]) -> Iterator[pa.RecordBatch]:
        """Yield the rows behind the header, each with the values at these positions."""
        while True:
            if not self._pending:
                block = self._file.read(BLOCK_BYTES)
                if not block:
                    return
                block += self._rest_of_line()
                if (batch := self._whole(block, places)) is not None:
                    if batch.num_rows:
                        yield batch
                    continue
                self._take(block)
            rows = []
            while self._pending and (record := self._next()) is not None:
                self._check(record, kinds)
                self.row += 1
                rows.append(record)
            if rows:
                yield _batch(rows, places)

    def _whole(self, block: bytes, places: Mapping[str, int]) -> pa.RecordBatch | None:
        """Parse the rows of a block at once; None if they must be read one by one."""
        plain = self._plain(block, places)
        return self._one_line_each(block, places) if plain is None else plain

    def _plain(self, block: bytes, places: Mapping[str, int]) -> pa.RecordBatch | None:
        """Parse the rows of whole lines without quotes; None if they must be read one by one."""
        if b'"' in block or b"\0" in block or block.count(b"\r") != block.count(b"\r\n"):
            return None
        names = [str(at) for at in range(len(self.header))]
        options = pyarrow.csv.ParseOptions(delimiter=self._delimiter, quote_char=False, double_quote=False)
        try:
            block.decode()
            table = pyarrow.csv.read_csv(
                pa.BufferReader(block),
                pyarrow.csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=names),
                options,
                pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                    include_columns=[str(at) for at in places.values()],
                ),
            )
        except (pa.ArrowInvalid, UnicodeDecodeError):
            return None
        self.row += table.num_rows
        self.line += block.count(b"\n")
        arrays = [column.combine_chunks() for column in table.columns]
        return pa.RecordBatch.from_arrays(arrays, names=list(places))

    def _one_line_each(self, block: bytes, places: Mapping[str, int]) -> pa.RecordBatch | None:
        """Parse the rows of whole lines that are one record each; None if they must be read one by one."""
        try:
            lines = list(io.StringIO(block.decode(), newline=""))
            records = list(csv.reader(lines, delimiter=self._delimiter, strict=True))
        except (csv.Error, UnicodeDecodeError):
            return None
        rows = [record for record in records if record]
        if len(records) != len(lines) or b"\0" in block or {len(row) for row in rows} != {len(self.header)}:
            return None
        self.row += len(rows)
        self.line += len(lines)
        return _batch(rows, places)

    def _rest_of_line(self) -> bytes:
        rest = self._file.readline(MAX_BYTES)
        if len(rest) == MAX_BYTES:
            raise self._error(f"a line of more than {MAX_BYTES} bytes", "shorter lines")
        return rest

    def _take(self, raw: bytes) -> None:
        """Queue whole lines for reading; each keeps its line end."""
        try:
            text = raw.decode()
            self._suspect = "\0" in text
        except UnicodeDecodeError:
            text = raw.decode(errors="surrogateescape")
            self._suspect = True
        self._pending.extend(io.StringIO(text, newline=""))

    def _feed(self) -> Iterator[str]:
        while True:
            if not self._pending:
                raw = self._rest_of_line()
                if not raw:
                    return
                self._take(raw)
            line = self._pending.popleft()
            self.line += 1
            self._lines.append(line)
            if self._suspect and (wrong := _WRONG.search(line)):
                byte = ord(wrong[0]) & 0xFF
                kind = "which is not UTF-8," if byte else "which is not text,"
                raise self._error(f"byte 0x{byte:02x}, {kind} in {_shown(line)}", "UTF-8 text")
            yield line

    def _next(self) -> list[str] | None:
        """Return the next record that is not a blank line; None at the end."""
        while True:
            self._lines.clear()
            self._began = self.line + 1
            try:
                record = next(self._records, None)
            except csv.Error as error:
                behind = "expected after" in str(error)
                fault = "text behind a closing quote" if behind else "a quote that is opened and never closed"
                raise self._error(f"{fault} in {_shown(self._lines[0])}", QUOTING, line=self._began) from error
            if record != []:
                return record

    def _check(self, record: list[str], kinds: Mapping[str, Kind]) -> None:
        if len(record) != len(self.header):
            actual = f"{len(record)} fields in {_shown(self._lines[0])}"
            raise self._error(actual, f"{len(self.header)}, as in the header")
        if len(self._lines) > 1 and self._are_rows(kinds):
            actual = f"a value in quotes over {len(self._lines)} lines, each of which could be a row: "
            raise self._error(actual + ", ".join(map(_shown, self._lines[:2])), PLAIN_LINES, line=self._began)

    def _are_rows(self, kinds: Mapping[str, Kind]) -> bool:
        """Check whether the lines of the last record look like rows that a stray quote has joined.

        Each line must have as many fields as a row when quotes are ordinary characters, and a line behind the first
        must also hold ids like the first one's, and numbers where numbers are required.
        """
        rows = [line.rstrip("\r\n").split(self._delimiter) for line in self._lines]
        if len(self.header) < 2 or any(len(row) != len(self.header) for row in rows):
            return False
        return any(all(self._fits(name, kinds[name], rows[0], row) for name in kinds) for row in rows[1:])

    def _fits(self, name: str, kind: Kind, first: list[str], row: list[str]) -> bool:
        at = self.header.index(name)
        text, like = (fields[at].replace('"', "").strip() for fields in (row, first))
        if kind is Kind.POSITIVE:
            try:
                return 0 < float(text) < math.inf
            except ValueError:
                return False
        if kind is not Kind.TEXT:
            return True
        if not name.endswith("_id"):
            return bool(text)
        return bool(text) and all(any(map(of, text)) == any(map(of, like)) for of in (str.isspace, str.isdigit))

    def _error(self, actual: str, wanted: str, *, line: int | None = None) -> TableError:
        return TableError(
            self._path, row=self.row + 1 if self.row >= 0 else None, line=line, found=actual, wanted=wanted
        )


def _batch(rows: list[list[str]], places: Mapping[str, int]) -> pa.RecordBatch:
    fields = list(zip(*rows, strict=True))
    texts = [pa.array(fields[at], pa.string()) for at in places.values()]
    columns = [pc.if_else(pc.equal(each, ""), pa.scalar(None, pa.string()), each) for each in texts]
    return pa.RecordBatch.from_arrays(columns, names=list(places))


def _shown(text: str) -> str:
    return repr(text.rstrip("\r\n")[:60].encode(errors="surrogateescape").decode(errors="replace"))

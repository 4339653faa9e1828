"""Arrays and tables of sealed folders, mapped into memory; their types, shapes and values are checked."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from riyl.core.storage.sealed_files import SealedFile
from riyl.core.types import Rows

MAX_MAGNITUDE = 1e15
"""Maximum magnitude of a stored number of a vector or a correction: products of two stay in the range of float32."""

ARTIST_COLUMNS = {
    "artist_id": pa.string(),
    "name": pa.string(),
    "mbid": pa.string(),
    "aliases": pa.list_(pa.string()),
}
"""First columns of a stored table of artists; attributes follow."""

ATTRIBUTE_TYPES = (pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.null())
"""Types of attribute columns, see `riyl.core.catalog.attribute_columns`."""

VECTORS = pa.list_(pa.float32())
"""Type that stands for lists of float32 of any one length."""

_HEADER_BYTES = 1 << 14
_CHUNK_BYTES = 1 << 24

Number = TypeVar("Number", bound=np.generic)


def load_array(
    file: SealedFile, kind: type[Number] | tuple[type[Number], ...], shape: Sequence[int | None]
) -> NDArray[Number]:
    """Map an array that `np.save` wrote, read-only, in C order.

    Args:
        file: the file.
        kind: type of its numbers, or the types that are allowed.
        shape: its shape, with None for lengths that the file may choose.

    Raises:
        FormatError: the array has another type or shape, or its file another size than these take.
    """
    stream = io.BytesIO(file.map[:_HEADER_BYTES])
    kinds = [np.dtype(each) for each in (kind if isinstance(kind, tuple) else (kind,))]
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        stored_shape, fortran, stored = read(stream)
    except Exception as error:  # the header is Python code; an invalid one raises errors of many types
        raise file.damaged(f"no array ({error})", "an array that numpy wrote") from error
    if stored not in kinds or (fortran and len(stored_shape) > 1):
        raise file.damaged(f"{stored}{' in Fortran order' if fortran else ''}", " or ".join(map(str, kinds)))
    wanted = "(" + ", ".join("any" if length is None else str(length) for length in shape) + ")"
    if len(stored_shape) != len(shape) or any(
        length < 0 or length != (length if want is None else want)
        for length, want in zip(stored_shape, shape, strict=True)
    ):
        raise file.damaged(f"shape {stored_shape}", f"shape {wanted}")
    count, offset = int(np.prod([1, *stored_shape], dtype=object)), stream.tell()
    if offset + count * stored.itemsize != file.size_bytes:
        raise file.damaged(f"{file.size_bytes - offset} bytes of numbers", f"{count * stored.itemsize}")
    flat = np.frombuffer(file.map, stored, count, offset)
    flat.flags.writeable = False
    array: NDArray[Number] = flat.reshape(stored_shape)
    if stored == np.bool_:
        require(file, array.view(np.uint8) <= 1, array.view(np.uint8), "bytes of 0 and 1")
    return array


def load_rows(file: SealedFile, n: int, m: int | None = None) -> Rows:
    """Map (m,) int32 rows, strictly ascending, from 0 and below n; None lets the file choose m.

    Raises:
        FormatError: see `load_array`; or a row is out of range or out of order.
    """
    rows = load_array(file, np.int32, (m,))
    require_between(file, rows, 0, n - 1)
    require_ascending(file, rows, strictly=True)
    return rows


def chunks(file: SealedFile, array: NDArray[Any]) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Yield the rows of a mapped array in chunks of some megabytes; earlier chunks leave memory."""
    rows = max(1, _CHUNK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        yield slice(start, start + rows), array[start : start + rows]
        if len(array) > rows:
            file.release()


def require(file: SealedFile, holds: NDArray[np.bool_], values: NDArray[Any], wanted: str) -> None:
    """Check that a condition holds for every value.

    Raises:
        FormatError: it does not; the message has the first value that fails it.
    """
    if not holds.all():
        where = np.unravel_index(int(np.argmin(holds)), holds.shape)
        at = ", ".join(map(str, where))
        raise file.damaged(f"{values[where]} at position {at}", wanted)


def require_between(file: SealedFile, array: NDArray[Any], low: float, high: float) -> None:
    """Check that every number lies in `low` to `high`, bounds included; NaN fails.

    Raises:
        FormatError: a number is outside, or NaN.
    """
    for _, chunk in chunks(file, array):
        require(file, (chunk >= low) & (chunk <= high), chunk, f"numbers from {low} to {high}")


def require_ascending(file: SealedFile, array: NDArray[Any], *, strictly: bool) -> None:
    """Check that each number is at least the one before it, or above it if `strictly` is set.

    Raises:
        FormatError: a number is not.
    """
    steps = array[1:] > array[:-1] if strictly else array[1:] >= array[:-1]
    require(file, steps, array[1:], f"{'strictly ' if strictly else ''}ascending numbers")


def require_bounds(file: SealedFile, indptr: NDArray[np.int64], end: int) -> None:
    """Check that the row pointers of a CSR form begin at 0, ascend, and end at the number of its entries.

    Raises:
        FormatError: they do not.
    """
    if indptr[0] != 0 or indptr[-1] != end:
        raise file.damaged(f"row pointers from {indptr[0]} to {indptr[-1]}", f"from 0 to {end}")
    require_ascending(file, indptr, strictly=False)


def write_arrow(path: Path, table: pa.Table) -> None:
    """Write a table as one uncompressed batch, which can be mapped into memory."""
    table = table.replace_schema_metadata(None).combine_chunks()
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table)


def arrow_columns(file: SealedFile) -> list[str]:
    """Return the names of the columns of a table that `write_arrow` wrote.

    Raises:
        FormatError: the file is not an Arrow file.
    """
    with _arrow_errors_raised(file, "Arrow file"):
        return list(_opened_arrow(file).schema.names)


def read_arrow(
    file: SealedFile,
    columns: Mapping[str, pa.DataType],
    *,
    rows: int | None = None,
    required: Sequence[str] | None = None,
    others: Sequence[pa.DataType] = (),
) -> pa.Table:
    """Map a table that `write_arrow` wrote into memory.

    Args:
        file: the file.
        columns: the columns that it must have, in any order.
        rows: the number of rows that it must have; None accepts any.
        required: columns without nulls; None is all of `columns`.
        others: types that further columns may have.

    Raises:
        FormatError: it is not an Arrow file, has other columns or another number of rows, or contains an invalid value.
    """
    with _arrow_errors_raised(file, "Arrow file"):
        reader = _opened_arrow(file)
        _check_schema(file, reader.schema, columns, others)
        table = reader.read_all()
    if table.nbytes > file.size_bytes:
        raise file.damaged(f"{table.nbytes} bytes of columns in {file.size_bytes}", "uncompressed columns")
    return checked_table(file, table, rows, list(columns) if required is None else required)


def read_parquet(
    file: SealedFile,
    columns: Mapping[str, pa.DataType],
    *,
    rows: int | None = None,
    required: Sequence[str] | None = None,
    others: Sequence[pa.DataType] = (),
    select: Sequence[str] | None = None,
    filters: pc.Expression | None = None,
) -> pa.Table:
    """Read a Parquet file on one thread.

    Args:
        file: the file.
        columns: the columns that it must have, in any order.
        rows: the number of rows that it must have; None accepts any.
        required: columns without nulls; None is all of `columns`.
        others: types that further columns may have.
        select: columns to read; None reads all.
        filters: condition on the rows to read; row groups without such rows are skipped.

    Raises:
        FormatError: as `read_arrow`.
    """
    with _arrow_errors_raised(file, "Parquet file"):
        buffer = pa.py_buffer(file.map)
        opened = pq.ParquetFile(pa.BufferReader(buffer))
        _check_schema(file, opened.schema_arrow, columns, others)
        if rows is not None and opened.metadata.num_rows != rows:
            raise file.damaged(f"{opened.metadata.num_rows} rows", f"{rows}")
        names = None if select is None else list(select)
        # on one thread, so that requests to the service do not wait for shared threads
        table = pq.read_table(pa.BufferReader(buffer), columns=names, filters=filters, use_threads=False)
    named = [name for name in (list(columns) if required is None else required) if select is None or name in select]
    return checked_table(file, table, rows if filters is None else None, named)


def checked_table(file: SealedFile, table: pa.Table, rows: int | None, required: Sequence[str]) -> pa.Table:
    """Return the table after validating all of its offsets and texts.

    Raises:
        FormatError: a value is invalid, a required value is null, or the number of rows differs.
    """
    if rows is not None and table.num_rows != rows:
        raise file.damaged(f"{table.num_rows} rows", f"{rows}")
    with _arrow_errors_raised(file, "table of valid values"):
        table.validate(full=True)
    for name in required:
        if table.column(name).null_count:
            raise file.damaged(f"no value in {table.column(name).null_count} rows of {name}", "one in every row")
    return table


def require_ascending_texts(file: SealedFile, column: pa.ChunkedArray) -> None:
    """Check that texts ascend strictly, by code points, and that none is empty.

    Raises:
        FormatError: they do not.
    """
    if len(column) and not column[0].as_py():
        raise file.damaged(f"an empty {column.type} in row 0", "texts")
    ascends = pc.greater(column.slice(1), column.slice(0, max(len(column) - 1, 0)))
    if (position := pc.index(ascends, False).as_py()) >= 0:
        raise file.damaged(f"{column[position + 1].as_py()!r:.100} behind one that is not below it", "ascending texts")


_ARROW_ERRORS = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, NotImplementedError, MemoryError)


def _opened_arrow(file: SealedFile) -> pa.ipc.RecordBatchFileReader:
    return pa.ipc.open_file(pa.BufferReader(pa.py_buffer(file.map)))


@contextmanager
def _arrow_errors_raised(file: SealedFile, wanted: str) -> Iterator[None]:
    try:
        yield
    except _ARROW_ERRORS as error:
        reason = str(error).split("\n", 1)[0][:200]
        raise file.damaged(f"no {wanted} ({reason})", "one") from error


def _check_schema(
    file: SealedFile, schema: pa.Schema, columns: Mapping[str, pa.DataType], others: Sequence[pa.DataType]
) -> None:
    stored = {
        name: VECTORS if _is_vectors(kind) else kind for name, kind in zip(schema.names, schema.types, strict=True)
    }
    further = [kind for name, kind in stored.items() if name not in columns]
    fits = all(stored.get(name) == kind for name, kind in columns.items()) and all(kind in others for kind in further)
    if not fits or len(stored) < len(schema.names):
        shown = ", ".join(f"{name} {kind}" for name, kind in zip(schema.names, schema.types, strict=True))
        wanted = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        raise file.damaged(f"columns {shown[:300]}", f"{wanted}{' and attributes' if others else ''}, each once")


def _is_vectors(kind: pa.DataType) -> bool:
    return bool(pa.types.is_fixed_size_list(kind) and kind.value_type == pa.float32())

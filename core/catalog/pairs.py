"""Pairs of similar artists from a file: a table of pairs, or a graph with a list of the artists of its rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from riyl.core.catalog.graph import OLGA_ARTISTS, check_ending, read_graph, read_row_ids, refuse_large
from riyl.core.catalog.tables import REQUIRED, checked_batches, column_names
from riyl.core.errors import InputError, TableError

COLUMNS = REQUIRED["similar"]
FORMATS = (".parquet", ".csv", ".tsv", ".npz")
"""Endings of files with pairs."""


def read_pairs(path: Path, ids: Path | None = None, *, most_bytes: int | None = None) -> pa.Table:
    """Read the pairs of a file as artist_id and similar_id, in its order.

    Args:
        path: a Parquet, CSV or TSV file with these columns, or a scipy sparse matrix (.npz), artists by artists, in
            which every link is a pair of its row's artist with its column's.
        ids: file with the artist of each row of the matrix, see `riyl.core.catalog.graph.read_row_ids`; None is
            olga.csv beside the matrix.
        most_bytes: limit for the pairs as text, and for a compressed file once it is unpacked; None is no limit.

    Raises:
        InputError: the file has another format, is damaged or too large, or the ids do not fit it.
    """
    check_ending(path, FORMATS)
    if path.suffix == ".npz":
        return _of_graph(path, _beside(path) if ids is None else ids, most_bytes)
    if ids is not None:
        raise InputError(f"{ids}: found ids of rows beside {path.name}; wanted none: a table of pairs contains its ids")
    column_names(path, COLUMNS)
    if path.suffix == ".parquet" and most_bytes is not None:
        _refuse_large_parquet(path, most_bytes)
    return pa.Table.from_batches(checked_batches(path, COLUMNS))


def _of_graph(path: Path, listed: Path, most_bytes: int | None) -> pa.Table:
    graph = read_graph(path, most_bytes=most_bytes)
    ids = pa.array(read_row_ids(listed), pa.string())
    if len(ids) != graph.artists:
        raise InputError(f"{listed}: found {len(ids)} rows; wanted {graph.artists}, as {path.name} has")
    if not len(graph.left):
        raise InputError(f"{path}: found no links; wanted at least one")
    lengths = pc.binary_length(ids).to_numpy()
    refuse_large(path, int(lengths[graph.left].sum() + lengths[graph.right].sum()), most_bytes)
    return pa.table({"artist_id": ids.take(pa.array(graph.left)), "similar_id": ids.take(pa.array(graph.right))})


def _beside(path: Path) -> Path:
    listed = path.with_name(OLGA_ARTISTS)
    if not listed.is_file():
        raise InputError(f"{path}: found neither ids of its rows nor {OLGA_ARTISTS} beside it; wanted one of them")
    return listed


def _refuse_large_parquet(path: Path, most_bytes: int) -> None:
    """Refuse a Parquet file that is too large once unpacked, without unpacking it: repeated values are held once.

    Raises:
        InputError: the file declares a size above the limit, or exceeds it.
        TableError: a column has a type that is invalid for ids, or the file is damaged.
    """
    try:
        file = pyarrow.parquet.ParquetFile(path)
        parts = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        refuse_large(path, sum(part.total_byte_size for part in parts), most_bytes)
        for name, kind in COLUMNS.items():
            column_type = file.schema_arrow.field(name).type
            if pa.types.is_nested(column_type) or pa.types.is_fixed_size_binary(column_type):
                raise TableError(path, found=f"type {column_type} in column {name!r}", wanted=kind.value)
        unpacked = 0
        file = pyarrow.parquet.ParquetFile(path, read_dictionary=list(COLUMNS))
        for batch in file.iter_batches(columns=list(COLUMNS)):
            batch.validate(full=True)  # dictionary indices of a damaged file may exceed its dictionary
            unpacked += sum(_unpacked_bytes(column) for column in batch.columns)
            refuse_large(path, unpacked, most_bytes)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise TableError(path, found=f"damaged Parquet data ({error})", wanted="a whole Parquet file") from error


def _unpacked_bytes(column: pa.Array) -> int:
    if not isinstance(column, pa.DictionaryArray):
        return int(column.nbytes)
    lengths = pc.fill_null(pc.binary_length(column.dictionary), 0).to_numpy(zero_copy_only=False)
    return int(lengths[column.indices.drop_null().to_numpy()].sum(dtype=np.int64) + column.indices.nbytes)

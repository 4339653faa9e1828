"""File that maps the artists of one catalog to those of another."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from riyl.core.catalog.columns import Kind
from riyl.core.catalog.graph import check_ending
from riyl.core.catalog.tables import checked_batches, column_names
from riyl.core.errors import TableError
from riyl.core.external.ids import examples_of

COLUMNS = {"artist_id": Kind.TEXT, "other_artist_id": Kind.TEXT}
FORMATS = (".parquet", ".csv", ".tsv")
"""Endings of map files."""


def read_artist_map(path: Path) -> pa.Table:
    """Read the pairs of a map, in the order of the file.

    Args:
        path: a Parquet, CSV or TSV file with artist_id and other_artist_id, one row per artist; other columns are
            ignored.

    Returns:
        artist_id and other_artist_id as text, each id at most once in its column.

    Raises:
        InputError: there is no such file, it has another ending, a column is missing, an id is blank or repeated, or
            there are no rows; the message names the file.
    """
    check_ending(path, FORMATS)
    column_names(path, COLUMNS)
    pairs = pa.Table.from_batches(checked_batches(path, COLUMNS))
    for name in COLUMNS:
        counts = pairs.column(name).combine_chunks().value_counts()
        repeated = counts.field("values").filter(pc.greater(counts.field("counts"), 1)).to_pylist()
        if repeated:
            actual = f"{len(repeated)} repeated ids in column {name!r}: {examples_of(repeated)}"
            raise TableError(path, found=actual, wanted="each artist of either catalog once")
    return pairs

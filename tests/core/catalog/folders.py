"""Folders of tables, written from text, bytes or Arrow tables, and the error message for an invalid one."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.errors import TableError

ARTISTS = "artist_id,name\na,Ann\nb,Bob\n"


def put(folder: Path, **tables: str | bytes | pa.Table) -> Tables:
    """Write CSV text or bytes, or Parquet, by table name (artists are added if missing), and open the folder."""
    for name, content in {"artists": ARTISTS, **tables}.items():
        if isinstance(content, pa.Table):
            pq.write_table(content, folder / f"{name}.parquet")
        else:
            (folder / f"{name}.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return Tables.open(folder)


def rows(tables: Tables, table: str) -> list[dict[str, object]]:
    return pa.Table.from_batches(tables.batches(table)).to_pylist()


def refusal(folder: Path, table: str, content: str | bytes | pa.Table) -> str:
    """Return the error message for an invalid table, from its file name on."""
    with pytest.raises(TableError) as caught:
        rows(put(folder, **{table: content}), table)
    return str(caught.value).removeprefix(f"{folder}/")

"""Folders of tables, written from text, bytes or Arrow tables; and the message with which one is refused."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.errors import TableError

ARTISTS = "artist_id,name\na,Ann\nb,Bob\n"


def put(folder: Path, **tables: str | bytes | pa.Table) -> Tables:
    """Write CSV text or bytes, or Parquet, by table name (artists are added where none are given), and open it."""
    for name, content in {"artists": ARTISTS, **tables}.items():
        if isinstance(content, pa.Table):
            pq.write_table(content, folder / f"{name}.parquet")
        else:
            (folder / f"{name}.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return Tables.open(folder)


def rows(tables: Tables, table: str) -> list[dict[str, object]]:
    return pa.Table.from_batches(tables.batches(table)).to_pylist()


def refusal(folder: Path, table: str, content: str | bytes | pa.Table) -> str:
    """The message with which a table is refused, from its file's name on."""
    with pytest.raises(TableError) as caught:
        rows(put(folder, **{table: content}), table)
    return str(caught.value).removeprefix(f"{folder}/")

"""Catalogs of a few artists, and the result of joining two of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from riyl.core.catalog.tables import Tables
from riyl.training.datasets.base import Report
from riyl.training.datasets.join import join

Rows = list[dict[str, Any]]


def catalog(folder: Path, artists: Rows, **tables: Rows) -> Tables:
    folder.mkdir()
    for name, rows in {"artists": artists, **tables}.items():
        columns = {key: [row.get(key) for row in rows] for row in rows for key in row}
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return Tables.open(folder)


def artist(artist_id: str, name: str | None = None, mbid: str | None = None, **more: Any) -> dict[str, Any]:
    return {"artist_id": artist_id, "name": name or artist_id, "mbid": mbid, **more}


def joined(tmp_path: Path, a: Rows, b: Rows, **tables: tuple[Rows, Rows]) -> Report:
    """Join catalogs of these artists; a table is given as the rows of A and the rows of B, empty for no table."""
    sides = [
        catalog(tmp_path / letter, artists, **{name: both[i] for name, both in tables.items() if both[i]})
        for i, (letter, artists) in enumerate((("a", a), ("b", b)))
    ]
    return join(sides[0], sides[1], tmp_path / "out")


def read(tmp_path: Path, table: str) -> Rows:
    rows: Rows = pq.read_table(tmp_path / "out" / f"{table}.parquet").to_pylist()
    return rows


def ids(tmp_path: Path) -> list[str]:
    return [row["artist_id"] for row in read(tmp_path, "artists")]

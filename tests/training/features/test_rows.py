"""Accounts of rows: each row that was read is kept or left out, for any table and featurizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from riyl.core.catalog.tables import Tables
from riyl.training.features.build import build_snapshot, import_similar
from riyl.training.features.rows import ADDED_UP, UNKNOWN, UNUSED
from tests.conftest import SMALL_RECIPE, small_world


def with_rows(folder: Path, table: str, rows: str) -> Tables:
    """Write the small world with more rows of a table, which becomes CSV."""
    import pyarrow.parquet as pq

    small_world(folder)
    table_rows = pq.read_table(folder / f"{table}.parquet").to_pylist()
    (folder / f"{table}.parquet").unlink()
    text = "".join(",".join(str(value) for value in row.values()) + "\n" for row in table_rows)
    (folder / f"{table}.csv").write_text(",".join(table_rows[0]) + "\n" + text + rows)
    return Tables.open(folder)


def accounts(tables: Tables, snapshots: Path) -> dict[str, dict[str, Any]]:
    manifest = build_snapshot(tables, SMALL_RECIPE, snapshots).manifest
    rows: dict[str, dict[str, Any]] = manifest["rows"]
    return rows


def test_rows_read_are_kept_or_left_out_by_reason(tmp_path: Path) -> None:
    more = "a000,once,1\nzz,ska,1\na000,NULL,1\na001,Noise,3\na001,noise ,3\n"
    table_accounts = accounts(with_rows(tmp_path / "in", "tags", more), tmp_path)
    world = 3 * len([i for i in range(59) if i % 5 != 4])
    tags = table_accounts["tags"]
    assert tags["read"] == world + 5
    assert tags["read"] == tags["kept"] + sum(tags["skipped"].values())
    assert tags["skipped"]["of a tag that stands for nothing"] == 1
    assert tags["skipped"][UNKNOWN] == 1
    assert tags["skipped"][UNUSED] == 1
    assert tags["skipped"][ADDED_UP] in (1, 2)
    assert table_accounts["artists"] == {"read": 60, "kept": 60, "skipped": {}}
    plays = 5 * len([i for i in range(59) if i % 7 != 6])
    assert table_accounts["plays"] == {"read": plays, "kept": plays, "skipped": {}}
    assert table_accounts["audio"] == {"read": 118, "kept": 118, "skipped": {}}


@pytest.mark.parametrize("table", ["plays"])
def test_plays_of_the_same_two_are_added_up(tmp_path: Path, table: str) -> None:
    tables = with_rows(tmp_path / "in", table, "u,a000,1\nu,a000,2\nu,zz,2\nu,a003,2\n")
    account = accounts(tables, tmp_path)["plays"]
    assert account["skipped"] == {UNKNOWN: 1, ADDED_UP: 1}
    assert account["read"] == account["kept"] + 2


def test_pairs_of_the_catalogs_truth_are_accounted_for(tmp_path: Path) -> None:
    tables = with_rows(tmp_path / "in", "similar", "a000,a000\na001,a000\na000,a001\n")
    account = import_similar(tables, tmp_path / "truths")["similar"]
    (reason,) = account["skipped"]
    assert reason == "of an artist with itself, or of a pair given before"
    assert (account["skipped"][reason], account["read"] - account["kept"]) == (2, 2)

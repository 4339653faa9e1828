"""Accounts of rows: what was read is kept or left out, whatever the table and the basis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.tables import Tables
from tests.conftest import SMALL_RECIPE, small_world
from training.features.build import build_snapshot, import_similar
from training.features.rows import ADDED_UP, UNKNOWN, UNUSED


def with_rows(folder: Path, table: str, rows: str) -> Tables:
    """The small world with more rows of a table, which becomes CSV."""
    import pyarrow.parquet as pq

    small_world(folder)
    found = pq.read_table(folder / f"{table}.parquet").to_pylist()
    (folder / f"{table}.parquet").unlink()
    text = "".join(",".join(str(value) for value in row.values()) + "\n" for row in found)
    (folder / f"{table}.csv").write_text(",".join(found[0]) + "\n" + text + rows)
    return Tables.open(folder)


def accounts(tables: Tables, snapshots: Path) -> dict[str, dict[str, Any]]:
    manifest = build_snapshot(tables, SMALL_RECIPE, snapshots).manifest
    rows: dict[str, dict[str, Any]] = manifest["rows"]
    return rows


def test_rows_read_are_kept_or_left_out_by_reason(tmp_path: Path) -> None:
    more = "a000,once,1\nzz,ska,1\na000,NULL,1\na001,Noise,3\na001,noise ,3\n"
    found = accounts(with_rows(tmp_path / "in", "tags", more), tmp_path)
    world = 3 * len([i for i in range(59) if i % 5 != 4])
    tags = found["tags"]
    assert tags["read"] == world + 5
    assert tags["read"] == tags["kept"] + sum(tags["left_out"].values())
    assert tags["left_out"]["of a tag that stands for nothing"] == 1
    assert tags["left_out"][UNKNOWN] == 1
    assert tags["left_out"][UNUSED] == 1
    assert tags["left_out"][ADDED_UP] in (1, 2)
    assert found["artists"] == {"read": 60, "kept": 60, "left_out": {}}
    plays = 5 * len([i for i in range(59) if i % 7 != 6])
    assert found["plays"] == {"read": plays, "kept": plays, "left_out": {}}
    assert found["audio"] == {"read": 118, "kept": 118, "left_out": {}}


@pytest.mark.parametrize("table", ["plays"])
def test_plays_of_the_same_two_are_added_up(tmp_path: Path, table: str) -> None:
    tables = with_rows(tmp_path / "in", table, "u,a000,1\nu,a000,2\nu,zz,2\nu,a003,2\n")
    found = accounts(tables, tmp_path)["plays"]
    assert found["left_out"] == {UNKNOWN: 1, ADDED_UP: 1}
    assert found["read"] == found["kept"] + 2


def test_pairs_of_the_catalogs_truth_are_accounted_for(tmp_path: Path) -> None:
    tables = with_rows(tmp_path / "in", "similar", "a000,a000\na001,a000\na000,a001\n")
    found = import_similar(tables, tmp_path / "truths")["similar"]
    (reason,) = found["left_out"]
    assert reason == "of an artist with itself, or of a pair given before"
    assert (found["left_out"][reason], found["read"] - found["kept"]) == (2, 2)

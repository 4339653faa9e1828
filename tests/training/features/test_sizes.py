from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from riyl.core.catalog.tables import Tables
from riyl.core.storage.snapshot import Snapshot
from riyl.training.features.build import build_snapshot
from tests.conftest import SMALL_RECIPE, small_world, write_tables


def test_a_snapshot_says_how_much_it_was_made_of(snapshot: Snapshot, world: Path) -> None:
    # 59 artists have data: 48 of them tags (three each) and 51 plays (five each), by construction of the small world
    plays = pq.read_table(world / "plays.parquet")
    assert snapshot.sizes == {
        "artists": {"rows": 60},
        "tags": {"rows": 144, "artists": 48, "used": 144},
        "plays": {"rows": 255, "artists": 51, "listeners": len(plays.column("user_id").unique()), "used": 255},
        "audio": {"rows": 118, "artists": 59, "used": 118},
    }


def test_rows_of_nobody_in_the_catalog_do_not_count_and_double_ones_are_used_once(tmp_path: Path) -> None:
    world = small_world(tmp_path / "world")
    plays = pq.read_table(world / "plays.parquet").to_pydict()
    plays["user_id"] += [plays["user_id"][0], "stranger"]
    plays["artist_id"] += [plays["artist_id"][0], "nobody"]
    plays["count"] += [1, 1]
    write_tables(world, plays=plays)
    sizes = build_snapshot(Tables.open(world), SMALL_RECIPE, tmp_path / "snapshots").sizes
    assert sizes is not None
    assert (sizes["plays"]["rows"], sizes["plays"]["artists"], sizes["plays"]["used"]) == (256, 51, 255)
    assert sizes["plays"]["listeners"] == len({*plays["user_id"]} - {"stranger"})


def test_what_the_kept_basis_does_not_know_is_not_used(snapshot: Snapshot, tmp_path: Path) -> None:
    world = small_world(tmp_path / "world")
    plays = pq.read_table(world / "plays.parquet").to_pydict()
    half = len(plays["user_id"]) // 2
    plays["user_id"][:half] = [f"other-{user}" for user in plays["user_id"][:half]]
    write_tables(world, plays=plays)
    sizes = build_snapshot(Tables.open(world), SMALL_RECIPE, tmp_path / "snapshots", keep=snapshot).sizes
    assert sizes is not None
    assert (sizes["plays"]["rows"], sizes["plays"]["used"]) == (255, 255 - half)

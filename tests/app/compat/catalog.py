"""A catalog for clients of other services: most artists have an mbid, and some odd names, in a home that serves it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.settings import Home
from riyl.index.build.build import build_version
from riyl.index.versions.lifecycle import promote
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot
from riyl.training.train import train
from tests.app.conftest import database
from tests.conftest import SMALL_RECIPE, small_world

N = 300
NAMES = {0: "AC/DC", 1: "Guns N' Roses", 2: "宇多田ヒカル", 3: "!!!", 4: "Twin", 13: "Twin", 299: "Nobody Knows"}
PEOPLE = {6: ("Person", "female", "Icelandic singer"), 9: ("Group", None, None)}
"""Type, gender and comment of some artists."""


def mbid(i: int) -> str:
    return f"{i:08x}-0000-4000-8000-00000000000a"


def mbid_in_table(i: int) -> str | None:
    """Return what the table says: artists 5, 15, 25... have no mbid, 20 has that of 10, some are in capitals."""
    if i % 10 == 5:
        return None
    return mbid(10) if i == 20 else mbid(i).upper() if i % 3 == 0 else mbid(i)


@pytest.fixture(scope="session")
def mbid_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Make a home that serves the catalog. No test may change it; `home` is a copy."""
    folder = tmp_path_factory.mktemp("mbids")
    small_world(folder / "tables", n=N)
    artists = pq.read_table(folder / "tables" / "artists.parquet")
    columns = {
        "artist_id": artists["artist_id"],
        "name": [NAMES.get(i, name) for i, name in enumerate(artists["name"].to_pylist())],
        "mbid": [mbid_in_table(i) for i in range(N)],
        **{
            column: pa.array([PEOPLE.get(i, (None,) * 3)[at] for i in range(N)], pa.string())
            for at, column in enumerate(("type", "gender", "comment"))
        },
    }
    pq.write_table(pa.table(columns), folder / "tables" / "artists.parquet")
    home = Home(folder / "home")
    snapshot = build_snapshot(Tables.open(folder / "tables"), SMALL_RECIPE, home.snapshots)
    version = build_version(train(*load_config("pca"), snapshot, home.models), snapshot, home.versions)
    opened = database(home)
    promote(home.versions, opened, version.id, by="test", why="test")
    opened.close()
    return home


@pytest.fixture
def home(mbid_home: Home, tmp_path: Path) -> Home:
    """Return a home of its own that serves the catalog."""
    shutil.copytree(mbid_home.root, tmp_path / "home")
    return Home(tmp_path / "home")

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.settings import Home
from riyl.index.artifact.version import Version
from riyl.index.build.build import build_version
from riyl.index.versions.lifecycle import promote
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot
from riyl.training.train import train
from tests.app.conftest import database
from tests.app.routes.similar.questions import N
from tests.app.routes.test_artists import Asking
from tests.conftest import SMALL_RECIPE, small_world


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Create a home with a version of the default config, its model and snapshot; artists have a country and a year.

    No test may change it.
    """
    home = Home(tmp_path_factory.mktemp("asked"))
    small_world(home.root / "tables", n=N)
    path = home.root / "tables" / "artists.parquet"
    artists = pq.read_table(path)
    artists = artists.append_column(
        "country", pa.array([None if i % 4 == 3 else ["GB", "IS", "FR"][i % 3] for i in range(N)])
    )
    artists = artists.append_column("year", pa.array([1950 + i for i in range(N)]))
    artists = artists.append_column("mbid", pa.array([f"{i:08d}-0000-4000-8000-000000000000" for i in range(N)]))
    artists = artists.set_column(1, "name", pa.array(["Twins" if i in (20, 21) else f"Artist {i}" for i in range(N)]))
    pq.write_table(artists, path)
    snapshot = build_snapshot(Tables.open(home.root / "tables"), SMALL_RECIPE, home.snapshots)
    version = build_version(train(*load_config("default"), snapshot, home.models), snapshot, home.versions)
    promote(home.versions, database(home), version.id, by="test", why="test", force=True)
    return home


@pytest.fixture(scope="session")
def version(home: Home) -> Version:
    return Version.open(next(home.versions.glob("[!.]*/manifest.json")).parent)


@pytest.fixture(scope="module")
def asking(home: Home) -> Iterator[Asking]:
    asking = Asking(home)
    yield asking
    asking.close()

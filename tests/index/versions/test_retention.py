from __future__ import annotations

import os
from pathlib import Path

import pytest

from riyl.core.catalog.freeze import freeze_tables
from riyl.core.catalog.tables import Tables
from riyl.core.db.session import Database
from riyl.core.files import published
from riyl.core.settings import Home, Settings
from riyl.core.storage.model import CARD, Model
from riyl.core.storage.snapshot import MANIFEST, Snapshot
from riyl.index.artifact.version import Version
from riyl.index.build.build import build_version
from riyl.index.versions.lifecycle import promote, versions
from riyl.index.versions.retention import tidy
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot
from riyl.training.train import train
from tests.conftest import SMALL_RECIPE, small_world


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def database(home: Home) -> Database:
    return Database.of(Settings(home=home.root))


def position(home: Home, seed: int, keep: Snapshot | None = None) -> Snapshot:
    """Build the snapshot of one more state of the catalog."""
    tables = Tables.open(small_world(home.root / f"tables{seed}", seed=seed))
    return build_snapshot(tables, SMALL_RECIPE, home.snapshots, keep=keep)


def aged(path: Path, age: int) -> None:
    os.utime(path, (1e9 - age, 1e9 - age))


def ids(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def build(home: Home, model: Model, snapshot: Snapshot, age: int) -> Version:
    version = build_version(model, snapshot, home.versions)
    aged(version.folder / MANIFEST, age)
    aged(snapshot.folder / MANIFEST, age)
    return version


def test_a_snapshot_stays_as_long_as_a_version_or_a_model_is_of_it(home: Home, database: Database) -> None:
    first = position(home, 0)
    model = train("pca", load_config("pca")[1], first, home.models)
    old, middle, newest = (position(home, seed, first) for seed in (1, 2, 3))
    built = [build(home, model, snapshot, age) for snapshot, age in ((old, 3), (middle, 2))]
    aged(first.folder / MANIFEST, 9)
    promote(home.versions, database, built[1].id, by="test", why="")
    assert tidy(home, database, keep=1) == {
        "versions": [built[0].id],
        "snapshots": [old.id],
        "tables": [],
        "changes": [],
    }
    assert ids(home.snapshots) == {first.id, middle.id, newest.id}
    assert tidy(home, database, keep=1) == {"versions": [], "snapshots": [], "tables": [], "changes": []}
    assert [Version.open(home.versions / manifest["id"]).id for manifest in versions(home.versions)] == [built[1].id]


def test_of_fixed_tables_the_newest_stay(home: Home, database: Database) -> None:
    fixed = [
        freeze_tables(small_world(home.root / f"tables{seed}", seed=seed), home.frozen_tables) for seed in range(3)
    ]
    for folder, age in zip(fixed, (2, 0, 1), strict=True):
        aged(folder / "artists.parquet", age)
    assert tidy(home, database, keep=1)["tables"] == [fixed[0].name, fixed[2].name]
    assert ids(home.frozen_tables) == {fixed[1].name}


def test_what_is_being_made_stays_and_what_was_left_goes(home: Home, database: Database) -> None:
    for folder in (home.snapshots, home.frozen_tables):
        (folder / ".0123456789abcdef.abcdefgh.aside").mkdir(parents=True)
        (folder / ".0123456789abcdef.pruned").mkdir()
    with published(home.snapshots / "filled") as snapshot, published(home.frozen_tables / "filled") as tables:
        assert tidy(home, database, keep=1) == {"versions": [], "snapshots": [], "tables": [], "changes": []}
        assert ids(home.snapshots) == {snapshot.name}
        assert ids(home.frozen_tables) == {tables.name}


def test_no_snapshot_goes_where_a_model_cannot_be_read(
    home: Home, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    snapshots = [position(home, seed) for seed in (0, 1)]
    model = train("pca", load_config("pca")[1], snapshots[0], home.models)
    (model.folder / CARD).write_text("{")
    assert tidy(home, database, keep=1)["snapshots"] == []
    assert ids(home.snapshots) == {snapshot.id for snapshot in snapshots}
    assert "snapshots_kept" in caplog.text
    assert "card.json: damaged" in caplog.text


def test_an_empty_home_is_tidy(home: Home, database: Database) -> None:
    assert tidy(home, database, keep=1) == {"versions": [], "snapshots": [], "tables": [], "changes": []}


def test_changes_written_down_for_jobs_go_but_the_newest_and_those_in_use(home: Home, database: Database) -> None:
    for age, name in enumerate(["newest", "used", "old"]):
        home.changes.mkdir(exist_ok=True)
        (home.changes / f"{name}.ndjson").touch()
        aged(home.changes / f"{name}.ndjson", age)
    (home.changes / ".standing.abandoned").touch()
    aged(home.changes / ".standing.abandoned", 0)
    (home.changes / ".standing.growing").touch()
    assert tidy(home, database, keep=1, in_use=["used"])["changes"] == ["old"]
    assert ids(home.changes) == {"newest.ndjson", "used.ndjson", ".standing.growing"}

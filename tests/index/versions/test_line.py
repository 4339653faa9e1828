"""What counts as newest in a home with two catalogs: that of the promoted version's line, unless something is named."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.db.session import Database
from riyl.core.errors import FormatError, NotFoundError
from riyl.core.settings import Home, Settings
from riyl.core.storage.current import CURRENT
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.index.build.build import build_version
from riyl.index.versions.lifecycle import current, promote
from riyl.index.versions.line import Line, find_model_of_line, find_snapshot_of_line, snapshot_of_line_for
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot
from riyl.training.train import train
from tests.conftest import SMALL_RECIPE, small_world, write_tables


@pytest.fixture(scope="module")
def promoted(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Create a home with one catalog: tables, a snapshot, a model called mine, and its version, which is promoted."""
    home = Home(tmp_path_factory.mktemp("home"))
    snapshot = snapshot_of_tables(home, small_world(home.root / "tables"))
    model = train("mine", load_config("pca")[1], snapshot, home.models)
    version = build_version(model, snapshot, home.versions)
    promote(home.versions, Database.of(Settings(home=home.root)), version.id, by="test", why="test")
    return home


@pytest.fixture
def home(promoted: Home, tmp_path: Path) -> Home:
    """Return a copy that the test may change; all that is in it is old."""
    copy = Home(tmp_path / "home")
    shutil.copytree(promoted.root, copy.root)
    for file in (*copy.snapshots.glob("*/manifest.json"), *copy.models.glob("*/card.json")):
        os.utime(file, (1e9, 1e9))
    return copy


@pytest.fixture
def told() -> list[str]:
    return []


def snapshot_of_tables(home: Home, folder: Path, keep: Snapshot | None = None) -> Snapshot:
    return build_snapshot(Tables.open(folder), SMALL_RECIPE, home.snapshots, keep=keep)


def first(home: Home) -> Snapshot:
    """Return the snapshot of the promoted version."""
    line = Line.of(home)
    assert line is not None
    assert line.snapshot is not None
    return line.snapshot


def renamed(folder: Path, prefix: str, n: int = 60) -> Path:
    """Rename the artists of a folder of tables whose number is below n, and so make another catalog of them."""
    for path in folder.glob("*.parquet"):
        columns = pq.read_table(path).to_pydict()
        for name in {"artist_id", "similar_id"} & columns.keys():
            columns[name] = [f"{prefix}{each}" if int(each[1:]) < n else each for each in columns[name]]
        write_tables(folder, **{path.stem: columns})
    return folder


def test_the_newest_snapshot_of_the_line_is_taken_and_a_newer_one_of_another_catalog_is_named(
    home: Home, tmp_path: Path, told: list[str]
) -> None:
    ours, theirs = first(home), snapshot_of_tables(home, small_world(tmp_path / "other", seed=4))
    assert find_snapshot_of_line(home, None, told.append).id == ours.id
    assert told == [f"snapshot {theirs.id} is newer than {ours.id}, but of another catalog; use --snapshot {theirs.id}"]
    assert find_snapshot_of_line(home, theirs.id[:8], told.append).id == theirs.id
    assert len(told) == 1


def test_without_a_promoted_version_the_newest_of_all_is_taken(home: Home, tmp_path: Path, told: list[str]) -> None:
    theirs = snapshot_of_tables(home, small_world(tmp_path / "other", seed=4))
    model = train("theirs", load_config("pca")[1], theirs, home.models)
    (home.versions / CURRENT).unlink()
    assert Line.of(home) is None
    assert find_snapshot_of_line(home, None, told.append).id == theirs.id
    assert find_model_of_line(home, None, told.append).id == model.id
    assert told == []


def test_what_is_made_again_of_the_same_folder_is_of_the_line(home: Home, promoted: Home, told: list[str]) -> None:
    # the home's copy names the folder of the tables relative to the home
    assert first(home).source == home.root / "tables"
    again = snapshot_of_tables(home, small_world(home.root / "tables", n=50, seed=7))
    assert again.featurizer_id != first(home).featurizer_id
    assert find_snapshot_of_line(home, None, told.append).id == again.id
    assert told == []


def test_the_same_tables_in_another_folder_are_of_the_line(home: Home, tmp_path: Path, told: list[str]) -> None:
    shutil.copytree(home.root / "tables", tmp_path / "copy")
    recipe = SMALL_RECIPE.model_copy(update={"seed": 1})
    again = build_snapshot(Tables.open(tmp_path / "copy"), recipe, home.snapshots)
    assert find_snapshot_of_line(home, None, told.append).id == again.id


@pytest.mark.parametrize(("strangers", "of_line"), [(0, True), (30, True), (31, False), (60, False)])
def test_a_kept_featurizer_is_of_the_line_if_half_of_the_artists_are(
    home: Home, tmp_path: Path, told: list[str], strangers: int, of_line: bool
) -> None:
    later = renamed(small_world(tmp_path / "later", seed=2), "x", strangers)
    placed = snapshot_of_tables(home, later, keep=first(home))
    assert placed.featurizer_id == first(home).featurizer_id
    assert (find_snapshot_of_line(home, None, told.append).id == placed.id) is of_line
    assert bool(told) is not of_line


def test_the_newest_model_of_the_line_is_taken_and_a_newer_one_of_another_catalog_is_named(
    home: Home, tmp_path: Path, told: list[str]
) -> None:
    theirs = snapshot_of_tables(home, small_world(tmp_path / "other", seed=4))
    of_theirs = train("mine", load_config("pca")[1], theirs, home.models)
    ours = find_model_of_line(home, None, told.append)
    assert ours.card["snapshot"] == first(home).id
    assert told == [
        f"model {of_theirs.id} (mine) is newer than {ours.id}, but of another catalog; use --model {of_theirs.id}"
    ]
    newer = train("mine", load_config("pca")[1], first(home), home.models, seed=1)
    assert find_model_of_line(home, None).id == newer.id


def test_a_model_is_named_by_its_name_or_the_beginning_of_its_id(home: Home, tmp_path: Path, told: list[str]) -> None:
    theirs = snapshot_of_tables(home, small_world(tmp_path / "other", seed=4))
    both = train("mine", load_config("pca")[1], theirs, home.models)
    alone = train("alone", load_config("random-projection")[1], theirs, home.models)
    assert find_model_of_line(home, "mine", told.append).card["snapshot"] == first(home).id
    assert len(told) == 1
    assert find_model_of_line(home, "alone", told.append).id == alone.id
    assert find_model_of_line(home, both.id[:8], told.append).id == both.id
    assert len(told) == 1
    with pytest.raises(NotFoundError, match="model 'none' does not exist; there are: "):
        find_model_of_line(home, "none")


def test_the_snapshot_of_a_model_has_its_featurizer_and_is_of_the_line_if_any_is(
    home: Home, tmp_path: Path, told: list[str]
) -> None:
    theirs = snapshot_of_tables(home, renamed(small_world(tmp_path / "other", seed=4), "x"))
    model_of_theirs = train("theirs", load_config("pca")[1], theirs, home.models)
    placed = snapshot_of_tables(home, renamed(small_world(tmp_path / "placed", seed=5), "y"), keep=first(home))
    ours = find_model_of_line(home, "mine")
    assert snapshot_of_line_for(home, ours, None, told.append).id == first(home).id
    assert told == [
        f"snapshot {placed.id} is newer than {first(home).id}, but of another catalog; use --snapshot {placed.id}"
    ]
    assert snapshot_of_line_for(home, model_of_theirs, None, told.append).id == theirs.id
    assert snapshot_of_line_for(home, ours, placed.id, told.append).id == placed.id
    assert len(told) == 1


def test_a_line_whose_snapshot_is_gone_is_that_of_its_featurizer(home: Home, tmp_path: Path, told: list[str]) -> None:
    placed = snapshot_of_tables(home, small_world(tmp_path / "later", seed=2), keep=first(home))
    snapshot_of_tables(home, small_world(tmp_path / "other", seed=4))
    shutil.rmtree(first(home).folder)
    assert find_snapshot_of_line(home, None, told.append).id == placed.id
    assert len(told) == 1


def test_a_version_that_cannot_be_read_leaves_the_newest_of_all(
    home: Home, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    theirs = snapshot_of_tables(home, small_world(tmp_path / "other", seed=4))
    (home.versions / str(current(home.versions)) / "manifest.json").write_text("{")
    assert find_snapshot_of_line(home, None).id == theirs.id
    assert "line_unknown reason=" in caplog.text


def test_a_notice_without_a_receiver_is_logged(home: Home, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    theirs = snapshot_of_tables(home, small_world(tmp_path / "other", seed=4))
    find_snapshot_of_line(home, None)
    assert f"other_catalog snapshot {theirs.id} is newer than" in caplog.text


def test_a_newest_model_that_is_damaged_is_an_error_and_a_stray_folder_is_not(home: Home) -> None:
    (home.models / "backup").mkdir()
    ours = find_model_of_line(home, None)
    newer = train("newer", load_config("random-projection")[1], first(home), home.models)
    (newer.folder / "card.json").write_text("{")
    with pytest.raises(FormatError, match="damaged"):
        find_model_of_line(home, None)
    assert find_model_of_line(home, ours.name).id == ours.id
    assert isinstance(find_model_of_line(home, ours.id), Model)

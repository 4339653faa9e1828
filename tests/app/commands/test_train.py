"""Tests of `riyl train`: its settings, the name of the model, and the snapshot that it takes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.errors import ConfigError
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.training.features.build import build_snapshot
from tests.app.conftest import as_json, riyl
from tests.conftest import SMALL_RECIPE, small_world


@pytest.fixture
def home(snapshot: Snapshot, tmp_path: Path) -> Path:
    """Create a home with the small world's snapshot."""
    shutil.copytree(snapshot.folder, tmp_path / "home" / "snapshots" / snapshot.id)
    return tmp_path / "home"


def test_a_variant_has_a_name_of_its_own_and_the_config_keeps_its_model(home: Path) -> None:
    plain = as_json(home, "train", "--config", "pca")
    variant = as_json(home, "train", "--config", "pca", "--set", "dim=5", "--set", "unit_rows=false")
    assert (variant["name"], variant["dim"]) == ("pca+dim=5+unit_rows=false", 5)
    assert as_json(home, "train", "--config", "pca")["id"] == plain["id"] != variant["id"]
    named = as_json(home, "train", "--config", "pca", "--set", "dim=6", "--name", "six")
    assert named["name"] == "six"


def test_the_same_settings_by_config_by_base_and_by_set_give_the_same_model(home: Path, tmp_path: Path) -> None:
    (tmp_path / "five.toml").write_text("base = 'pca'\ndim = 5\n")
    by_base = as_json(home, "train", "--config", str(tmp_path / "five.toml"))
    assert by_base["name"] == "five"
    again = riyl(home, "train", "--config", "pca", "--set", "dim=5")
    assert f"model {by_base['id']}: five, " in again.stdout
    assert again.stderr == (
        f"model {by_base['id']} of the same settings, seed and snapshot exists; it keeps its name five, and is not "
        "called pca+dim=5\n"
    )


def test_a_file_called_as_a_config_with_other_settings_needs_another_name(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "pca.toml"
    file.write_text("base = 'pca'\n")
    assert as_json(home, "train", "--config", str(file))["name"] == "pca"
    file.write_text("base = 'pca'\ndim = 5\n")
    for more in ([], ["--set", "unit_rows=false"]):
        with pytest.raises(ConfigError, match="found other settings than those of the config pca .*; wanted another"):
            riyl(home, "train", "--config", str(file), *more)
    assert as_json(home, "train", "--config", str(file), "--name", "five")["name"] == "five"


def test_a_wrong_setting_trains_nothing(home: Path) -> None:
    with pytest.raises(ConfigError, match="--set: dim: found 0; wanted a number greater than or equal to 1"):
        riyl(home, "train", "--config", "pca", "--set", "dim=0")
    assert not (home / "models").exists()


def test_it_trains_on_the_catalog_that_serves_and_names_a_newer_one(home: Path, tmp_path: Path) -> None:
    first = as_json(home, "train", "--config", "pca")
    riyl(home, "index", "build", "--promote")
    other = build_snapshot(Tables.open(small_world(tmp_path / "other", seed=4)), SMALL_RECIPE, home / "snapshots")
    done = riyl(home, "train", "--config", "single-tags")
    assert done.stderr == (
        f"snapshot {other.id} is newer than {first['snapshot']}, but of another catalog; use --snapshot {other.id}\n"
    )
    models = [Model.open(folder) for folder in (home / "models").glob("[!.]*")]
    assert {model.card["snapshot"] for model in models} == {first["snapshot"]}
    told = as_json(home, "train", "--config", "single-tags", "--snapshot", other.id)
    assert told["snapshot"] == other.id
    # a version of the catalog that serves, although the other one has the newest model
    built = riyl(home, "--json", "index", "build")
    assert f'"snapshot": "{first["snapshot"]}"' in built.stdout
    assert f"model {told['id']} (single-tags) is newer than " in built.stderr

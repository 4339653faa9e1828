"""Tests of `riyl models`."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.errors import NotFoundError
from riyl.core.storage.model import Model
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot
from riyl.training.train import NAME_NOTE, train
from tests.app.conftest import as_json, flip_a_byte, riyl
from tests.conftest import SMALL_RECIPE, small_world

FIELDS = ["id", "name", "method", "dim", "seed", "snapshot", "featurizer", "commit", "trained_at", "current"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a home with the promoted version of an old model, and with a newer model."""
    folder = tmp_path_factory.mktemp("home")
    snapshot = build_snapshot(Tables.open(small_world(folder / "tables")), SMALL_RECIPE, folder / "snapshots")
    old = train(*load_config("pca", ["dim=5"]), snapshot, folder / "models", seed=3)
    assert riyl(folder, "index", "build", "--promote").exit_code == 0
    train(*load_config("single-tags"), snapshot, folder / "models")
    os.utime(old.folder / "card.json", (1e9, 1e9))
    return folder


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """Return a copy that the test may change."""
    return shutil.copytree(made, tmp_path / "home")


def test_models_are_listed_the_newest_first_and_the_one_that_serves_is_marked(home: Path) -> None:
    newer, older = as_json(home, "models", "list")
    assert list(newer) == list(older) == FIELDS
    assert [(m["name"], m["method"], m["seed"], m["current"]) for m in (newer, older)] == [
        ("single-tags", "single", 0, False),
        ("pca+dim=5", "pca", 3, True),
    ]
    assert older["dim"] == 5
    printed = riyl(home, "models", "list").stdout.splitlines()
    assert printed[1].split()[:6] == ["id", "name", "method", "dim", "seed", "snapshot"]
    assert [line.split()[0] for line in printed[2:]] == [newer["id"], older["id"]]
    assert printed[3].rstrip().endswith("current")
    assert not printed[2].rstrip().endswith("current")


def test_models_that_cannot_be_read_are_listed_and_stop_nothing(home: Path) -> None:
    newer, older = as_json(home, "models", "list")
    flip_a_byte(home / "models" / newer["id"] / "tags.onnx")
    (home / "models" / "old").mkdir()
    (home / "models" / "old" / "card.json").write_text('{"kind": "riyl-model", "format": 1}')
    listed = as_json(home, "models", "list")
    assert listed[0] == older
    assert {entry["id"] for entry in listed[1:]} == {newer["id"], "old"}
    assert all("unreadable" in entry for entry in listed[1:])
    printed = riyl(home, "models", "list").stdout
    assert printed.count("unreadable") == 2
    assert "tags.onnx: damaged, found sha256" in printed
    assert "train it anew with: riyl train" in printed


def test_a_home_without_models_has_an_empty_list(tmp_path: Path) -> None:
    assert as_json(tmp_path, "models", "list") == []


def test_a_model_is_shown_by_name_and_by_id(home: Path) -> None:
    _, older = as_json(home, "models", "list")
    shown = as_json(home, "models", "show", older["id"][:6])
    assert shown == as_json(home, "models", "show", "pca+dim=5")
    card = Model.open(home / "models" / older["id"]).card
    assert shown == {
        **{name: value for name, value in card.items() if name != "files"},
        "trained_at": older["trained_at"],
        "current": True,
    }
    printed = riyl(home, "models", "show", "pca+dim=5").stdout
    assert printed.startswith(f"model {older['id']}: pca+dim=5, of the current version\n  method: pca\n  dim: 5\n")
    assert "\ndim = 5\n" in printed
    assert "input tags: vector, " in printed


def test_a_model_that_takes_the_name_is_shown_with_its_note(home: Path) -> None:
    assert riyl(home, "train", "--config", "cca", "--set", "name=true").exit_code == 0
    printed = riyl(home, "models", "show", "cca+name=true").stdout
    assert re.search(r"\n  input name, no modality: [0-9]+ n-grams\n", printed)
    assert f"\n  note: {NAME_NOTE}\n" in printed
    assert "name = true" in printed


def test_a_model_that_does_not_exist_is_an_error_that_lists_those_that_do(home: Path) -> None:
    with pytest.raises(NotFoundError, match="model 'none' does not exist; there are: "):
        riyl(home, "models", "show", "none")

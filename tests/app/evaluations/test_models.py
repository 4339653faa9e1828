from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.errors import MismatchError
from riyl.core.settings import Home
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.index.versions.line import find_model_of_line
from riyl.training.baselines import FILLED_PROJECTION
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot
from riyl.training.features.recipe import Recipe, TagRecipe
from riyl.training.train import train
from tests.app.conftest import as_json, riyl
from tests.app.evaluations.figures import BASELINES, FLOORS, MASKED, figures, systems
from tests.conftest import SMALL_RECIPE, small_world
from tests.training.features.others import world_of_strangers


def test_a_model_is_measured_on_the_next_tables_placed_in_its_basis(home: Home, tmp_path: Path) -> None:
    snapshot = Snapshot.open(next(home.snapshots.glob("[!.]*/manifest.json")).parent)
    home_copy = Home(tmp_path / "home")
    shutil.copytree(home.root, home_copy.root)
    later = build_snapshot(
        Tables.open(small_world(tmp_path / "later", n=50)), SMALL_RECIPE, home_copy.snapshots, keep=snapshot
    )
    evaluation = figures(home_copy, snapshot=later.id)
    assert evaluation["snapshot"] == later.id
    assert systems(evaluation) == ["mine", *BASELINES, *FLOORS]


def test_evaluating_leaves_the_newest_model_what_it_was(home: Home, tmp_path: Path) -> None:
    home_copy = Home(tmp_path / "home")
    model = next(m for path in home.models.glob("[!.]*") if (m := Model.open(path)).name == "mine")
    for folder in (home.snapshots, home.truths):
        shutil.copytree(folder, home_copy.root / folder.name)
    shutil.copytree(model.folder, home_copy.models / model.id)
    for _ in range(2):
        figures(home_copy)
        assert find_model_of_line(home_copy, None).id == model.id
    snapshot = Snapshot.open(home_copy.snapshots / model.card["snapshot"])
    asked_for = train("pca", load_config("pca")[1], snapshot, home_copy.models)
    figures(home_copy)
    assert find_model_of_line(home_copy, None).id == asked_for.id


def in_basis_of(home: Home, folder: Path) -> Snapshot:
    """Build a snapshot of a folder's tables with the featurizer of the home's snapshot."""
    snapshot = Snapshot.open(next(home.snapshots.glob("[!.]*/manifest.json")).parent)
    return build_snapshot(Tables.open(folder), Recipe(), home.snapshots, keep=snapshot)


@pytest.fixture
def own(home: Home, tmp_path: Path) -> Home:
    """Copy the home, so that the test can change it."""
    copy = Home(tmp_path / "home")
    shutil.copytree(home.root, copy.root)
    return copy


def test_a_model_is_measured_first_and_alone_unless_others_are_named(home: Home) -> None:
    model = next(m for path in home.models.glob("[!.]*") if (m := Model.open(path)).name == "mine")
    alone = figures(home, model="mine")
    assert systems(alone) == ["mine", *FLOORS]
    assert {**alone, "command": ""} == {**figures(home, systems=["mine"]), "command": ""}
    beside = figures(home, model=model.id[:6], systems=["pca", "mine"])
    assert systems(beside) == ["mine", "pca", *FLOORS]
    assert {row["reference"] for row in beside["differences"]} == {"mine"}
    assert systems(figures(home, model="mine", systems=["all"])) == [
        "mine",
        *MASKED,
        *BASELINES,
        FILLED_PROJECTION,
        *FLOORS,
    ]


def test_a_model_is_measured_on_another_catalog_that_has_some_of_its_modalities(own: Home, tmp_path: Path) -> None:
    snapshot = Snapshot.open(next(own.snapshots.glob("[!.]*/manifest.json")).parent)
    placed = in_basis_of(own, world_of_strangers(tmp_path / "t"))
    elsewhere = train("pca", load_config("pca")[1], snapshot, own.models)
    evaluation = figures(own, model="mine", snapshot=placed.id, systems=["all"])
    assert evaluation["snapshot"] == placed.id
    baselines = [name for name in BASELINES if name not in ("single-audio", "single-cf")]
    assert systems(evaluation) == ["mine", *MASKED, *baselines, FILLED_PROJECTION, *FLOORS]
    rows_by_condition = {row["condition"]: row for row in evaluation["results"] if row["system"] == "mine"}
    assert (rows_by_condition["raw"]["artists"], rows_by_condition["raw"]["covered"]) == (48, 1)
    (noise,) = (row for row in evaluation["results"] if (row["condition"], row["system"]) == ("raw", "noise"))
    assert rows_by_condition["raw"]["ndcg"] > 2 * noise["ndcg"]  # tags distinguish the three scenes
    assert (
        rows_by_condition["fmc"]["artists"],
        rows_by_condition["fmc"]["ndcg"],
        rows_by_condition["fmc"]["gini"],
    ) == (0, None, None)
    named = figures(own, model="mine", snapshot=placed.id, systems=["pca", elsewhere.id])
    assert (
        named["models"]["pca"] == evaluation["models"]["pca"]
    )  # fitted on these artists, unless the other model is meant
    assert named["models"][f"pca {elsewhere.id}"]["id"] == elsewhere.id
    arguments = ["evaluate", "--model", "mine", "--snapshot", placed.id, "-k", "10", "--rounds", "50"]
    printed = riyl(own, *arguments).stdout
    assert "fmc: no artists, so nothing is measured" in printed
    assert "raw: 48 artists" in printed


def test_a_model_of_another_basis_says_what_to_run_and_then_it_works(own: Home, tmp_path: Path) -> None:
    model = next(m for path in own.models.glob("[!.]*") if (m := Model.open(path)).name == "mine")
    other = small_world(tmp_path / "other", n=50, seed=3)
    theirs = build_snapshot(Tables.open(other), SMALL_RECIPE, own.snapshots)
    command = f"riyl snapshot build TABLES --featurizer-from {model.card['snapshot']}"
    with pytest.raises(
        MismatchError, match=f"was fitted on featurizer {model.card['featurizer']} .*: {command}, where TABLES"
    ):
        figures(own, model="mine", snapshot=theirs.id)
    arguments = command.replace("TABLES", str(other)).split()[1:]
    placed = as_json(own, *arguments)["id"]
    assert figures(own, model="mine", snapshot=placed)["snapshot"] == placed
    assert figures(own, model="mine")["snapshot"] == placed  # the newest snapshot of its featurizer


def test_of_two_models_of_one_name_the_one_of_the_snapshots_basis_is_meant_and_both_can_stand_in_a_table(
    own: Home, tmp_path: Path
) -> None:
    model = next(m for path in own.models.glob("[!.]*") if (m := Model.open(path)).name == "mine")
    snapshot = Snapshot.open(own.snapshots / model.card["snapshot"])
    theirs = build_snapshot(Tables.open(small_world(tmp_path / "t", seed=3)), SMALL_RECIPE, own.snapshots)
    newer = train("mine", load_config("pca")[1], theirs, own.models)
    again = train("mine", load_config("pca")[1], snapshot, own.models, seed=6)
    os.utime(again.folder / "card.json", (1e9, 1e9))
    assert figures(own, model="mine", snapshot=snapshot.id)["models"]["mine"]["id"] == model.id
    assert figures(own, model="mine")["models"]["mine"]["id"] == newer.id
    evaluation = figures(own, model="mine", snapshot=snapshot.id, systems=[again.id])
    assert systems(evaluation) == ["mine", f"mine {again.id}", *FLOORS]
    assert evaluation["models"][f"mine {again.id}"]["seed"] == 6


def test_a_model_of_another_recipe_of_the_same_tables_is_found_by_its_name(own: Home, tmp_path: Path) -> None:
    tables = Tables.open(own.root / "tables")
    other = build_snapshot(tables, Recipe(tags=TagRecipe(weighting="tfidf")), own.snapshots)
    train("tfidf", load_config("single-tags")[1], other, own.models)
    model = next(m for path in own.models.glob("[!.]*") if (m := Model.open(path)).name == "mine")
    evaluation = figures(own, snapshot=model.card["snapshot"], systems=["mine", "tfidf"])
    assert systems(evaluation) == ["mine", f"tfidf ({other.id})", *FLOORS]

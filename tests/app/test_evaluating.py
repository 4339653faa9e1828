from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.commands.train import open_model
from app.evaluating import Question, run_evaluation
from app.jobs.types import EvaluateParams
from core.errors import InputError, MismatchError, NotFoundError
from core.model import Model
from core.settings import Home
from core.snapshot import Snapshot
from core.tables import Tables
from evaluation.figures import draw_all
from evaluation.report import report_html
from index.artifact import Version
from index.build import build_version
from tests.conftest import SMALL_RECIPE, small_world
from tests.training.features.others import world_of_strangers
from training.config import load_config
from training.features.build import build_snapshot, import_similar
from training.features.recipe import Recipe, TagRecipe
from training.train import train

BASELINES = ["pca", "pca-raw", "random-projection", "random-projection-raw", "single-audio", "single-cf", "single-tags"]
FLOORS = ["noise", "popularity"]
MASKED = [f"mine {subset}" for subset in ("audio", "cf", "tags", "audio+cf", "audio+tags", "cf+tags")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with a snapshot, its truth, a model called mine and the version of that."""
    home = Home(tmp_path_factory.mktemp("home"))
    tables = Tables.open(small_world(home.root / "tables"))
    snapshot = build_snapshot(tables, SMALL_RECIPE, home.snapshots)
    import_similar(tables, home.truths)
    model = train("mine", load_config("pca")[1], snapshot, home.models, seed=5)
    build_version(model, snapshot, home.versions)
    return home


@pytest.fixture(scope="module")
def version(home: Home) -> Version:
    return Version.open(next(home.versions.glob("[!.]*/manifest.json")).parent)


def figures(home: Home, **asked: Any) -> dict[str, Any]:
    return run_evaluation(home, Question(**{"k": 10, "rounds": 50, **asked})).figures


def systems(found: dict[str, Any]) -> Sequence[str]:
    return [row["system"] for row in found["results"] if row["condition"] == "raw"]


def without_names(rows: list[dict[str, Any]], system: str) -> list[dict[str, Any]]:
    return [{**row, "system": ""} for row in rows if row["system"] == system]


def test_left_to_itself_it_takes_every_model_and_baseline(home: Home) -> None:
    found = figures(home)
    assert systems(found) == ["mine", *BASELINES, *FLOORS]
    assert list(found["models"]) == ["mine", *BASELINES]
    assert {row["reference"] for row in found["differences"]} == {"mine"}
    assert found["version"] is None
    json.dumps(found, allow_nan=False)


def test_the_command_line_gives_the_same_figures(home: Home, version: Version) -> None:
    arguments = ["-k", "10", "--rounds", "50", "--seed", "2", "--systems", "mine,pca"]
    for more, asked in (([], {}), (["--version", version.id[:6]], {"version": version.id})):
        printed = CliRunner().invoke(app, ["--home", str(home.root), "--json", "evaluate", *arguments, *more]).stdout
        assert json.loads(printed) == figures(home, systems=["mine", "pca"], seed=2, **asked)


def test_what_a_job_is_asked_for_is_a_question() -> None:
    params = EvaluateParams(systems=["mine"], conditions=["fmc"], k=5)
    assert Question(**params.model_dump()) == Question(systems=["mine"], conditions=["fmc"], k=5)
    assert Question(**EvaluateParams().model_dump()) == Question(conditions=["raw", "fmc"])


def test_a_version_is_measured_alone_and_as_its_model_is(home: Home, version: Version) -> None:
    found = figures(home, version=version.id)
    assert systems(found) == [f"version {version.id}", *FLOORS]
    assert (found["version"], found["snapshot"], found["models"]) == (version.id, version.manifest["snapshot"], {})
    assert without_names(found["results"], f"version {version.id}") == without_names(figures(home)["results"], "mine")


def test_a_version_alone_is_in_the_groups_as_its_model_is(home: Home, version: Version) -> None:
    alone, model = (
        figures(home, **asked, conditions=["raw", "fmc", "groups"])
        for asked in ({"version": version.id}, {"systems": ["mine"]})
    )
    mine, wanted = alone["groups"][0], model["groups"][0]
    assert (mine["system"], wanted["system"]) == (f"version {version.id}", "mine")
    for name in ("entropy", "ndcg", "ndcg_own"):  # equal but for ties that rounding breaks
        assert mine[name]["mean"] == pytest.approx(wanted[name]["mean"], abs=0.02)
    assert [c["system"] for c in alone["coherence"]] == [f"version {version.id}"]


def test_others_are_compared_to_the_version(home: Home, version: Version) -> None:
    found = figures(home, version=version.id[:8], systems=["pca", "mine"])
    assert systems(found) == [f"version {version.id}", "pca", "mine", *FLOORS]
    assert {row["reference"] for row in found["differences"]} == {f"version {version.id}"}
    assert [row["ndcg"] for row in found["differences"] if row["system"] == "mine"] == [0, 0]
    assert systems(figures(home, version=version.id, systems=["all"]))[1:] == ["mine", *MASKED, *BASELINES, *FLOORS]


def test_a_version_alone_needs_no_snapshot(home: Home, version: Version, tmp_path: Path) -> None:
    bare = Home(tmp_path)
    shutil.copytree(home.truths, bare.truths)
    shutil.copytree(version.folder, bare.versions / version.id)
    ids = tmp_path / "some.txt"
    ids.write_text("a000\na003\na006\n")
    for conditions in (["raw", "fmc"], [str(ids)]):
        asked = {"version": version.id, "conditions": conditions}
        assert figures(bare, **asked) == figures(home, **asked)
    with pytest.raises(NotFoundError, match=f"snapshot '{version.manifest['snapshot']}' does not exist"):
        figures(bare, version=version.id, systems=["pca"])


def test_every_seed_of_a_config_and_every_subset_is_measured(home: Home, tmp_path: Path) -> None:
    own = Home(tmp_path / "home")
    shutil.copytree(home.root, own.root)
    snapshot = Snapshot.open(next(home.snapshots.glob("[!.]*/manifest.json")).parent)
    for seed in (3, 4):
        train("mine", load_config("random-projection")[1], snapshot, own.models, seed=seed)
    found = figures(own, systems=["all"], conditions=["raw", "groups"])
    mine = ["mine", *MASKED, "mine (seed 3)"]
    assert systems(found) == [*mine, *BASELINES, *FLOORS]  # that of seed 5 has another config
    assert [(m["id"], m["seed"]) for m in list(found["models"].values())[:2]] == [
        (Model.open(own.models / found["models"]["mine"]["id"]).id, 4),
        (found["models"]["mine (seed 3)"]["id"], 3),
    ]
    (over,) = found["seeds"]
    assert (over["system"], over["condition"], over["seeds"]) == ("mine", "raw", [4, 3])
    ndcg = {row["system"]: row["ndcg"] for row in found["results"]}
    assert over["ndcg"]["mean"] == pytest.approx((ndcg["mine"] + ndcg["mine (seed 3)"]) / 2, abs=1e-12)
    assert [g["system"] for g in found["groups"]] == ["mine", "mine (seed 3)", *BASELINES, "noise"]
    assert figures(own, systems=["mine"])["seeds"] == []


def test_judged_conditions_leave_out_whom_the_truth_has_no_pair_of(home: Home) -> None:
    found = figures(home, systems=["pca"], conditions=["raw", "raw-judged"])
    snapshot = Snapshot.open(next(home.snapshots.glob("[!.]*/manifest.json")).parent)
    pairs = pq.read_table(home.root / "tables" / "similar.parquet")
    judged = {*pairs.column("artist_id").to_pylist(), *pairs.column("similar_id").to_pylist()}
    raw, only = found["conditions"]
    assert (raw["artists"], raw["queries"]) == (int(snapshot.having().sum()), len(judged))
    assert (only["artists"], only["queries"], only["without_links"]) == (len(judged), len(judged), 0)


def test_artists_held_out_are_reported_apart(tmp_path: Path) -> None:
    own = Home(tmp_path / "home")
    tables = Tables.open(small_world(own.root / "tables"))
    held = build_snapshot(tables, SMALL_RECIPE.model_copy(update={"held_out": 0.3}), own.snapshots)
    import_similar(tables, own.truths)
    found = figures(own, systems=["pca"], conditions=["raw"])
    (row,) = found["unseen"]
    asked = {q["artist_id"] for q in run_evaluation(own, Question(systems=["pca"], k=10)).queries.to_pylist()}
    out = {artist for artist, mark in zip(held.artist_ids, held.held_out, strict=True) if mark}
    assert (row["unseen"]["n_queries"], row["seen"]["n_queries"]) == (len(asked & out), len(asked - out))
    assert row["difference"] == pytest.approx(row["unseen"]["ndcg"] - row["seen"]["ndcg"], abs=1e-12)


def test_queries_outside_the_links_of_a_model_are_reported_apart(tmp_path: Path) -> None:
    own = Home(tmp_path / "home")
    tables = Tables.open(small_world(own.root / "tables"))
    build_snapshot(tables, SMALL_RECIPE, own.snapshots)
    import_similar(tables, own.truths)
    pairs = pq.read_table(own.root / "tables" / "similar.parquet")
    some = pairs.filter(pc.less(pairs["similar_id"], "a040"))
    pq.write_table(some, tmp_path / "editorial.parquet")
    config = tmp_path / "short.toml"
    config.write_text('method = "cca"\n[links]\nmax_epochs = 1\n')
    arguments = ["train", "--config", str(config), "--links", str(tmp_path / "editorial.parquet")]
    card = json.loads(CliRunner().invoke(app, ["--home", str(own.root), "--json", *arguments]).stdout)
    assert (card["name"], card["links"]["name"]) == ("short-linked", "editorial")
    assert [path.name for path in own.truths.iterdir()] == [figures(own, systems=["pca"])["truth"]["id"]]
    assert figures(own, systems=["pca"])["unseen"] == []
    rows = figures(own, systems=["short-linked", "pca"], conditions=["raw"])["unseen"]
    asked = {*pairs["artist_id"].to_pylist(), *pairs["similar_id"].to_pylist()}
    linked = {*some["artist_id"].to_pylist(), *some["similar_id"].to_pylist()}
    assert [row["system"] for row in rows] == ["short-linked", "pca"]
    for row in rows:
        assert (row["seen"]["n_queries"], row["unseen"]["n_queries"]) == (len(linked), len(asked - linked))
    shown = CliRunner().invoke(app, ["--home", str(own.root), "evaluate", "--systems", "short-linked,pca", "-k", "10"])
    assert f"({len(asked - linked):,})" in shown.stdout


def test_links_are_a_file_or_a_truth(home: Home, tmp_path: Path) -> None:
    for named, message in (("no.csv", "links: found no file no.csv"), ("nothing", "there is no truth 'nothing'")):
        done = CliRunner().invoke(app, ["--home", str(home.root), "train", "--links", named])
        assert done.exit_code != 0
        assert message in done.output + str(done.exception)


def test_groups_want_another_condition_beside_them(home: Home) -> None:
    with pytest.raises(InputError, match="conditions: found groups alone; wanted raw, fmc or a text file"):
        figures(home, conditions=["groups"])


def test_the_command_line_writes_report_figures_and_json(home: Home, tmp_path: Path) -> None:
    wanted = {"--report": tmp_path / "out.html", "--figures": tmp_path / "out.json", "--figures-dir": tmp_path / "figs"}
    arguments = ["-k", "10", "--rounds", "20", "--systems", "mine,pca", "--conditions", "raw,fmc,groups"]
    paths = [text for option, path in wanted.items() for text in (option, str(path))]
    printed = CliRunner().invoke(app, ["--home", str(home.root), "evaluate", *arguments, *paths])
    assert printed.exit_code == 0, printed.output
    assert "modality groups: 7 groups" in printed.stdout
    found = json.loads(wanted["--figures"].read_text())
    assert found == figures(home, systems=["mine", "pca"], conditions=["raw", "fmc", "groups"], rounds=20)
    assert wanted["--report"].read_text() == report_html(found)
    assert len(list(wanted["--figures-dir"].iterdir())) == 2 * len(draw_all(found))


def test_an_undefined_figure_is_null(home: Home, tmp_path: Path) -> None:
    ids = tmp_path / "one.txt"
    ids.write_text("a000\n")
    found = figures(home, systems=["pca"], conditions=[str(ids)])
    assert [row["ndcg"] for row in found["results"]] == [None, None, None]
    assert [(row["ndcg"], row["low"]) for row in found["differences"]] == [(None, None), (None, None)]
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"truth": "none"}, NotFoundError, "there is no truth 'none'"),
        ({"version": "zz"}, NotFoundError, "version 'zz' does not exist"),
        ({"systems": ["zz"]}, NotFoundError, "model 'zz' does not exist"),
        ({"systems": []}, InputError, "systems: found none; wanted models or baselines, or a version"),
        (
            {"conditions": ["fcm"]},
            InputError,
            "conditions: found 'fcm'; wanted raw, fmc, raw-judged, fmc-judged, groups or a text file",
        ),
        ({"version": "v", "snapshot": "s"}, InputError, "found a version and a snapshot; wanted one"),
        ({"version": "v", "model": "mine"}, InputError, "found a version and a model; wanted one to compare to"),
        ({"model": "zz"}, NotFoundError, "model 'zz' does not exist"),
    ],
)
def test_a_wrong_question_says_what_is_wrong(
    home: Home, asked: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        figures(home, **asked)


def test_a_condition_of_others_artists_names_whose_it_is(home: Home, version: Version, tmp_path: Path) -> None:
    ids = tmp_path / "others.txt"
    ids.write_text("a000\nnobody\n")
    snapshot = Snapshot.open(home.snapshots / version.manifest["snapshot"])
    for asked, whose in (({"systems": ["pca"]}, f"snapshot {snapshot.id}"), ({"version": version.id}, "version")):
        with pytest.raises(InputError, match=f"found 1 ids that {whose} .*'nobody' first; wanted ids of its artists"):
            figures(home, conditions=[str(ids)], **asked)


def test_a_model_is_measured_on_the_next_tables_placed_in_its_basis(home: Home, tmp_path: Path) -> None:
    kept = Snapshot.open(next(home.snapshots.glob("[!.]*/manifest.json")).parent)
    own = Home(tmp_path / "home")
    shutil.copytree(home.root, own.root)
    later = build_snapshot(Tables.open(small_world(tmp_path / "later", n=50)), SMALL_RECIPE, own.snapshots, keep=kept)
    found = figures(own, snapshot=later.id)
    assert found["snapshot"] == later.id
    assert systems(found) == ["mine", *BASELINES, *FLOORS]


def test_evaluating_leaves_the_newest_model_what_it_was(home: Home, tmp_path: Path) -> None:
    own = Home(tmp_path / "home")
    mine = next(m for path in home.models.glob("[!.]*") if (m := Model.open(path)).name == "mine")
    for folder in (home.snapshots, home.truths):
        shutil.copytree(folder, own.root / folder.name)
    shutil.copytree(mine.folder, own.models / mine.id)
    for _ in range(2):
        figures(own)
        assert open_model(own.models, None).id == mine.id
    snapshot = Snapshot.open(own.snapshots / mine.card["snapshot"])
    asked_for = train("pca", load_config("pca")[1], snapshot, own.models)
    figures(own)
    assert open_model(own.models, None).id == asked_for.id


def in_basis_of(home: Home, folder: Path) -> Snapshot:
    """The tables of a folder placed in the basis of the home's snapshot."""
    kept = Snapshot.open(next(home.snapshots.glob("[!.]*/manifest.json")).parent)
    return build_snapshot(Tables.open(folder), Recipe(), home.snapshots, keep=kept)


@pytest.fixture
def own(home: Home, tmp_path: Path) -> Home:
    """A copy of the home, to change."""
    copy = Home(tmp_path / "home")
    shutil.copytree(home.root, copy.root)
    return copy


def test_a_model_is_measured_first_and_alone_unless_others_are_named(home: Home) -> None:
    mine = next(m for path in home.models.glob("[!.]*") if (m := Model.open(path)).name == "mine")
    alone = figures(home, model="mine")
    assert systems(alone) == ["mine", *FLOORS]
    assert alone == figures(home, systems=["mine"])
    beside = figures(home, model=mine.id[:6], systems=["pca", "mine"])
    assert systems(beside) == ["mine", "pca", *FLOORS]
    assert {row["reference"] for row in beside["differences"]} == {"mine"}
    assert systems(figures(home, model="mine", systems=["all"])) == ["mine", *MASKED, *BASELINES, *FLOORS]


def test_a_model_is_measured_on_another_catalog_that_has_some_of_its_modalities(own: Home, tmp_path: Path) -> None:
    kept = Snapshot.open(next(own.snapshots.glob("[!.]*/manifest.json")).parent)
    placed = in_basis_of(own, world_of_strangers(tmp_path / "t"))
    elsewhere = train("pca", load_config("pca")[1], kept, own.models)
    found = figures(own, model="mine", snapshot=placed.id, systems=["all"])
    assert found["snapshot"] == placed.id
    baselines = [name for name in BASELINES if name not in ("single-audio", "single-cf")]
    assert systems(found) == ["mine", *MASKED, *baselines, *FLOORS]
    mine = {row["condition"]: row for row in found["results"] if row["system"] == "mine"}
    assert (mine["raw"]["artists"], mine["raw"]["covered"]) == (48, 1)
    (noise,) = (row for row in found["results"] if (row["condition"], row["system"]) == ("raw", "noise"))
    assert mine["raw"]["ndcg"] > 2 * noise["ndcg"]  # tags tell the three scenes
    assert (mine["fmc"]["artists"], mine["fmc"]["ndcg"], mine["fmc"]["gini"]) == (0, None, None)
    named = figures(own, model="mine", snapshot=placed.id, systems=["pca", elsewhere.id])
    assert named["models"]["pca"] == found["models"]["pca"]  # fitted on these artists, unless the other is meant
    assert named["models"][f"pca {elsewhere.id}"]["id"] == elsewhere.id
    arguments = ["evaluate", "--model", "mine", "--snapshot", placed.id, "-k", "10", "--rounds", "50"]
    printed = CliRunner().invoke(app, ["--home", str(own.root), *arguments]).stdout
    assert "fmc: no artists, so nothing to measure" in printed
    assert "raw: 48 artists" in printed


def test_a_model_of_another_basis_says_what_to_run_and_then_it_works(own: Home, tmp_path: Path) -> None:
    mine = next(m for path in own.models.glob("[!.]*") if (m := Model.open(path)).name == "mine")
    other = small_world(tmp_path / "other", n=50, seed=3)
    theirs = build_snapshot(Tables.open(other), SMALL_RECIPE, own.snapshots)
    command = f"riyl snapshot build TABLES --keep-basis {mine.card['snapshot']}"
    with pytest.raises(MismatchError, match=f"was fitted on basis {mine.card['basis']} .*: {command}, where TABLES"):
        figures(own, model="mine", snapshot=theirs.id)
    arguments = command.replace("TABLES", str(other)).split()[1:]
    said = CliRunner().invoke(app, ["--home", str(own.root), "--json", *arguments]).stdout
    placed = json.loads(said)["id"]
    assert figures(own, model="mine", snapshot=placed)["snapshot"] == placed
    assert figures(own, model="mine")["snapshot"] == placed  # the newest of its basis


def test_of_two_models_of_one_name_the_one_of_the_snapshots_basis_is_meant_and_both_can_stand_in_a_table(
    own: Home, tmp_path: Path
) -> None:
    mine = next(m for path in own.models.glob("[!.]*") if (m := Model.open(path)).name == "mine")
    snapshot = Snapshot.open(own.snapshots / mine.card["snapshot"])
    theirs = build_snapshot(Tables.open(small_world(tmp_path / "t", seed=3)), SMALL_RECIPE, own.snapshots)
    newer = train("mine", load_config("pca")[1], theirs, own.models)
    again = train("mine", load_config("pca")[1], snapshot, own.models, seed=6)
    os.utime(again.folder / "card.json", (1e9, 1e9))
    assert figures(own, model="mine", snapshot=snapshot.id)["models"]["mine"]["id"] == mine.id
    assert figures(own, model="mine")["models"]["mine"]["id"] == newer.id
    found = figures(own, model="mine", snapshot=snapshot.id, systems=[again.id])
    assert systems(found) == ["mine", f"mine {again.id}", *FLOORS]
    assert found["models"][f"mine {again.id}"]["seed"] == 6


def test_a_model_of_another_recipe_of_the_same_tables_is_found_by_its_name(own: Home, tmp_path: Path) -> None:
    tables = Tables.open(own.root / "tables")
    other = build_snapshot(tables, Recipe(tags=TagRecipe(weighting="tfidf")), own.snapshots)
    train("tfidf", load_config("single-tags")[1], other, own.models)
    mine = next(m for path in own.models.glob("[!.]*") if (m := Model.open(path)).name == "mine")
    found = figures(own, snapshot=mine.card["snapshot"], systems=["mine", "tfidf"])
    assert systems(found) == ["mine", f"tfidf ({other.id})", *FLOORS]

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from riyl.app.evaluations.question import Question
from riyl.app.evaluations.run import run_evaluation
from riyl.core.catalog.tables import Tables
from riyl.core.errors import InputError, NotFoundError
from riyl.core.settings import Home
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.evaluation.figures import draw_all
from riyl.evaluation.report import report_html
from riyl.index.artifact.version import Version
from riyl.training.config import FILLED_PROJECTION, load_config
from riyl.training.features.build import build_snapshot, import_similar
from riyl.training.train import train
from tests.app.conftest import as_json, riyl
from tests.app.evaluations.figures import BASELINES, FLOORS, MASKED, figures, systems
from tests.conftest import SMALL_RECIPE, small_world


@pytest.fixture(scope="module")
def version(home: Home) -> Version:
    return Version.open(next(home.versions.glob("[!.]*/manifest.json")).parent)


OF_TEN: dict[str, Any] = {"systems": ["pca", "single-cf"], "k": 10, "rounds": 10}


def without_names(rows: list[dict[str, Any]], system: str) -> list[dict[str, Any]]:
    return [{**row, "system": ""} for row in rows if row["system"] == system]


def test_left_to_itself_it_takes_every_model_and_baseline(home: Home) -> None:
    evaluation = figures(home)
    assert systems(evaluation) == ["mine", *BASELINES, *FLOORS]
    assert list(evaluation["models"]) == ["mine", *BASELINES]
    assert {row["reference"] for row in evaluation["differences"]} == {"mine"}
    assert evaluation["version"] is None
    json.dumps(evaluation, allow_nan=False)


def test_the_command_line_gives_the_same_figures(home: Home, version: Version) -> None:
    arguments = ["-k", "10", "--rounds", "50", "--seed", "2", "--systems", "mine,pca"]
    for more, question in (([], {}), (["--version", version.id[:6]], {"version": version.id[:6]})):
        assert as_json(home, "evaluate", *arguments, *more) == figures(
            home, systems=["mine", "pca"], seed=2, **question
        )


def test_a_version_is_measured_alone_and_as_its_model_is(home: Home, version: Version) -> None:
    evaluation = figures(home, version=version.id)
    assert systems(evaluation) == [f"version {version.id}", *FLOORS]
    assert (evaluation["version"], evaluation["snapshot"], evaluation["models"]) == (
        version.id,
        version.manifest["snapshot"],
        {},
    )
    assert without_names(evaluation["results"], f"version {version.id}") == without_names(
        figures(home)["results"], "mine"
    )


def test_a_version_alone_is_in_the_groups_as_its_model_is(home: Home, version: Version) -> None:
    alone, model = (
        figures(home, **question, conditions=["raw", "fmc", "groups"])
        for question in ({"version": version.id}, {"systems": ["mine"]})
    )
    actual, wanted = alone["groups"][0], model["groups"][0]
    assert (actual["system"], wanted["system"]) == (f"version {version.id}", "mine")
    for name in ("entropy", "ndcg", "ndcg_own"):  # equal except for ties that rounding breaks
        assert actual[name]["mean"] == pytest.approx(wanted[name]["mean"], abs=0.02)
    both = [("raw", f"version {version.id}"), ("fmc", f"version {version.id}")]
    assert [(c["condition"], c["system"]) for c in alone["coherence"]] == both


def test_others_are_compared_to_the_version(home: Home, version: Version) -> None:
    evaluation = figures(home, version=version.id[:8], systems=["pca", "mine"])
    assert systems(evaluation) == [f"version {version.id}", "pca", "mine", *FLOORS]
    assert {row["reference"] for row in evaluation["differences"]} == {f"version {version.id}"}
    assert [row["ndcg"] for row in evaluation["differences"] if row["system"] == "mine"] == [0, 0]
    assert systems(figures(home, version=version.id, systems=["all"]))[1:] == [
        *["mine", *MASKED, *BASELINES, FILLED_PROJECTION, *FLOORS]
    ]


def test_a_version_alone_needs_no_snapshot(home: Home, version: Version, tmp_path: Path) -> None:
    bare = Home(tmp_path)
    shutil.copytree(home.truths, bare.truths)
    shutil.copytree(version.folder, bare.versions / version.id)
    ids = tmp_path / "some.txt"
    ids.write_text("a000\na003\na006\n")
    for conditions in (["raw", "fmc"], [str(ids)]):
        question = {"version": version.id, "conditions": conditions}
        assert figures(bare, **question) == figures(home, **question)
    with pytest.raises(NotFoundError, match=f"snapshot '{version.manifest['snapshot']}' does not exist"):
        figures(bare, version=version.id, systems=["pca"])


def test_every_seed_of_a_config_and_every_subset_is_measured(home: Home, tmp_path: Path) -> None:
    home_copy = Home(tmp_path / "home")
    shutil.copytree(home.root, home_copy.root)
    snapshot = Snapshot.open(next(home.snapshots.glob("[!.]*/manifest.json")).parent)
    for seed in (3, 4):
        train("mine", load_config("random-projection")[1], snapshot, home_copy.models, seed=seed)
    evaluation = figures(home_copy, systems=["all"], conditions=["raw", "groups"])
    model_names = ["mine", *MASKED, "mine (seed 3)"]
    assert systems(evaluation) == [
        *model_names,
        *BASELINES,
        FILLED_PROJECTION,
        *FLOORS,
    ]  # the model of seed 5 has another config
    assert [(m["id"], m["seed"]) for m in list(evaluation["models"].values())[:2]] == [
        (Model.open(home_copy.models / evaluation["models"]["mine"]["id"]).id, 4),
        (evaluation["models"]["mine (seed 3)"]["id"], 3),
    ]
    (over,) = evaluation["seeds"]
    assert (over["system"], over["condition"], over["seeds"]) == ("mine", "raw", [4, 3])
    ndcg = {row["system"]: row["ndcg"] for row in evaluation["results"]}
    assert over["ndcg"]["mean"] == pytest.approx((ndcg["mine"] + ndcg["mine (seed 3)"]) / 2, abs=1e-12)
    assert [g["system"] for g in evaluation["groups"]] == [
        *["mine", "mine (seed 3)", *BASELINES, FILLED_PROJECTION, "noise"]
    ]
    assert figures(home_copy, systems=["mine"])["seeds"] == []


def test_every_system_and_condition_has_the_figures_of_the_first_ranks(home: Home, tmp_path: Path) -> None:
    ids = tmp_path / "some.txt"
    ids.write_text("\n".join(f"a{number:03d}" for number in range(30)))
    conditions = ["raw", "fmc", "raw-judged", "fmc-judged", str(ids)]
    arguments = ["--systems", "pca,single-cf", "--conditions", ",".join(conditions), "-k", "20", "--rounds", "10"]
    evaluation = as_json(home, "evaluate", *arguments, "--no-store")
    measured = [(row["condition"], row["system"]) for row in evaluation["results"]]
    assert [(row["condition"], row["system"], row["depth"]) for row in evaluation["depths"]] == [
        (condition, system, 10) for condition, system in measured
    ]
    shorter = {
        (row["condition"], row["system"]): row for row in figures(home, **OF_TEN, conditions=conditions)["results"]
    }
    for row in evaluation["depths"]:
        alone = shorter[row["condition"], row["system"]]
        for name in ("ndcg", "ndcg_low", "ndcg_high", "gini"):
            assert row[name] == alone[name]
        assert row["never_retrieved"] == pytest.approx(1 - alone["coverage"], abs=1e-12)
        assert (row["difference"] is None) == (row["system"] == "pca")
    printed = riyl(home, "evaluate", *arguments, "--no-store").stdout
    assert printed.count("first lists of") == 5
    table = printed[printed.index("first lists of raw:") :].splitlines()
    pca = next(row for row in evaluation["depths"] if row["system"] == "pca")
    assert table[3].split() == [
        "pca", f"{pca['ndcg']:.4f}", f"{pca['gini']:.4f}", f"{pca['never_retrieved']:.1%}",
    ]  # fmt: skip
    assert max(len(line.rstrip()) for line in table[:5]) <= 100


def test_short_lists_have_no_figures_of_the_first_ranks(home: Home) -> None:
    for k in (5, 10):
        assert figures(home, systems=["pca"], conditions=["raw"], k=k)["depths"] == []
    arguments = ["evaluate", "--systems", "pca", "--conditions", "raw", "-k", "5", "--rounds", "5", "--no-store"]
    assert "first lists" not in riyl(home, *arguments).stdout


def test_judged_conditions_leave_out_whom_the_truth_has_no_pair_of(home: Home) -> None:
    evaluation = figures(home, systems=["pca"], conditions=["raw", "raw-judged"])
    snapshot = Snapshot.open(next(home.snapshots.glob("[!.]*/manifest.json")).parent)
    pairs = pq.read_table(home.root / "tables" / "similar.parquet")
    judged = {*pairs.column("artist_id").to_pylist(), *pairs.column("similar_id").to_pylist()}
    raw, only = evaluation["conditions"]
    assert (raw["artists"], raw["queries"]) == (int(snapshot.having().sum()), len(judged))
    assert (only["artists"], only["queries"], only["without_links"]) == (len(judged), len(judged), 0)


def test_artists_held_out_are_reported_apart(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    tables = Tables.open(small_world(home.root / "tables"))
    held = build_snapshot(tables, SMALL_RECIPE.model_copy(update={"holdout": 0.3}), home.snapshots)
    import_similar(tables, home.truths)
    evaluation = figures(home, systems=["pca"], conditions=["raw"])
    (row,) = evaluation["unseen"]
    query_artists = {q["artist_id"] for q in run_evaluation(home, Question(systems=["pca"], k=10)).queries.to_pylist()}
    out = {artist for artist, mark in zip(held.artist_ids, held.holdout, strict=True) if mark}
    assert (row["unseen"]["n_queries"], row["seen"]["n_queries"]) == (
        len(query_artists & out),
        len(query_artists - out),
    )
    assert row["difference"] == pytest.approx(row["unseen"]["ndcg"] - row["seen"]["ndcg"], abs=1e-12)


def test_groups_want_another_condition_beside_them(home: Home) -> None:
    with pytest.raises(InputError, match="conditions: found only groups; wanted also raw, fmc or a text file"):
        figures(home, conditions=["groups"])


def test_the_command_line_writes_report_figures_and_json(home: Home, tmp_path: Path) -> None:
    wanted = {"--report": tmp_path / "out.html", "--figures": tmp_path / "out.json", "--figures-dir": tmp_path / "figs"}
    arguments = ["-k", "10", "--rounds", "20", "--systems", "mine,pca", "--conditions", "raw,fmc,groups"]
    paths = [text for option, path in wanted.items() for text in (option, str(path))]
    printed = riyl(home, "evaluate", *arguments, *paths)
    assert printed.exit_code == 0, printed.output
    assert "modality groups of fmc: 7 groups" in printed.stdout
    evaluation = json.loads(wanted["--figures"].read_text())
    assert evaluation == figures(home, systems=["mine", "pca"], conditions=["raw", "fmc", "groups"], rounds=20)
    assert wanted["--report"].read_text() == report_html(evaluation)
    assert len(list(wanted["--figures-dir"].iterdir())) == 2 * len(draw_all(evaluation))


def test_an_undefined_figure_is_null(home: Home, tmp_path: Path) -> None:
    ids = tmp_path / "one.txt"
    ids.write_text("a000\n")
    evaluation = figures(home, systems=["pca"], conditions=[str(ids)])
    assert [row["ndcg"] for row in evaluation["results"]] == [None, None, None]
    assert [(row["ndcg"], row["low"]) for row in evaluation["differences"]] == [(None, None), (None, None)]
    json.dumps(evaluation, allow_nan=False)


@pytest.mark.parametrize(
    ("question", "error", "message"),
    [
        ({"truth": "none"}, NotFoundError, "there is no truth 'none'"),
        ({"version": "zz"}, NotFoundError, "version 'zz' does not exist"),
        ({"systems": ["zz"]}, NotFoundError, "model 'zz' does not exist"),
        (
            {"systems": []},
            InputError,
            "systems: found none; wanted models or baselines, a version, embeddings or a run",
        ),
        (
            {"conditions": ["fcm"]},
            InputError,
            "conditions: found 'fcm'; wanted raw, fmc, raw-judged, fmc-judged, groups, groups:CONDITION or a text file",
        ),
        ({"seeds": 0}, InputError, "seeds: found 0; wanted at least 1"),
        ({"k": 0}, InputError, "k: found 0; wanted at least 1"),
        ({"seed": -1}, InputError, "seed: found -1; wanted at least 0"),
        ({"version": "v", "snapshot": "s"}, InputError, "found a version and a snapshot; wanted one"),
        ({"version": "v", "model": "mine"}, InputError, "found a version and a model; wanted one to compare to"),
        ({"model": "zz"}, NotFoundError, "model 'zz' does not exist"),
    ],
)
def test_a_wrong_question_says_what_is_wrong(
    home: Home, question: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        figures(home, **question)


def test_a_condition_of_others_artists_names_whose_it_is(home: Home, version: Version, tmp_path: Path) -> None:
    ids = tmp_path / "others.txt"
    ids.write_text("a000\nnobody\n")
    snapshot = Snapshot.open(home.snapshots / version.manifest["snapshot"])
    for question, whose in (({"systems": ["pca"]}, f"snapshot {snapshot.id}"), ({"version": version.id}, "version")):
        with pytest.raises(InputError, match=f"found 1 ids that {whose} .* is 'nobody'; wanted ids of its artists"):
            figures(home, conditions=[str(ids)], **question)

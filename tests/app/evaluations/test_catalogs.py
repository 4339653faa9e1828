"""Evaluations of two catalogs: a catalog joined with itself, and two halves of the synthetic world."""

from __future__ import annotations

import json
from collections.abc import Set
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riyl.app.evaluations.catalogs import joined_holdout, linked_artists
from riyl.core.catalog.tables import Tables
from riyl.core.errors import InputError, MismatchError, NotFoundError
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.evaluation.catalogs import ArtistJoin, JoinedCatalog
from riyl.evaluation.report import report_html
from riyl.index.build.build import build_version
from riyl.training.features.build import build_snapshot
from tests.app.conftest import as_json, riyl
from tests.app.evaluations.figures import BASELINES, FLOORS, figures, systems
from tests.app.evaluations.halves import ONLY_FIRST, Halves, N, make_halves, write_half
from tests.conftest import SMALL_RECIPE

CONDITIONS = ["raw", "fmc", "raw-judged", "groups"]
SYSTEMS = ["mine", "pca", "single-cf"]


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Halves:
    return make_halves(tmp_path_factory.mktemp("halves"))


@pytest.fixture(scope="module")
def both(halves: Halves) -> dict[str, Any]:
    """Evaluate some systems of both halves."""
    return figures(halves.home, **question(halves), systems=SYSTEMS, conditions=CONDITIONS)


def question(halves: Halves, **fields: Any) -> dict[str, Any]:
    return {"snapshot": halves.first.id, "catalogs": {"own": halves.other.id}, **fields}


def having(snapshot: Snapshot, modality: str) -> Set[str]:
    return {snapshot.artist_ids[row] for row in snapshot.modalities[modality].rows.tolist()}


def of_system(evaluation: dict[str, Any], section: str, system: str) -> list[dict[str, Any]]:
    """Return the rows of a system, without the names of systems."""
    rows = [row for row in evaluation[section] if row["system"] == system]
    return [{name: value for name, value in row.items() if name not in ("system", "reference")} for row in rows]


def test_a_catalog_joined_with_itself_has_the_same_figures(halves: Halves) -> None:
    evaluation = figures(
        halves.home,
        snapshot=halves.first.id,
        catalogs={"own": halves.first.id[:8]},
        systems=["all"],
        conditions=CONDITIONS,
    )
    first = [entry["name"] for entry in evaluation["systems"] if entry["catalog"] is None][: -len(FLOORS)]
    first.remove("random-projection-sklearn")  # of the first catalog alone
    assert first[0] == "mine"
    assert {"mine audio+cf", *BASELINES} < {*first}
    assert [entry["name"] for entry in evaluation["systems"] if entry["catalog"] == "own"] == [
        f"own/{n}" for n in first
    ]
    alone = figures(halves.home, snapshot=halves.first.id, systems=SYSTEMS, conditions=CONDITIONS)
    for section in ("results", "groups", "coherence", "popularity", "links"):
        for system in first:
            expected = of_system(evaluation, section, system)
            assert of_system(evaluation, section, f"own/{system}") == expected
            if system in SYSTEMS:
                assert expected == of_system(alone, section, system)
        assert of_system(evaluation, section, "own/mine")
    differences = {row["system"]: row["ndcg"] for row in evaluation["differences"]}
    assert differences["own/mine"] == 0
    (catalog,) = evaluation["catalogs"]
    assert (catalog["matched"], catalog["ambiguous"], catalog["artists"]) == (N, 0, N)
    assert catalog["modalities"] == catalog["matched_modalities"] == evaluation["catalog"]["modalities"]


def test_conditions_are_over_both_catalogs(halves: Halves, both: dict[str, Any]) -> None:
    names = {other: id for id, other in halves.counterparts.items()}
    first = [having(halves.first, m) for m in ("audio", "cf", "tags")]
    other = [{names[id] for id in having(halves.other, m)} for m in ("audio", "cf", "tags")]
    full, any_data = set.intersection(*map(set, [*first, *other])), set.union(*map(set, [*first, *other]))
    assert 20 < len(full) < len(set.intersection(*map(set, first)))
    by_name = {condition["name"]: condition for condition in both["conditions"]}
    assert (by_name["raw"]["artists"], by_name["fmc"]["artists"]) == (len(any_data), len(full))
    assert (by_name["raw"]["full"], by_name["fmc"]["full"]) == (False, True)


def test_an_artist_is_covered_by_a_catalog_that_has_its_data(halves: Halves, both: dict[str, Any]) -> None:
    pairs = pq.read_table(halves.home.root.parent / "world" / "similar.parquet")
    queries = {*pairs["artist_id"].to_pylist(), *pairs["similar_id"].to_pylist()}
    covered = {row["system"]: row["covered"] for row in both["results"] if row["condition"] == "raw"}
    for system, snapshot in (("single-cf", halves.first), ("own/single-cf", halves.other)):
        own_ids = {id: id for id in queries} if snapshot is halves.first else halves.counterparts
        cf = having(snapshot, "cf")
        expected = sum(own_ids.get(id) in cf for id in queries) / len(queries)
        assert covered[system] == pytest.approx(expected, abs=1e-12)
    assert 0 < covered["own/single-cf"] < 1 - ONLY_FIRST / N / 2
    assert {r["covered"] for r in both["results"] if r["condition"] == "fmc"} == {1.0}


def test_systems_of_a_catalog_follow_those_of_the_first(both: dict[str, Any]) -> None:
    assert systems(both) == [*SYSTEMS, *(f"own/{name}" for name in SYSTEMS), *FLOORS]
    assert list(both["models"]) == systems(both)[: -len(FLOORS)]
    assert both["models"]["mine"]["id"] != both["models"]["own/mine"]["id"]
    assert {row["reference"] for row in both["differences"]} == {"mine"}
    assert {row["reference"] for row in both["popularity"]} == {"single-cf"}
    assert {row["system"] for row in both["coherence"]} >= {"mine", "own/mine"}
    assert [row["system"] for row in both["groups"]] == [*SYSTEMS, *(f"own/{name}" for name in SYSTEMS), "noise"]


def test_left_to_itself_it_takes_every_system_of_each_catalog(halves: Halves) -> None:
    evaluation = figures(halves.home, **question(halves), conditions=["raw"])
    names = ["mine", *BASELINES]
    assert systems(evaluation) == [*names, *(f"own/{name}" for name in names), *FLOORS]


def test_a_map_file_gives_the_figures_of_the_join_by_mbid(halves: Halves, both: dict[str, Any]) -> None:
    by_map = figures(
        halves.home,
        **question(halves, maps={"own": str(halves.map_file)}),
        systems=SYSTEMS,
        conditions=CONDITIONS,
    )
    (mapped,), (joined,) = by_map.pop("catalogs"), both["catalogs"]
    assert mapped == {**joined, "join": "map.csv"}
    assert (joined["join"], joined["matched"], joined["artists"]) == ("mbid", N - ONLY_FIRST, N - ONLY_FIRST)
    assert (joined["ambiguous"], joined["unknown"]) == (0, 0)
    assert by_map.pop("command").endswith(
        f"--catalog own={halves.other.id} --map own={halves.map_file} -k 10 --rounds 50"
    )
    assert by_map == {name: value for name, value in both.items() if name not in ("catalogs", "command")}


def test_a_name_may_be_of_one_catalog_alone(halves: Halves, both: dict[str, Any]) -> None:
    other_id = both["models"]["own/mine"]["id"]
    first_id = both["models"]["mine"]["id"]
    for names, expected in (
        ([first_id, "own/pca"], ["mine", "own/pca"]),
        (["pca", other_id[:10]], ["pca", "own/pca", "own/mine"]),
        (["own/mine"], ["own/mine"]),
        (["mine", "own/mine"], ["mine", "own/mine"]),
    ):
        evaluation = figures(halves.home, **question(halves), systems=names, conditions=["raw"])
        assert systems(evaluation) == [*expected, *FLOORS]
        if "own/mine" in expected:
            assert of_system(evaluation, "results", "own/mine") == of_system(both, "results", "own/mine")[:1]


def test_a_modality_of_one_catalog_alone_is_masked_in_the_groups(halves: Halves, tmp_path: Path) -> None:
    folder = write_half(halves.home.root.parent / "world", tmp_path / "mute", 1, halves.counterparts, audio=False)
    mute = build_snapshot(Tables.open(folder), SMALL_RECIPE, halves.home.snapshots)
    asked_for = question(halves, catalogs={"own": mute.id})
    evaluation = figures(halves.home, **asked_for, systems=["pca", "single-audio"], conditions=["raw", "groups"])
    assert systems(evaluation) == ["pca", "single-audio", "own/pca", *FLOORS]
    groups = {row["system"]: row for row in evaluation["groups"]}
    assert list(groups) == ["pca", "single-audio", "own/pca", "noise"]
    assert {tuple(map(tuple, row["subsets"])) for row in groups.values()} == {(("cf",), ("tags",), ("cf", "tags"))}
    assert groups["single-audio"]["ndcg"]["mean"] == 0
    assert groups["pca"]["ndcg"]["mean"] > 0


def test_a_version_stands_beside_another_catalog(halves: Halves, both: dict[str, Any]) -> None:
    version = build_version(
        Model.open(halves.home.models / both["models"]["mine"]["id"]), halves.first, halves.home.versions
    )
    evaluation = figures(
        halves.home, version=version.id, systems=["own/mine"], catalogs={"own": halves.other.id}, conditions=["raw"]
    )
    assert systems(evaluation) == [f"version {version.id}", "own/mine", *FLOORS]
    assert of_system(evaluation, "results", "own/mine") == of_system(both, "results", "own/mine")[:1]


def test_the_command_line_gives_the_same_figures_and_the_report_lists_catalogs(
    halves: Halves, both: dict[str, Any], tmp_path: Path
) -> None:
    arguments = ["--snapshot", halves.first.id, "--catalog", f"own={halves.other.id}", "-k", "10", "--rounds", "50"]
    arguments += ["--systems", ",".join(SYSTEMS), "--conditions", ",".join(CONDITIONS)]
    assert as_json(halves.home, "evaluate", *arguments) == both
    report = report_html(both)
    assert "Other catalogs, joined to the 120 artists of the first" in report
    (catalog,) = both["catalogs"]
    counts = ", ".join(f"{name} {n}" for name, n in catalog["matched_modalities"].items())
    cells = ["own", halves.other.id, 110, "mbid", 110, "91.7%", 0, 0, counts]
    assert f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>" in " ".join(report.split()).replace("> <", "><")
    json.dumps(both, allow_nan=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--catalog", "own"], "--catalog: found 'own'; wanted NAME=VALUE"),
        (["--catalog", "=x"], "--catalog: found '=x'; wanted NAME=VALUE"),
        (["--map", "own=a", "--map", "own=b"], "--map: found the name 'own' twice; wanted each name once"),
    ],
)
def test_a_malformed_option_says_what_is_wanted(halves: Halves, options: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        riyl(halves.home, "evaluate", *options)


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"catalogs": {"a/b": "x"}}, InputError, "catalogs: found the name 'a/b'; wanted letters, digits, dots"),
        ({"catalogs": {"own": "zz"}}, NotFoundError, "snapshot 'zz' does not exist"),
        ({"maps": {"owm": "x.csv"}}, InputError, r"maps: found one for 'owm'; wanted the name of a catalog .* \(own\)"),
        ({"maps": {"own": "none.csv"}}, InputError, "none.csv: found no such file"),
        (
            {"systems": ["zz"]},
            NotFoundError,
            "systems: found 'zz', which no catalog has; the first catalog has mine, pca.* single-tags; catalog own has "
            "mine, pca",
        ),
        (
            {"systems": ["own/zz", "pca"]},
            NotFoundError,
            "systems: found 'own/zz', which that catalog lacks; catalog own has mine, pca",
        ),
        ({"systems": ["two/pca"]}, NotFoundError, "systems: found 'two/pca', which no catalog has"),
    ],
)
def test_a_wrong_catalog_says_what_is_wrong(
    halves: Halves, fields: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        figures(halves.home, **question(halves, **fields))


def test_a_map_of_other_ids_is_refused(halves: Halves, tmp_path: Path) -> None:
    path = tmp_path / "turned.csv"
    path.write_text("artist_id,other_artist_id\n" + "".join(f"{b},{a}\n" for a, b in halves.counterparts.items()))
    with pytest.raises(
        MismatchError, match="catalog own: found no pair in turned.csv whose artists both catalogs have"
    ):
        figures(halves.home, **question(halves, maps={"own": str(path)}))


def test_artists_that_no_catalog_learned_from_are_unseen(tmp_path: Path, halves: Halves) -> None:
    held = build_snapshot(
        Tables.open(halves.home.root.parent / "other"),
        SMALL_RECIPE.model_copy(update={"holdout": 0.3}),
        tmp_path / "snapshots",
    )
    row_of = {id: row for row, id in enumerate(held.artist_ids)}
    rows = np.array([row_of.get(halves.counterparts.get(id, ""), -1) for id in halves.first.artist_ids], np.int32)
    others = [JoinedCatalog("own", held, ArtistJoin(rows, "mbid"))]
    out = {held.artist_ids[row] for row in np.flatnonzero(held.holdout)}
    assert 20 < len(out) < 50
    everyone, nobody = np.ones(N, bool), np.zeros(N, bool)
    unseen = joined_holdout(everyone, others)
    assert unseen.tolist() == [halves.counterparts.get(id) in {None, *out} for id in halves.first.artist_ids]
    assert not joined_holdout(nobody, others).any()
    whole = [JoinedCatalog("own", halves.other, ArtistJoin(rows, "mbid"))]
    assert np.count_nonzero(joined_holdout(everyone, whole)) == ONLY_FIRST
    assert linked_artists(halves.first, others, {"own": []}) == set()


def test_artists_of_pairs_that_a_model_of_another_catalog_learned_from_are_seen(halves: Halves, tmp_path: Path) -> None:
    ids = list(halves.counterparts.values())[:60]
    pq.write_table(pa.table({"artist_id": ids[:30], "similar_id": ids[30:]}), tmp_path / "editorial.parquet")
    config = tmp_path / "short.toml"
    config.write_text('method = "cca"\n[supervision]\nmax_epochs = 1\n')
    arguments = ["--snapshot", halves.other.id, "--config", str(config), "--name", "linked"]
    as_json(halves.home, "train", *arguments, "--supervision", str(tmp_path / "editorial.parquet"))
    evaluation = figures(halves.home, **question(halves), systems=["pca", "own/linked"], conditions=["raw"])
    pairs = pq.read_table(halves.home.root.parent / "world" / "similar.parquet")
    queries = {*pairs["artist_id"].to_pylist(), *pairs["similar_id"].to_pylist()}
    linked = {id for id, other in halves.counterparts.items() if other in ids}
    assert [row["system"] for row in evaluation["unseen"]] == ["pca", "own/pca", "own/linked"]
    for row in evaluation["unseen"]:
        assert (row["seen"]["n_queries"], row["unseen"]["n_queries"]) == (len(queries & linked), len(queries - linked))

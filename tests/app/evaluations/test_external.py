"""Systems of other programs in an evaluation: the same figures as RIYL's own where they are the same vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riyl.core.errors import InputError, MismatchError, NotFoundError
from riyl.core.external.embeddings import read_embeddings
from riyl.core.settings import Home
from riyl.core.storage.embeddings import save_embeddings
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.evaluation.systems import fuse, model_parts
from tests.app.conftest import riyl
from tests.app.evaluations.figures import figures, systems


@pytest.fixture(scope="module")
def snapshot(home: Home) -> Snapshot:
    return Snapshot.open(next(home.snapshots.glob("[!.]*/manifest.json")).parent)


@pytest.fixture(scope="module")
def folder(home: Home, snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the embeddings and parts of the model `mine` as another program would."""
    folder = tmp_path_factory.mktemp("external") / "gnn"
    (folder / "parts").mkdir(parents=True)
    (model,) = (m for m in map(Model.open, (p.parent for p in home.models.glob("[!.]*/card.json"))) if m.name == "mine")
    parts = model_parts(model, snapshot)
    for name, part in parts.items():
        np.save(folder / "parts" / f"{name}.npy", part)
    (folder / "ids.txt").write_text("\n".join(snapshot.artist_ids) + "\n")
    np.save(folder.parent / "gnn.npy", fuse(parts)[0])
    return folder


def of_system(evaluation: dict[str, Any], section: str, system: str) -> list[dict[str, Any]]:
    return [{**row, "system": ""} for row in evaluation[section] if row["system"] == system]


@pytest.mark.parametrize("bias", [["none"], ["csls"], ["balanced"], ["none", "csls"]])
def test_the_same_vectors_have_the_same_figures_in_every_table(home: Home, folder: Path, bias: list[str]) -> None:
    conditions = ["raw", "fmc", "groups", "groups:raw-judged"]
    evaluation = figures(home, systems=["mine"], embeddings={"gnn": str(folder)}, conditions=conditions, bias=bias)
    for suffix in [f" [{each}]" for each in bias] if len(bias) > 1 else [""]:
        for section in ("results", "groups", "coherence", "popularity", "links"):
            mine, gnn = (of_system(evaluation, section, name + suffix) for name in ("mine", "gnn"))
            assert mine == gnn != []


def test_a_single_matrix_has_no_groups_and_no_coherence(home: Home, folder: Path) -> None:
    matrix = {"embeddings": {"gnn": f"{folder}.npy"}, "ids": {"": str(folder / "ids.txt")}}
    evaluation = figures(home, systems=["mine"], **matrix, conditions=["raw", "groups"], bias=["none"])
    assert of_system(evaluation, "results", "gnn") == of_system(evaluation, "results", "mine")
    assert of_system(evaluation, "groups", "gnn") == of_system(evaluation, "coherence", "gnn") == []
    (external,) = evaluation["external"]
    assert (external["modalities"], external["history"]) == ([], "unknown")
    assert evaluation["systems"][1]["history"] == "unknown"
    printed = riyl(
        *(home, "evaluate", "--systems", "mine", "--embeddings", f"gnn={folder}.npy", "--ids", str(folder / "ids.txt")),
        *("--conditions", "raw,groups", "-k", "10", "--rounds", "5", "--no-store"),
    )
    assert printed.exit_code == 0, printed.output
    assert "gnn: 60 rows: 60 of the catalog's 60 artists" in printed.stdout
    assert "not applicable" in printed.stdout


def test_stored_embeddings_are_named_by_their_id(home: Home, folder: Path) -> None:
    stored = save_embeddings(home.embeddings, "gnn", read_embeddings(folder), source="test")
    by_id, by_path = (
        figures(home, systems=["mine"], embeddings={"gnn": source}, bias=["none"])
        for source in (f"stored:{stored.id}", str(folder))
    )
    assert by_id["results"] == by_path["results"]
    with pytest.raises(NotFoundError):
        figures(home, systems=[], embeddings={"gnn": "stored:../gnn"})


def test_the_lists_of_a_system_as_a_run_have_its_figures(home: Home, tmp_path: Path) -> None:
    evaluated = tmp_path / "figures.json"
    printed = riyl(home, *("evaluate", "--systems", "mine", "-k", "59", "--rounds", "5", "--figures", str(evaluated)))
    assert printed.exit_code == 0, printed.output
    (stored,) = home.evaluations.glob("[!.]*/queries.parquet")
    table = pq.read_table(stored)
    rows = table.filter((pa.compute.field("condition") == "raw") & (pa.compute.field("system") == "mine"))
    pq.write_table(rows.select(["artist_id", "retrieved"]), tmp_path / "run.parquet")
    evaluation = figures(home, systems=["mine"], runs={"ready": str(tmp_path / "run.parquet")}, seen={"ready": "none"})
    mine, ready = ({r["condition"]: r for r in of_system(evaluation, "results", name)} for name in ("mine", "ready"))
    for condition in ("raw", "fmc"):
        assert ready[condition]["ndcg"] == mine[condition]["ndcg"]
        assert ready[condition]["precision"] == mine[condition]["precision"]
    assert evaluation["external"][0]["history"] == "fitted on no pairs"


def test_a_run_that_ends_before_a_depth_has_no_figures_at_it(home: Home, snapshot: Snapshot, tmp_path: Path) -> None:
    for name, length in (("eight", 8), ("twelve", 12)):
        lists = [[other for other in snapshot.artist_ids if other != artist][:length] for artist in snapshot.artist_ids]
        table = pa.table({"artist_id": list(snapshot.artist_ids), "retrieved": lists})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    runs = {name: str(tmp_path / f"{name}.parquet") for name in ("eight", "twelve")}
    evaluation = figures(home, systems=["mine"], runs=runs, conditions=["raw"], k=55)
    depths = {name: [row["depth"] for row in of_system(evaluation, "depths", name)] for name in ("mine", *runs)}
    assert depths == {"mine": [10, 50], "eight": [], "twelve": [10]}
    printed = riyl(
        home, *("evaluate", "--systems", "mine", "--run", f"eight={runs['eight']}", "-k", "20", "--rounds", "5")
    ).stdout
    eight = next(line for line in printed[printed.index("first lists of raw") :].splitlines() if "eight" in line)
    assert eight.split("  ")[0] == "eight"
    assert eight.count("not applicable") == 4


def test_queries_of_pairs_that_a_system_has_seen_are_reported_apart(home: Home, folder: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("artist_id,similar_id\na000,a003\na006,a009\n")
    evaluation = figures(home, systems=["mine"], embeddings={"gnn": str(folder)}, seen={"gnn": str(pairs)})
    (raw, _) = of_system(evaluation, "unseen", "gnn")
    total = of_system(evaluation, "results", "gnn")[0]["queries"]
    assert 0 < raw["seen"]["n_queries"] <= 4
    assert raw["seen"]["n_queries"] + raw["unseen"]["n_queries"] == total
    assert of_system(evaluation, "unseen", "mine") == []
    assert evaluation["external"][0]["history"] == "fitted on 2 pairs"


def test_queries_and_candidates_are_limited_in_every_condition(home: Home, snapshot: Snapshot, tmp_path: Path) -> None:
    (tmp_path / "queries.txt").write_text("a000\na003\na006\n")
    (tmp_path / "candidates.txt").write_text("\n".join(snapshot.artist_ids[10:]))
    limits = {"queries": str(tmp_path / "queries.txt"), "candidates": str(tmp_path / "candidates.txt")}
    evaluation = figures(home, systems=["mine"], **limits)
    having = snapshot.having()
    (raw, _) = evaluation["conditions"]
    assert raw["artists"] == int(having[10:].sum())
    assert raw["queries"] + raw["without_links"] == int(having[[0, 3, 6]].sum())


def test_the_filled_projection_is_measured_with_groups(home: Home) -> None:
    evaluation = figures(home, systems=["mine", "random-projection-sklearn"], conditions=["raw", "groups"])
    assert systems(evaluation)[:2] == ["mine", "random-projection-sklearn"]
    (group,) = of_system(evaluation, "groups", "random-projection-sklearn")
    assert 0 < group["ndcg"]["mean"] <= 1


def test_missing_seeds_are_trained_and_reported_over(home: Home) -> None:
    evaluation = figures(home, systems=["random-projection", "pca"], seeds=3)
    names = ["random-projection", "random-projection (seed 1)", "random-projection (seed 2)", "pca"]
    assert systems(evaluation)[:4] == names
    raw = evaluation["seeds"][0]
    ndcg = [row["ndcg"] for row in evaluation["results"] if row["condition"] == "raw" and row["system"] in names[:3]]
    assert (raw["system"], raw["seeds"]) == ("random-projection", [0, 1, 2])
    assert raw["ndcg"]["mean"] == pytest.approx(np.mean(ndcg), abs=1e-12)
    assert raw["ndcg"]["deviation"] == pytest.approx(np.std(ndcg, ddof=1), abs=1e-12)


def test_seeds_have_the_first_ranks_too(home: Home) -> None:
    evaluation = figures(home, systems=["random-projection"], seeds=2, k=20, conditions=["raw"])
    (over,) = evaluation["seeds"]
    (at_ten,) = over["depths"]
    rows = [row for row in evaluation["depths"] if row["system"].startswith("random-projection")]
    assert (at_ten["depth"], len(rows), len(over["seeds"])) == (10, 2, 2)
    for name in ("ndcg", "gini", "never_retrieved"):
        values = [row[name] for row in rows]
        assert at_ten[name]["mean"] == pytest.approx(np.mean(values), abs=1e-12)
        assert at_ten[name]["deviation"] == pytest.approx(np.std(values, ddof=1), abs=1e-12)


@pytest.mark.parametrize(
    ("question", "error", "message"),
    [
        ({"bias": ["hub"]}, InputError, "bias: found hub; wanted some of own, none, csls, balanced, each once"),
        ({"bias": ["csls", "csls"]}, InputError, "bias: found csls, csls; wanted some of"),
        ({"seen": {"gnn": "none"}}, InputError, "seen: found 'gnn'; wanted one of the systems named"),
        ({"ids": {"x": "ids.txt"}}, InputError, "ids: found 'x'; wanted one of the systems named"),
        ({"embeddings": {"gnn": "gone.npy"}}, InputError, "gone.npy"),
        ({"embeddings": {"a": "x"}, "runs": {"a": "y"}}, InputError, "found the names a, a; wanted each once"),
        ({"conditions": ["groups:none"]}, InputError, "found only groups"),
        ({"conditions": ["raw", "groups:none"]}, InputError, "conditions: found 'none'; wanted raw, fmc"),
        ({"queries": "gone.txt"}, InputError, "gone.txt: found no such file"),
    ],
)
def test_a_wrong_question_says_what_is_wrong(
    home: Home, question: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        figures(home, systems=["mine"], **question)


def test_embeddings_of_other_artists_are_an_error(home: Home, tmp_path: Path) -> None:
    table = pa.table({"artist_id": ["x"], "vector": [[1.0, 0.0]]})
    pq.write_table(table, tmp_path / "other.parquet")
    with pytest.raises(MismatchError, match="none of the catalog"):
        figures(home, systems=[], embeddings={"other": str(tmp_path / "other.parquet")})

"""Tests of models that were trained on pairs of similar artists, from `riyl train` to `riyl evaluate`."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from riyl.app.cli import app
from riyl.core.catalog.tables import Tables
from riyl.core.errors import InputError
from riyl.core.settings import Home
from riyl.core.storage.ground_truth import save_truth
from riyl.training.features.build import build_snapshot, import_similar
from tests.app.conftest import as_json, riyl
from tests.app.evaluations.figures import figures
from tests.conftest import SMALL_RECIPE, small_world


def test_queries_outside_the_links_of_a_model_are_reported_apart(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    tables = Tables.open(small_world(home.root / "tables"))
    build_snapshot(tables, SMALL_RECIPE, home.snapshots)
    import_similar(tables, home.truths)
    pairs = pq.read_table(home.root / "tables" / "similar.parquet")
    editorial_pairs = pairs.filter(pc.less(pairs["similar_id"], "a040"))
    pq.write_table(editorial_pairs, tmp_path / "editorial.parquet")
    config = tmp_path / "short.toml"
    config.write_text('method = "cca"\n[supervision]\nmax_epochs = 1\n')
    arguments = ["train", "--config", str(config), "--supervision", str(tmp_path / "editorial.parquet")]
    card = as_json(home, *arguments)
    assert (card["name"], card["supervision"]["relations"][0]["name"]) == ("short-supervised", "editorial")
    assert [path.name for path in home.truths.iterdir()] == [figures(home, systems=["pca"])["truth"]["id"]]
    assert figures(home, systems=["pca"])["unseen"] == []
    rows = figures(home, systems=["short-supervised", "pca"], conditions=["raw"])["unseen"]
    paired_artists = {*pairs["artist_id"].to_pylist(), *pairs["similar_id"].to_pylist()}
    linked = {*editorial_pairs["artist_id"].to_pylist(), *editorial_pairs["similar_id"].to_pylist()}
    assert [row["system"] for row in rows] == ["short-supervised", "pca"]
    for row in rows:
        assert (row["seen"]["n_queries"], row["unseen"]["n_queries"]) == (len(linked), len(paired_artists - linked))
    shown = riyl(home, "evaluate", "--systems", "short-supervised,pca", "-k", "10").stdout
    assert f"({len(paired_artists - linked):,})" in shown


def test_queries_outside_of_several_relations_are_reported_apart(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    tables = Tables.open(small_world(home.root / "tables"))
    build_snapshot(tables, SMALL_RECIPE, home.snapshots)
    pairs = pq.read_table(home.root / "tables" / "similar.parquet")
    first, second = (
        pairs.filter(pc.less(pairs["similar_id"], "a030")),
        pairs.filter(pc.and_(pc.greater(pairs["artist_id"], "a020"), pc.less(pairs["similar_id"], "a045"))),
    )
    save_truth(home.truths, "first", first, directed=False, source="test")
    save_truth(home.truths, "similar", pairs, directed=False, source="test")  # the newest, on which to evaluate
    pq.write_table(second, tmp_path / "second.parquet")
    config = tmp_path / "short.toml"
    config.write_text('method = "cca"\n[supervision]\nmax_epochs = 1\n')
    arguments = ["train", "--config", str(config), "--supervision", "first", "--supervision"]
    card = as_json(home, *arguments, f"{tmp_path / 'second.parquet'}=0.5")
    weights = {relation["name"]: relation["weight"] for relation in card["supervision"]["relations"]}
    assert weights == {"first": 1.0, "second": 0.5}
    linked, paired = (
        {artist for table in tables for name in ("artist_id", "similar_id") for artist in table[name].to_pylist()}
        for tables in ([first, second], [pairs])
    )
    assert card["supervision"]["artists"] == len(linked)
    (row,) = figures(home, systems=["short-supervised"], conditions=["raw"])["unseen"]
    assert (row["seen"]["n_queries"], row["unseen"]["n_queries"]) == (len(linked), len(paired - linked))
    assert len(paired - linked) > 0
    printed = riyl(home, "models", "show", "short-supervised").stdout
    assert f"  supervision: artists {len(linked)}, pairs " in printed
    assert f"): weight 0.5, {second.num_rows} pairs, 0 pairs with unknown artists\n" in printed


def test_seeds_of_a_model_are_those_of_the_same_relations_and_weights(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    tables = Tables.open(small_world(home.root / "tables"))
    build_snapshot(tables, SMALL_RECIPE, home.snapshots)
    import_similar(tables, home.truths)
    pairs = pq.read_table(home.root / "tables" / "similar.parquet")
    pq.write_table(pairs.slice(0, 60), tmp_path / "near.parquet")
    config = tmp_path / "short.toml"
    config.write_text('method = "cca"\n[supervision]\nmax_epochs = 1\n')
    trained = {
        (seed, weight): as_json(
            home,
            *("train", "--config", str(config), "--seed", str(seed)),
            *("--supervision", "similar", "--supervision", f"{tmp_path / 'near.parquet'}={weight}"),
        )["id"]
        for seed, weight in ((1, 2), (1, 0.5), (0, 0.5))
    }
    assert len(set(trained.values())) == 3
    (over,) = figures(home, systems=[trained[0, 0.5]], conditions=["raw"], seeds=2)["seeds"]
    assert over["seeds"] == [0, 1]
    with pytest.raises(InputError, match="seeds: found 1 of short-supervised, .* wanted 2: train the others"):
        figures(home, systems=[trained[1, 2]], conditions=["raw"], seeds=2)


def test_links_are_a_file_or_a_truth(tmp_path: Path) -> None:
    for named, message in (
        ("no.csv", "supervision: found no file no.csv"),
        ("nothing", "there is no truth 'nothing'"),
        ("nothing=0.5", "there is no truth 'nothing'"),
        ("similar=0", "supervision: found weight '0' of similar; wanted a number from 1e-06 to 1e+06"),
    ):
        done = CliRunner().invoke(app, ["--home", str(tmp_path / "home"), "train", "--supervision", named])
        assert done.exit_code != 0
        assert message in done.output + str(done.exception)

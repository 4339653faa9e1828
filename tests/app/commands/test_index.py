from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.db.session import Database
from riyl.core.errors import FormatError, InputError, MismatchError, NotFoundError, NothingKnownError
from riyl.core.settings import Settings
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.index.versions.lifecycle import current, history
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot
from riyl.training.train import train
from tests.app.conftest import as_json, riyl
from tests.conftest import SMALL_RECIPE, small_world, write_tables
from tests.index.conftest import MBID, write_world
from tests.training.features.others import world_of_strangers


def fit(home: Path, method: str) -> Model:
    snapshot = Snapshot.open(next((home / "snapshots").glob("[!.]*")))
    return train(*load_config(method), snapshot, home / "models")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a home with a snapshot, two models, and the promoted version of the first model."""
    folder = tmp_path_factory.mktemp("home")
    build_snapshot(Tables.open(write_world(folder / "tables")), SMALL_RECIPE, folder / "snapshots")
    first = fit(folder, "pca")
    fit(folder, "random-projection")
    assert "current" in riyl(folder, "index", "build", "--promote", "--model", first.id).stdout
    return folder


def test_build_shows_counts_and_the_gate(home: Path) -> None:
    printed = riyl(home, "index", "build", "--model", fit(home, "pca").id).stdout
    assert "59 of 60 artists embedded by pca; ready" in printed
    assert "without embedding 1: no input" in printed
    assert printed.count("  ok ") == 7
    assert "recall@10 of the Faiss index: 1 (at least 0.99)" in printed


def test_the_life_of_versions_by_the_command_line(home: Path) -> None:
    first = current(home / "versions")
    second = as_json(home, "index", "build", "--model", fit(home, "random-projection").id)["id"]
    assert current(home / "versions") == first
    as_json(home, "index", "promote", second[:8], "--why", "a try")
    assert [(m["id"], m["current"]) for m in as_json(home, "index", "list")] == [(first, False), (second, True)]
    table = riyl(home, "index", "list").stdout
    assert "59 of 60" in table
    assert "ready" in table
    assert as_json(home, "index", "rollback", "--why", "no better")["version"] == first
    last = history(Database.of(Settings(home=home)))[-2:]
    assert [(e.version, e.act, e.why) for e in last] == [(second, "promote", "a try"), (first, "rollback", "no better")]
    assert all(e.by for e in last)
    assert as_json(home, "index", "verify") == {first: None, second: None}
    assert f"version {first}: intact" in riyl(home, "index", "verify", str(first)).stdout
    assert as_json(home, "index", "prune", "--keep", "0") == [second]


def test_verify_fails_where_a_version_is_damaged(home: Path) -> None:
    path = home / "versions" / str(current(home / "versions")) / "plays.npy"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(FormatError, match="found 1 of 1 versions damaged"):
        riyl(home, "index", "verify")
    path.write_bytes(data)


@pytest.mark.parametrize("artist", ["Radiohead", "radiohead", "a001", MBID, "On a Friday", "the Rádiohead!"])
def test_similar_takes_a_name_an_id_or_an_mbid(home: Path, artist: str) -> None:
    output = as_json(home, "similar", artist, "-k", "4")
    assert output["version"] == current(home / "versions")
    assert output["artist"] == {"id": "a001", "name": "Radiohead", "modalities": ["audio", "cf", "tags"]}
    assert [line["rank"] for line in output["similar"]] == [1, 2, 3, 4]
    assert all(int(line["id"][1:]) % 3 == 1 for line in output["similar"])
    printed = riyl(home, "similar", artist, "-k", "4").stdout
    assert "similar to Radiohead (a001; audio, cf, tags)" in printed
    assert f"{output['similar'][0]['score']:.4f}" in printed


def test_similar_says_why(home: Path) -> None:
    plain = as_json(home, "similar", "a001", "-k", "4")["similar"]
    for line, without in zip(as_json(home, "similar", "a001", "-k", "4", "--explain")["similar"], plain, strict=True):
        why = line.pop("why")
        assert line == without
        shares = sum(pair["share"] for pair in why["pairs"])
        assert shares + why["hubness"] + why["calibration"] == pytest.approx(line["score"], abs=1e-5)
    printed = riyl(home, "similar", "a001", "-k", "4", "--explain").stdout
    assert "why" in printed
    assert f"{max(pair['share'] for pair in why['pairs']):+.2f}" in printed


def test_a_name_is_shown_as_it_is(home: Path) -> None:
    shown = riyl(home, "similar", "a014", "-k", "60").stdout
    assert "[/red] herring [bold]" in shown


@pytest.mark.parametrize(
    ("artist", "error", "message"),
    [
        (
            "aurora",
            InputError,
            r"several artists are called 'aurora'; name one by its id: Aurora \(a005, .*, AURORA \(a006, ",
        ),
        (
            "radiohed",
            NotFoundError,
            r"no artist 'radiohed' in version \w+; similar names: Radiohead \(a001, \d+ listeners\)",
        ),
        ("zzzzzzz", NotFoundError, r"there is no artist 'zzzzzzz' in version \w+$"),
        ("nobody knows", NothingKnownError, r"Nobody Knows \(a059\) has no embedding"),
    ],
)
def test_similar_says_why_it_cannot(home: Path, artist: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        riyl(home, "similar", artist)


def test_similar_without_a_version_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="make one with: riyl index build --promote"):
        riyl(tmp_path, "similar", "Björk")


def test_building_without_a_model_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no model in .*; make one with: riyl train"):
        riyl(tmp_path, "index", "build")


def test_neighbours_are_exported(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "n.parquet"
    assert as_json(home, "export", "neighbours", "--out", str(out), "--k", "5") == {
        "file": str(out),
        "version": current(home / "versions"),
        "artists": 60,
        "lists": 59,
    }
    table = pq.read_table(out)
    assert {field.name: str(field.type) for field in table.schema} == {
        "artist_id": "string",
        "rank": "int32",
        "similar_id": "string",
        "score": "float",
    }
    assert table.num_rows == 59 * 5
    first = as_json(home, "similar", "a000", "-k", "5")["similar"]
    rows = [row for row in table.to_pylist() if row["artist_id"] == "a000"]
    assert [(r["rank"], r["similar_id"], r["score"]) for r in rows] == [(r["rank"], r["id"], r["score"]) for r in first]


def test_an_export_keeps_the_artists_that_have_and_that_are_listed(home: Path, tmp_path: Path) -> None:
    out, only = tmp_path / "n.parquet", tmp_path / "only.txt"
    only.write_text("a000\r\na001\na004\n\na002", encoding="utf-8")
    riyl(home, "export", "neighbours", "--out", str(out), "--having", "tags, cf", "--only", str(only))
    table = pq.read_table(out)
    assert set(table.column("artist_id").to_pylist()) == set(table.column("similar_id").to_pylist())
    assert set(table.column("artist_id").to_pylist()) == {"a000", "a001", "a002"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "x.csv"], "--out: found 'x.csv'; wanted a name that ends in .parquet"),
        (["--out", "x.parquet", "--having", "smell"], "found smell; wanted some of audio, cf, tags"),
        (["--out", "x.parquet", "--only", "absent.txt"], "absent.txt: found no such file"),
    ],
)
def test_a_wrong_export_says_what_is_wrong(home: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        riyl(home, "export", "neighbours", *arguments)


def test_left_to_itself_it_takes_the_newest_snapshot_that_fits_the_model(tmp_path: Path) -> None:
    first = build_snapshot(Tables.open(write_world(tmp_path / "one")), SMALL_RECIPE, tmp_path / "snapshots")
    model = fit(tmp_path, "pca")
    later = small_world(tmp_path / "later", n=50)
    output = riyl(tmp_path, "snapshot", "build", str(later), "--featurizer-from", first.id).stdout
    build_snapshot(Tables.open(small_world(tmp_path / "other", seed=4)), SMALL_RECIPE, tmp_path / "snapshots")
    built = as_json(tmp_path, "index", "build", "--model", model.id)
    assert f"snapshot {built['snapshot']}:" in output
    assert built["counts"]["artists"] == 50


def test_a_catalog_of_strangers_is_placed_built_and_exported(tmp_path: Path) -> None:
    first = build_snapshot(Tables.open(write_world(tmp_path / "one")), SMALL_RECIPE, tmp_path / "snapshots")
    fit(tmp_path, "pca")
    folder = world_of_strangers(tmp_path / "t")
    keep = ("snapshot", "build", str(folder), "--featurizer-from", first.id)
    output = riyl(tmp_path, *keep).stdout
    assert "audio: not in the tables, so no artist has it" in output
    assert "cf: the kept featurizer knows none of the tables' values, so no artist has it" in output
    write_tables(folder, bio={"artist_id": ["a000"], "vector": [[1.0]]})
    with pytest.raises(MismatchError, match="the tables also have bio"):
        riyl(tmp_path, *keep)
    assert "bio: omitted, because the kept featurizer lacks it" in riyl(tmp_path, *keep, "--pass-over", "bio").stdout
    assert riyl(tmp_path, "snapshot", "build", str(folder), "--pass-over", "bio").exit_code == 2
    assert "48 of 60 artists embedded by pca; current" in riyl(tmp_path, "index", "build", "--promote").stdout
    assert len(as_json(tmp_path, "similar", "a000", "-k", "4")["similar"]) == 4
    out = tmp_path / "e.parquet"
    riyl(tmp_path, "export", "embeddings", "--out", str(out))
    rows = pq.read_table(out).to_pylist()
    assert [row["modalities"] for row in rows[:5]] == [["tags"]] * 4 + [[]]
    assert [row["vector"] is None for row in rows[:5]] == [False] * 4 + [True]

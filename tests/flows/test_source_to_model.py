"""Flow A of the design, as a user runs it: tables, snapshot, model, figures, each by the command line."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest

from riyl.core.catalog.tables import Tables
from tests.commands import run
from tests.conftest import small_world, write_tables


def riyl(home: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    done = run(["--home", str(home), *arguments], {**os.environ, "RIYL_THREADS": "1"}, home.parent)
    assert done.returncode == code, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def as_json(home: Path, *arguments: str) -> Any:
    return json.loads(riyl(home, "--json", *arguments).stdout)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home in which the demo ran on the small world."""
    base = tmp_path_factory.mktemp("flow")
    small_world(base / "catalog")
    done = riyl(base / "home", "demo", "--no-serve", str(base / "catalog"))
    assert "default" in done.stdout
    return base / "home"


def test_demo_prints_every_system_in_both_conditions_with_the_protocol(home: Path) -> None:
    out = riyl(home, "demo", "--no-serve", str(home.parent / "catalog")).stdout
    for system in ("default", "pca", "random-projection", "single-tags", "single-cf", "single-audio", "noise"):
        # in the table of each condition, and in that of its first lists
        assert sum(line.startswith(f"{system} ") for line in out.splitlines()) == 4, system
    assert "raw: 59 artists" in out
    assert "fmc: 41 artists" in out
    assert "Each artist's list holds the 200 other artists" in out


def test_the_demo_stores_what_it_printed_once(home: Path) -> None:
    out = riyl(home, "demo", "--no-serve", str(home.parent / "catalog")).stdout
    (stored,) = as_json(home, "evaluations", "list")
    assert (stored["by"], stored["truth_name"]) == ("demo", "similar")
    assert f"stored as evaluation {stored['id']}" in out
    for row in as_json(home, "evaluations", "show", stored["id"])["figures"]["results"]:
        interval = f"{row['ndcg']:.4f} [{row['ndcg_low']:.4f}, {row['ndcg_high']:.4f}]"
        assert any(line.startswith(f"{row['system']} ") and interval in line for line in out.splitlines()), row


def test_demo_run_again_reuses_what_is_there(home: Path) -> None:
    before = {path: path.stat().st_ino for path in home.rglob("*.onnx")}
    assert before
    riyl(home, "demo", "--no-serve", str(home.parent / "catalog"))
    assert {path: path.stat().st_ino for path in home.rglob("*.onnx")} == before


def test_the_demo_asked_for_once_leaves_what_is_current(tmp_path: Path) -> None:
    tables = small_world(tmp_path / "catalog")
    riyl(tmp_path / "home", "demo", "--no-serve", "--once", str(tables))
    versions = as_json(tmp_path / "home", "index", "list")
    assert [version["current"] for version in versions] == [True]
    again = riyl(tmp_path / "home", "demo", "--no-serve", "--once", str(small_world(tmp_path / "other", seed=1))).stdout
    assert again == f"version   {versions[0]['id']}: current\n"
    assert as_json(tmp_path / "home", "index", "list") == versions


def test_the_demo_takes_the_tables_that_are_set_and_a_reindex_takes_them_too(tmp_path: Path) -> None:
    tables = small_world(tmp_path / "catalog", n=40)
    done = subprocess.run(
        [Path(sys.executable).parent / "riyl", "--home", tmp_path / "home", "demo", "--no-serve"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "RIYL_THREADS": "1", "RIYL_TABLES": str(tables)},
    )
    assert "catalog: 40 artists" in done.stdout
    (fixed,) = (tmp_path / "home" / "frozen_tables").glob("[!.]*")
    assert Tables.open(fixed).digests() == Tables.open(tables).digests()


def test_figures_say_what_was_run_on_what(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    printed = as_json(home, "evaluate", "--systems", "default,pca", "-k", "10", "--figures", str(file), "--no-store")
    assert json.loads(file.read_text()) == printed
    assert [r["system"] for r in printed["results"]] == ["default", "pca", "noise", "popularity"] * 2
    assert printed["snapshot"] == as_json(home, "snapshot", "list")[0]["id"]
    assert set(printed["models"]) == {"default", "pca"}
    noise = next(r for r in printed["results"] if r["system"] == "noise")
    assert printed["results"][0]["ndcg"] > 2 * noise["ndcg"]


def test_a_condition_may_be_a_file_of_ids(home: Path, tmp_path: Path) -> None:
    ids = tmp_path / "mine.txt"
    ids.write_text("\n".join(f"a{i:03d}" for i in range(30)))
    printed = as_json(home, "evaluate", "--systems", "pca", "--conditions", str(ids), "--no-store")
    assert {(r["condition"], r["artists"]) for r in printed["results"]} == {("mine", 30)}
    ids.write_text("a000\nnobody\n")
    wrong = riyl(home, "evaluate", "--systems", "pca", "--conditions", str(ids), code=1)
    assert "found 1 ids that snapshot" in wrong.stderr
    assert "the first is 'nobody'" in wrong.stderr


def test_embeddings_are_exported_whole(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "e.parquet"
    riyl(home, "export", "embeddings", "--model", as_json(home, "train")["id"], "--out", str(file))
    table = pq.read_table(file)
    assert table.column("artist_id").to_pylist() == [f"a{i:03d}" for i in range(60)]
    vectors = table.column("vector").to_pylist()
    assert vectors[59] is None
    np.testing.assert_allclose([np.linalg.norm(v) for v in vectors[:59]], 1.0, atol=1e-5)
    assert table.column("modalities").to_pylist()[4] == ["audio", "cf"]


def test_another_basis_over_the_same_tables_stands_in_the_same_table(home: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "tfidf.toml"
    recipe.write_text('[tags]\nweighting = "tfidf"\n')
    first = as_json(home, "snapshot", "list")[0]["id"]
    other = as_json(home, "snapshot", "build", str(home.parent / "catalog"), "--features", str(recipe))["id"]
    model = as_json(home, "train", "--config", "single-tags", "--name", "tfidf", "--snapshot", other)
    printed = as_json(home, "evaluate", "--snapshot", first, "--systems", f"single-tags,{model['id']}", "--no-store")
    assert [r["system"] for r in printed["results"]][:2] == ["single-tags", f"tfidf ({other})"]
    riyl(home, "snapshot", "build", str(home.parent / "catalog"))  # the newest again, for the other tests


def test_a_truth_is_imported_listed_and_used(home: Path, tmp_path: Path) -> None:
    pairs = (
        write_tables(tmp_path, mine={"artist_id": ["a000", "a000"], "similar_id": ["a003", "a000"]}) / "mine.parquet"
    )
    truth = as_json(home, "truth", "import", str(pairs), "--directed")
    assert truth["counts"] == {"pairs": 1, "self_pairs": 1, "double_pairs": 0}
    assert "mine" in [t["name"] for t in as_json(home, "truth", "list")]
    printed = as_json(home, "evaluate", "--truth", "mine", "--systems", "pca", "--conditions", "raw", "--no-store")
    assert {r["queries"] for r in printed["results"]} == {1}


def test_a_model_of_other_tables_is_refused_naming_both(home: Path, tmp_path: Path) -> None:
    small_world(tmp_path / "other", seed=5)
    old = as_json(home, "snapshot", "list")[-1]
    new = as_json(home, "snapshot", "build", str(tmp_path / "other"))
    model = as_json(home, "train", "--config", "pca", "--snapshot", old["id"])["id"]
    wrong = riyl(home, "evaluate", "--snapshot", new["id"], "--systems", model, code=1)
    assert old["featurizer"] in wrong.stderr
    assert new["featurizer"] in wrong.stderr
    riyl(home, "snapshot", "build", str(home.parent / "catalog"))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["snapshot", "build", "nowhere"], 1, "error: nowhere: found no such folder; wanted a folder of tables"),
        (["evaluate"], 1, "there is no snapshot in"),
        (["export", "embeddings", "--out", "x.csv"], 1, "wanted a name that ends in .parquet"),
        (["train", "--config", "nothing"], 1, "found no config 'nothing'"),
        (["train", "--device", "abacus"], 2, "abacus"),
        (["sing"], 2, "No such command"),
        (["data", "tables", "nothing", "out"], 1, "there is no dataset 'nothing'"),
    ],
)
def test_misuse_is_one_clear_line(tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    wrong = riyl(tmp_path / "home", *arguments, code=code)
    assert message in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    wrong = riyl(tmp_path / "home", "--debug", "snapshot", "build", "nowhere", code=1)
    assert "Traceback" in wrong.stderr


def test_a_setting_that_does_not_parse_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIYL_LOG_LEVEL", "loud")
    assert "RIYL_LOG_LEVEL" in riyl(tmp_path / "home", "snapshot", "list", code=2).stderr


def test_the_demo_ends_in_three_answers_and_a_served_catalog(home: Path) -> None:
    command = [Path(sys.executable).parent / "riyl", "--home", home, "demo", "--port", str(_free_port())]
    with subprocess.Popen([*command, home.parent / "catalog"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Serving at"):
                break
        address = lines[-1].split()[2].rstrip(",")
        assert httpx.get(f"{address}/v1/artists/a000/similar?k=3").json()["artist"]["id"] == "a000"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    assert sum(line.startswith("GET /v1/artists/") for line in lines) == 3


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])

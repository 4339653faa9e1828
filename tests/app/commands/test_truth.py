"""Tests of `riyl truth`: messages and errors of imports, and the list."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp

from riyl.core.errors import InputError, NotFoundError
from riyl.core.settings import Home
from riyl.core.storage.ground_truth import truths
from riyl.core.storage.snapshot import Snapshot
from tests.app.conftest import as_json, riyl

CSV = "artist_id,similar_id\na000,a003\na003,a000\na001,a001\na001,a004\na002,nobody\n"


@pytest.fixture
def home(snapshot: Snapshot, tmp_path: Path) -> Path:
    """Create a home with the small world's snapshot, artists a000 to a059."""
    shutil.copytree(snapshot.folder, tmp_path / "home" / "snapshots" / snapshot.id)
    return tmp_path / "home"


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "mine.csv"
    path.write_text(CSV)
    return path


def test_an_import_says_what_it_left_out_and_what_the_snapshot_does_not_know(
    home: Path, pairs: Path, snapshot: Snapshot
) -> None:
    done = riyl(home, "truth", "import", str(pairs))
    (identity,) = truths(Home(home).truths)
    assert done.stdout.splitlines() == [
        f"truth mine {identity}: 3 pairs of 6 artists, undirected; skipped 1 of an artist with itself and 1 duplicates",
        f"  snapshot {snapshot.id} has 2 pairs; lacks 1 pairs, 1 artists, such as nobody",
    ]
    assert done.stderr == ""


def test_for_a_program_it_says_the_same_as_json(home: Path, pairs: Path, snapshot: Snapshot) -> None:
    output = as_json(home, "truth", "import", str(pairs), "--directed", "--name", "editors")
    assert (output["name"], output["directed"], output["counts"]["double_pairs"]) == ("editors", True, 0)
    assert output["known"] == {
        "snapshot": snapshot.id,
        "pairs": 3,
        "unknown_pairs": 1,
        "artists": 5,
        "unknown_artists": 1,
        "examples": ["nobody"],
    }
    assert output["warning"] is None


def test_an_import_that_the_snapshot_knows_nothing_of_is_kept_and_warned_of(home: Path, tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("artist_id\tsimilar_id\nx\ty\na000\tx\n")
    for json_ in ([], ["--json"]):
        done = riyl(home, *json_, "truth", "import", str(tmp_path / "t.tsv"))
        assert done.exit_code == 0
        assert "warning: snapshot " in done.stderr
        assert "has both artists of none of the pairs: nothing can be measured" in done.stderr
    assert json.loads(done.stdout)["warning"] in done.stderr
    assert len(truths(Home(home).truths)) == 1


def test_without_a_snapshot_it_is_kept_and_said(pairs: Path, tmp_path: Path) -> None:
    done = riyl(tmp_path / "empty", "truth", "import", str(pairs))
    assert done.stdout.endswith("  there is no snapshot yet to look for the artists in\n")
    assert as_json(tmp_path / "empty", "truth", "import", str(pairs))["known"] is None
    assert [t["known_pairs"] for t in as_json(tmp_path / "empty", "truth", "list")] == [None]


def test_another_snapshot_may_be_named_and_must_be_there(home: Path, pairs: Path, snapshot: Snapshot) -> None:
    done = riyl(home, "truth", "import", str(pairs), "--snapshot", snapshot.id[:6])
    assert f"snapshot {snapshot.id} has 2 pairs" in done.stdout
    with pytest.raises(NotFoundError, match="snapshot 'zz' does not exist"):
        riyl(home, "truth", "import", str(pairs), "--snapshot", "zz", "--name", "other")
    assert len(truths(Home(home).truths)) == 1


def test_a_graph_is_imported_with_the_ids_named_or_beside_it(home: Path, tmp_path: Path) -> None:
    graph = tmp_path / "artist_connections.npz"
    sp.save_npz(graph, sp.csr_matrix(np.triu(np.ones((3, 3), np.bool_), 1)))
    with pytest.raises(InputError, match=r"found neither ids of its rows nor olga\.csv beside it; wanted one of them"):
        riyl(home, "truth", "import", str(graph))
    assert truths(Home(home).truths) == {}
    (tmp_path / "ids.txt").write_text("a000\na001\nzz\n")
    named = riyl(home, "truth", "import", str(graph), "--ids", str(tmp_path / "ids.txt")).stdout
    assert "3 pairs of 3 artists" in named
    assert "has 1 pairs; lacks 2 pairs, 1 artists, such as zz" in named
    (tmp_path / "olga.csv").write_text("index,musicbrainz_id,partition\n0,A000,train\n1,a001,val\n2,a002,test\n")
    assert "has 3 pairs; lacks 0 pairs, 0 artists\n" in riyl(home, "truth", "import", str(graph)).stdout


def test_a_similar_table_of_a_catalog_is_a_file_of_pairs(home: Path, world: Path) -> None:
    done = riyl(home, "truth", "import", str(world / "similar.parquet"))
    (manifest,) = truths(Home(home).truths).values()
    assert isinstance(manifest, dict)
    assert manifest["counts"]["pairs"] == pq.read_metadata(world / "similar.parquet").num_rows
    assert f"has {manifest['counts']['pairs']:,} pairs; lacks 0 pairs, 0 artists" in done.stdout


def test_the_list_shows_how_many_pairs_the_newest_snapshot_knows(home: Path, pairs: Path) -> None:
    riyl(home, "truth", "import", str(pairs))
    assert [t["known_pairs"] for t in as_json(home, "truth", "list")] == [2]
    head, line = riyl(home, "truth", "list").stdout.splitlines()[1:]
    assert head.split() == ["name", "id", "pairs", "known", "kind"]
    assert line.split()[2:] == ["3", "2", "undirected"]


def test_the_real_similar_table_is_imported_whole(real_data: Path, tmp_path: Path) -> None:
    done = riyl(tmp_path, "--json", "truth", "import", str(real_data / "olga-artists" / "similar.parquet"))
    assert json.loads(done.stdout)["counts"] == {"pairs": 51_674, "self_pairs": 0, "double_pairs": 0}

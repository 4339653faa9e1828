"""Tests of a home of an earlier release: its errors, and its use once its derived folders are rebuilt."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from riyl.core.settings import Home
from riyl.index.artifact.version import Version
from tests.app.conftest import as_json, riyl
from tests.conftest import REPOSITORY, small_world

ARTIFACTS = REPOSITORY / "tests" / "artifacts"


def place(artifact: str, folder: Path) -> str:
    """Copy a manifest of an earlier release into a home, under its own id."""
    (source,) = (ARTIFACTS / artifact).iterdir()
    identity = str(json.loads(source.read_bytes())["id"])
    (folder / identity).mkdir(parents=True)
    shutil.copy(source, folder / identity)
    return identity


@pytest.fixture
def old(tmp_path: Path) -> Home:
    """Create a home whose snapshot, model and version are of an earlier release."""
    home = Home(tmp_path / "home")
    place("snapshot-1", home.snapshots)
    place("model-1", home.models)
    place("version-2", home.versions)
    return home


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("train", "--config", "pca"), "make it anew with: riyl snapshot build TABLES"),
        (("index", "build"), "train it anew with: riyl train"),
        (("index", "promote", "8a1d64f77312fe9e"), "build it anew with: riyl index build --promote"),
    ],
)
def test_what_is_older_is_refused_in_one_line_with_what_to_run(
    old: Home, arguments: tuple[str, ...], remedy: str
) -> None:
    with pytest.raises(Exception, match=f"of an earlier release; this RIYL reads format [^:]*: {remedy}"):
        riyl(old, *arguments)


def test_lists_show_what_cannot_be_read_and_why(old: Home) -> None:
    (snapshot,) = as_json(old, "snapshot", "list")
    assert "of an earlier release" in snapshot["unreadable"]
    (version,) = as_json(old, "index", "list")
    assert (version["id"], "format 2, of an earlier release" in version["unreadable"]) == ("8a1d64f77312fe9e", True)
    assert "unreadable" in riyl(old, "index", "list").stdout


def test_what_is_made_anew_works_beside_what_is_older(old: Home, tmp_path: Path) -> None:
    tables = small_world(tmp_path / "tables", n=40)
    made = as_json(old, "snapshot", "build", str(tables))
    assert as_json(old, "train", "--config", "pca")["snapshot"] == made["id"]
    version = as_json(old, "index", "build", "--promote")
    assert Version.open(old.versions / version["id"]).n_artists == 40
    assert {each["id"] for each in as_json(old, "snapshot", "list")} >= {made["id"]}
    assert len(as_json(old, "similar", "a001", "-k", "3")["similar"]) == 3
    assert as_json(old, "rules", "list") == []
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("artist_id,similar_id\n" + "".join(f"a{i:03d},a{i + 3:03d}\n" for i in range(30)))
    riyl(old, "truth", "import", str(pairs))
    assert as_json(old, "evaluate", "--systems", "pca", "--rounds", "10", "-k", "5", "--no-store")["k"] == 5
    assert riyl(old, "index", "prune", "--keep", "1").exit_code == 0

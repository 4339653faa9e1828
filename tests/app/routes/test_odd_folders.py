"""Tests of odd folders among ground truths or versions: they are listed as damaged, and the others still work."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from riyl.core.errors import FormatError
from riyl.core.files import seal
from riyl.core.settings import Home
from riyl.core.storage.ground_truth import KIND as TRUTH_KIND
from riyl.core.storage.ground_truth import find_truth, truths
from riyl.index.artifact.version import KIND, Version
from tests.app.conftest import as_json, asked

ODD = "0123456789abcdef"


def make_odd(folder: Path, kind: str, number: int, what: str) -> None:
    """Create a folder that resembles an entry of its parent but is not one."""
    folder = folder / ODD
    folder.mkdir(parents=True)
    manifest: dict[str, Any] = {"kind": kind, "format": number, "files": {}}
    match what:
        case "no fields":
            seal(folder, "manifest.json", {"kind": kind, "format": number})
        case "wrong types":
            manifest |= {"id": [1], "name": {}, "counts": "many", "directed": None}
            (folder / "manifest.json").write_text(json.dumps(manifest))
        case "deeply nested":
            (folder / "manifest.json").write_text("[" * 100_000)
        case "a directory":
            (folder / "manifest.json").mkdir()
        case "a file elsewhere":
            manifest["files"] = {"../../../../etc/passwd": {"size_bytes": 1, "sha256": "0"}}
            (folder / "manifest.json").write_text(json.dumps(manifest))


WHAT = ["no fields", "wrong types", "deeply nested", "a directory", "a file elsewhere"]


@pytest.mark.parametrize("what", WHAT)
def test_an_odd_version_is_listed_as_damaged(home: Home, version: Version, what: str) -> None:
    make_odd(home.versions, KIND, version.manifest["format"], what)
    (answer,) = asked(home, "/v1/index/versions")
    assert answer.status_code == 200
    (damaged,) = answer.json()["damaged"]
    assert damaged["version"] == ODD
    assert "etc/passwd: damaged, found" not in damaged["reason"]
    assert version.id in {each["version"] for each in answer.json()["versions"]}
    assert version.id in json.dumps(as_json(home, "index", "list"))


@pytest.mark.parametrize("what", WHAT)
def test_an_odd_truth_is_listed_as_damaged_and_others_are_found(home: Home, tmp_path: Path, what: str) -> None:
    good = tmp_path / "pairs.csv"
    good.write_text("artist_id,similar_id\na000,a001\n")
    made = as_json(home, "truth", "import", str(good))
    make_odd(home.truths, TRUTH_KIND, 1, what)
    (answer,) = asked(home, "/v1/truths")
    assert answer.status_code == 200
    assert [each["truth"] for each in answer.json()["damaged"]] == [ODD]
    assert [each["name"] for each in answer.json()["truths"]] == ["pairs"]
    assert find_truth(home.truths, "pairs").name == "pairs"
    assert isinstance(truths(home.truths)[ODD], FormatError)
    assert made
    shutil.rmtree(home.truths / ODD)

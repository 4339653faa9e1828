"""A home with arbitrary content in sealed files: the service answers or refuses, and its process continues."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from riyl.core.db.session import Database
from riyl.core.settings import Home, Settings
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.index.artifact.version import Version
from riyl.index.versions.lifecycle import promote
from tests.conftest import REPOSITORY
from tests.index.conftest import named_model, named_snapshot, version  # noqa: F401

QUICK, MANY = 0.01, 0.1
"""Share of all changes to files that are tried, in a quick and in a long run."""
LIMIT_S = 900


@pytest.fixture
def root(version: Version, named_model: Model, named_snapshot: Snapshot, tmp_path: Path) -> Path:  # noqa: F811
    """Make a home with everything that its version was made of."""
    home = Home(tmp_path / "home")
    for folder, each in ((home.versions, version), (home.models, named_model), (home.snapshots, named_snapshot)):
        shutil.copytree(each.folder, folder / each.id)
    database = Database.of(Settings(home=home.root))
    promote(home.versions, database, version.id, by="test", why="test")
    database.close()
    return home.root


@dataclass(frozen=True)
class Outcome:
    """Result of serving a home with its files changed one by one.

    Attributes:
        refused: number of changes after which the service served nothing.
        answers: number of answers by status, after all others.
    """

    refused: int
    answers: Counter[str]


def served(root: Path, kind: str, share: float, seed: int) -> Outcome:
    """Run `tests.faults.damaged_home`, and return its result."""
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.faults.damaged_home"]
    paths = os.pathsep.join([str(REPOSITORY / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*command, str(root), kind, str(seed), str(share)],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    last = done.stdout.splitlines()[-1] if done.stdout else ""
    assert done.returncode == 0, f"{last}\n{done.stderr[-6000:]}"
    counts = json.loads(last)
    return Outcome(counts["refused"], Counter(counts["answers"]))


@pytest.mark.parametrize("kind", ["versions", "snapshots", "models"])
def test_some_damage_to_sealed_files_ends_nothing(root: Path, kind: str) -> None:
    assert served(root, kind, QUICK, 1).answers["200"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["versions", "snapshots", "models"])
def test_any_damage_to_sealed_files_ends_nothing(root: Path, kind: str) -> None:
    outcome = served(root, kind, MANY, 2)
    assert outcome.answers["200"] > outcome.answers["503"]
    assert outcome.refused + outcome.answers["503"] > 0

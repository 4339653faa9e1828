"""A home with everything that the Python interface reads: snapshot, ground truth, model and promoted version."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import riyl
from riyl.app.python.catalog import Catalog
from riyl.core.catalog.tables import Tables
from riyl.core.settings import Home
from riyl.index.build.build import build_version
from riyl.index.versions.lifecycle import promote
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot, import_similar
from riyl.training.train import train
from tests.app.conftest import database
from tests.conftest import SMALL_RECIPE
from tests.index.conftest import write_world


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Create a home whose version of the model called mine is promoted; no test may change it."""
    home = Home(tmp_path_factory.mktemp("bench"))
    tables = Tables.open(write_world(home.root / "tables"))
    snapshot = build_snapshot(tables, SMALL_RECIPE, home.snapshots)
    import_similar(tables, home.truths)
    model = train("mine", load_config("pca")[1], snapshot, home.models, seed=5)
    version = build_version(model, snapshot, home.versions)
    promote(home.versions, database(home), version.id, by="test", why="test")
    return home


@pytest.fixture
def catalog(bench: Home) -> Catalog:
    return riyl.open(bench.root, backend="polars")


@pytest.fixture
def copied(bench: Home, tmp_path: Path) -> Callable[[], Home]:
    """Return a function that copies the home, for a test that changes it."""

    def copy() -> Home:
        shutil.copytree(bench.root, tmp_path / "copy")
        return Home(tmp_path / "copy")

    return copy

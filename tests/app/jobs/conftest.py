from __future__ import annotations

from pathlib import Path

import pytest

from riyl.app.jobs.steps import Steps
from riyl.core.catalog.tables import Tables
from riyl.core.db.session import Database
from riyl.core.settings import Home, Settings
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot
from riyl.training.train import train
from tests.conftest import SMALL_RECIPE, small_world


@pytest.fixture
def steps(tmp_path: Path) -> Steps:
    """Steps over a home with a model of the small world; RIYL_TABLES is that world's tables."""
    tables = small_world(tmp_path / "catalog")
    settings = Settings(home=tmp_path / "home", tables=tables)
    home = Home(settings.home)
    snapshot = build_snapshot(Tables.open(tables), SMALL_RECIPE, home.snapshots)
    name, config = load_config("pca")
    train(name, config, snapshot, home.models)
    return Steps(settings, Database.of(settings), job="j1")

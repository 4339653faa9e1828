from __future__ import annotations

from pathlib import Path

from riyl.app.jobs.steps import Steps
from riyl.core.catalog.tables import Tables
from riyl.core.db.session import Database
from riyl.core.settings import Home, Settings
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot
from riyl.training.train import train
from tests.conftest import SMALL_RECIPE, small_world


def made_steps(folder: Path, config: str) -> Steps:
    """Make steps over a home with a model of this config on the small world; RIYL_TABLES is that world's tables."""
    tables = small_world(folder / "catalog")
    settings = Settings(home=folder / "home", tables=tables)
    home = Home(settings.home)
    snapshot = build_snapshot(Tables.open(tables), SMALL_RECIPE, home.snapshots)
    train(config, load_config(config)[1], snapshot, home.models)
    return Steps(settings, Database.of(settings), job="j1")


def reindexed(steps: Steps) -> str:
    """Run the steps up to the promotion, and return the id of the version."""
    frozen = steps.freeze(None, "test")
    model = steps.choose_model(None)["model"]
    snapshot = steps.featurize(frozen, model)["snapshot"]
    steps.embed(model, snapshot)
    version: str = steps.build(model, snapshot)["version"]
    assert steps.promote(version, steps.judge(version)["verdict"], "ann") == {"promoted": True, "truth": None}
    return version

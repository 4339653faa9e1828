from __future__ import annotations

import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.settings import Home
from riyl.index.build.build import build_version
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot, import_similar
from riyl.training.train import train
from tests.conftest import SMALL_RECIPE, small_world


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Create a home with a snapshot, its ground truth, a model called mine and the version of that model."""
    home = Home(tmp_path_factory.mktemp("home"))
    tables = Tables.open(small_world(home.root / "tables"))
    snapshot = build_snapshot(tables, SMALL_RECIPE, home.snapshots)
    import_similar(tables, home.truths)
    model = train("mine", load_config("pca")[1], snapshot, home.models, seed=5)
    build_version(model, snapshot, home.versions)
    return home

"""Fixtures for tests of a service that changes while it runs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.db.session import Database
from riyl.core.settings import Home, Settings
from riyl.index.build.build import build_version
from riyl.index.versions.lifecycle import promote
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot
from riyl.training.train import train
from tests.app.serving.service import Service
from tests.conftest import SMALL_RECIPE, small_world

N = 60
"""Number of artists of the template."""


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Make a home with tables, a snapshot, a model and a version of them; no test may change it."""
    home = Home(tmp_path_factory.mktemp("live") / "home")
    snapshot = build_snapshot(Tables.open(small_world(home.tables / "t", n=N)), SMALL_RECIPE, home.snapshots)
    version = build_version(train(*load_config("default"), snapshot, home.models), snapshot, home.versions)
    promote(home.versions, Database.of(Settings(home=home.root)), version.id, by="test", why="test", force=True)
    return home


@pytest.fixture
def service(template: Home, tmp_path: Path) -> Iterator[Service]:
    shutil.copytree(template.root, tmp_path / "home")
    service = Service(Home(tmp_path / "home"))
    yield service
    service.stop()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a database that is not believed again at once."""
    monkeypatch.setattr("riyl.app.serving.reloader.FOLLOW_RETRY_S", 0.0)
    monkeypatch.setattr("riyl.app.serving.change_feed.AGAIN_S", 0.0)

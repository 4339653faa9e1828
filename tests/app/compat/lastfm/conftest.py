"""A service over the small world, with the encoder of its model."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from riyl.core.settings import Home
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.index.artifact.version import Version
from riyl.index.versions.lifecycle import promote
from tests.app.compat.lastfm.client import Lastfm
from tests.app.conftest import database


@pytest.fixture(scope="module")
def lastfm(
    version: Version, named_model: Model, named_snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lastfm]:
    """Return a client of a service over the small world, shared by the tests of a module."""
    home = Home(tmp_path_factory.mktemp("lastfm"))
    shutil.copytree(version.folder, home.versions / version.id)
    home.models.symlink_to(named_model.folder.parent)
    home.snapshots.symlink_to(named_snapshot.folder.parent)
    promote(home.versions, database(home), version.id, by="test", why="test")
    lastfm = Lastfm(home)
    yield lastfm
    lastfm.close()

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from riyl.core.settings import Home
from riyl.index.artifact.version import Version
from riyl.index.versions.lifecycle import promote
from tests.app.conftest import database
from tests.app.routes.test_artists import Asking


@pytest.fixture(scope="module")
def asking(version: Version, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    """Start a service over the small world's version, shared by the tests of a module."""
    home = Home(tmp_path_factory.mktemp("asking"))
    shutil.copytree(version.folder, home.versions / version.id)
    promote(home.versions, database(home), version.id, by="test", why="test")
    asking = Asking(home)
    yield asking
    asking.close()

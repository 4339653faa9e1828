"""A service with odd names, and clients of Last.fm's protocol from PyPI and npm, installed into folders of a run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.db.session import Database
from riyl.core.settings import Home, Settings
from riyl.index.build.build import build_version
from riyl.index.versions.lifecycle import promote
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot
from riyl.training.train import train
from tests.clients.service import serving
from tests.conftest import SMALL_RECIPE, small_world

NAMES = ("AC/DC", "Guns N’ Roses", "宇多田ヒカル", "!!!", "Sigur Rós")
MBID = "bfcc6d75-a6a5-4bc6-8282-47aec8531818"

PYPI = {
    "lafmapi": ["lafmapi==0.1.0"],
    "lastfmpy": ["lastfmpy==1.1", "aiohttp==3.13.2"],
    "pydrag": ["pydrag==22.5"],
    "pylast": ["pylast==7.2.0"],
}
NPM = {each.partition("@")[0]: each for each in ("lastfm@0.9.4", "lastfm-node-client@2.2.0", "lastfm-ts-api@2.6.2")}
"""Packages of each client; lastfmpy does not name aiohttp, which it needs."""

Installed = Callable[[str], Path]


@pytest.fixture(scope="session")
def odd_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Make a home whose first artists have the odd names, the first one an mbid."""
    folder = tmp_path_factory.mktemp("odd")
    tables = small_world(folder / "tables")
    artists = pq.read_table(tables / "artists.parquet").to_pydict()
    names = [*NAMES, *artists["name"][len(NAMES) :]]
    mbids = [MBID, *[None] * (len(names) - 1)]
    pq.write_table(
        pa.table({"artist_id": artists["artist_id"], "name": names, "mbid": pa.array(mbids, pa.string())}),
        tables / "artists.parquet",
    )
    home = Home(folder / "home")
    snapshot = build_snapshot(Tables.open(tables), SMALL_RECIPE, home.snapshots)
    model = train(*load_config("pca"), snapshot, home.models)
    version = build_version(model, snapshot, home.versions)
    database = Database.of(Settings(home=home.root))
    promote(home.versions, database, version.id, by="test", why="test")
    database.close()
    return home


@pytest.fixture(scope="session")
def service(odd_home: Home) -> Iterator[str]:
    """Return the address of a service that answers for every host."""
    with serving(odd_home, Settings(home=odd_home.root, allowed_hosts="*")) as address:
        yield address


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Return a function that installs a client into a folder of its own, once, and returns the folder."""

    @cache
    def install(client: str) -> Path:
        folder = tmp_path_factory.mktemp("client")
        if client in PYPI:
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
            command = [*pip, "--target", str(folder), *PYPI[client]]
        elif shutil.which("npm") is None or shutil.which("node") is None:
            pytest.skip("found no npm and node (Debian: apt-get install npm)")
        else:
            npm = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund"]
            command = [*npm, "--prefix", str(folder), NPM[client]]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"cannot install {client}: {done.stderr.strip()[-300:]}")
        return folder

    return install

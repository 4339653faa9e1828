"""troi, unmodified, asks for similar artists: the host that it is written for leads to a started service, by TLS."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from riyl.core.settings import Home, Settings
from tests.app.compat.catalog import home, mbid, mbid_home  # noqa: F401
from tests.clients.service import serving
from tests.clients.tls_front import tls_front

pytestmark = pytest.mark.clients

HOST, ADDRESS = "labs.api.listenbrainz.org", "127.21.0.1"
PACKAGES = ("troi==2026.9.1.0", "peewee==4.5.3")
"""The client, and what it imports besides packages of the test environment."""

SEARCH = """
import json, sys
from troi.content_resolver.artist_search import LocalRecordingSearchByArtistService
artists = LocalRecordingSearchByArtistService().get_similar_artists(sys.argv[1])
print(json.dumps([[artist["artist_mbid"], artist["score"]] for artist in artists]))
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the client into a folder of its own."""
    folder = tmp_path_factory.mktemp("troi")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), *PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"troi cannot be installed: {done.stderr[-300:]}")
    return folder


def test_troi_gets_the_artists_of_get_similar(home: Home, packages: Path, tmp_path: Path) -> None:  # noqa: F811
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{ADDRESS} {HOST}\n")
    alias = f'mount --bind {hosts} /etc/hosts && exec "$@"'
    unshared = ["unshare", "--mount", "sh", "-c", alias, "sh"]
    if shutil.which("unshare") is None or subprocess.run([*unshared, "true"], capture_output=True).returncode:
        pytest.skip("cannot mount another /etc/hosts (needs root and unshare)")
    settings = Settings(home=home.root, allowed_hosts=[HOST, "127.0.0.1"])
    with serving(home, settings) as service, tls_front(service, tmp_path, HOST, address=ADDRESS) as front:
        for i in (1, 2, 3):
            similar = httpx.get(f"{service}/v1/artists/a{i:03d}/similar", params={"k": 200}).json()["similar"]
            done = subprocess.run(
                [*unshared, sys.executable, "-c", SEARCH, mbid(i)],
                env={**os.environ, "PYTHONPATH": str(packages), "REQUESTS_CA_BUNDLE": str(front.certificate)},
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr
            rows = json.loads(done.stdout)
            expected = list(dict.fromkeys(each["mbid"].lower() for each in similar if each["mbid"]))[:100]
            assert {row[0] for row in rows} == set(expected)
            assert [row[1] for row in rows] == sorted((row[1] for row in rows), reverse=True)

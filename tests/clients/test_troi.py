"""troi, unmodified, asks for similar artists: the host that it is written for leads to a started service, by TLS."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from riyl.core.settings import Home, Settings
from tests.app.compat.catalog import home, mbid, mbid_home  # noqa: F401
from tests.clients.service import serving

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


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for the host, with its key in the same file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    path = tmp_path_factory.mktemp("certificate") / "host.pem"
    subject = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    files = ["-keyout", str(path.with_suffix(".key")), "-out", str(path)]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject, *files],
        check=True,
        capture_output=True,
    )
    return path


@contextmanager
def tls_front(certificate: Path, service: str) -> Iterator[None]:
    """Accept TLS at ADDRESS, and pass it on to a service, as a proxy does."""
    port = urlsplit(service).port
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_service = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, to_service[1]), copy(to_service[0], writer))

    async def front(ready: threading.Event, ended: asyncio.Event) -> None:
        async with await asyncio.start_server(accept, ADDRESS, 443, ssl=context):
            ready.set()
            await ended.wait()

    loop, ready, ended = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(front(ready, ended),))
    thread.start()
    assert ready.wait(10)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


def test_troi_gets_the_artists_of_get_similar(home: Home, packages: Path, certificate: Path, tmp_path: Path) -> None:  # noqa: F811
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("the alias of a host needs root, and unshare")
    hosts = tmp_path / "hosts"
    hosts.write_text(f"{ADDRESS} {HOST}\n")
    settings = Settings(home=home.root, allowed_hosts=[HOST, "127.0.0.1"])
    with serving(home, settings) as service, tls_front(certificate, service):
        for i in (1, 2, 3):
            similar = httpx.get(f"{service}/v1/artists/a{i:03d}/similar", params={"k": 200}).json()["similar"]
            command = f'mount --bind {hosts} /etc/hosts && exec "$@"'
            done = subprocess.run(
                ["unshare", "--mount", "sh", "-c", command, "sh", sys.executable, "-c", SEARCH, mbid(i)],
                env={**os.environ, "PYTHONPATH": str(packages), "REQUESTS_CA_BUNDLE": str(certificate)},
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr
            rows = json.loads(done.stdout)
            expected = list(dict.fromkeys(each["mbid"].lower() for each in similar if each["mbid"]))[:100]
            assert {row[0] for row in rows} == set(expected)
            assert [row[1] for row in rows] == sorted((row[1] for row in rows), reverse=True)

"""Clients of Last.fm's protocol, unmodified, read from a service what its own API answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.clients.lastfm.ask_python import LIMIT, TAG
from tests.clients.lastfm.conftest import MBID, NAMES, Installed
from tests.clients.tls_front import TlsFront, tls_front

pytestmark = pytest.mark.clients

LASTFM_HOST = "ws.audioscrobbler.com"
HERE = Path(__file__).parent
UNKNOWN_ARTIST = "The artist you supplied could not be found"


@pytest.fixture(scope="module")
def front(service: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsFront]:
    """Return a TLS front before the service, with a certificate of its address and of Last.fm's host."""
    with tls_front(service, tmp_path_factory.mktemp("front"), LASTFM_HOST) as front:
        yield front


def run(command: list[str], environment: dict[str, str]) -> Any:
    """Run a client, and return what it read."""
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def run_python(client: str, folder: Path, address: str, certificate: Path | None = None) -> Any:
    trusted = {} if certificate is None else dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(certificate))
    environment = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **trusted}
    return run([sys.executable, str(HERE / "ask_python.py"), client, address, *NAMES], environment)


def npm_command(client: str, folder: Path, host: str, port: int = 443) -> list[str]:
    return ["node", str(HERE / "ask_npm.mjs"), client, str(folder), host, str(port), *NAMES]


def check(service: str, answers: Any) -> None:
    """Compare what a client read with the answers of our own API."""
    with httpx.Client(base_url=service) as client:
        assert list(answers["names"]) == list(NAMES)
        for name, read in answers["names"].items():
            artist = client.get(f"/v1/artists:resolve?name={quote(name)}").json()["artist"]
            details = client.get(f"/v1/artists/{artist['id']}").json()["artist"]
            similar = client.get(f"/v1/artists/{artist['id']}/similar?k={LIMIT}").json()["similar"]
            assert read["similar"] == [each["name"] for each in similar]
            if "matches" in read:
                assert read["matches"] == pytest.approx([(1 + each["score"]) / 2 for each in similar], abs=1e-6)
            assert read["search"] == [name]
            assert read.get("total", 1) == 1
            assert (read["listeners"], read["plays"]) == (details["listeners"], round(details["plays"]))
            assert read["mbid"] == details["mbid"] == (MBID if name == NAMES[0] else None)
            assert read["bio"] is None
            assert read.get("correction", name) == name
            tags = read.get("tags", [])
            assert [count for _, count in tags] == sorted((count for _, count in tags), reverse=True)
            assert not tags or (tags[0][1] == 100 and all(isinstance(tag, str) for tag, _ in tags))
            assert ("tags" in details["modalities"]) == bool(tags) or "tags" not in read
        code, message = answers["unknown"]
        assert (code, UNKNOWN_ARTIST in message) == (6, True)
        top = client.post("/v1/similar", json={"tags": {TAG: 1}, "k": LIMIT}).json()["similar"]
        assert answers.get("top artists", names := [each["name"] for each in top]) == names
        assert set(answers.get("similar tags", ["dub"])) >= {"dub"}


@pytest.mark.parametrize("client", ["pylast", "pydrag", "lafmapi", "lastfmpy"])
def test_a_client_from_pypi_reads_what_our_own_api_answers(service: str, installed: Installed, client: str) -> None:
    check(service, run_python(client, installed(client), service))


@pytest.mark.parametrize("client", ["pylast", "pydrag"])
def test_a_client_from_pypi_reads_it_through_tls(
    service: str, front: TlsFront, installed: Installed, client: str
) -> None:
    check(service, run_python(client, installed(client), f"https://{front.address}", front.certificate))


def test_lastfm_from_npm_reads_it(service: str, installed: Installed) -> None:
    url = httpx.URL(service)
    check(service, run(npm_command("lastfm", installed("lastfm"), url.host, url.port or 80), {}))


def test_lastfm_ts_api_from_npm_reads_it(service: str, front: TlsFront, installed: Installed) -> None:
    command = npm_command("lastfm-ts-api", installed("lastfm-ts-api"), front.address)
    check(service, run(command, {"NODE_EXTRA_CA_CERTS": str(front.certificate)}))


def test_lastfm_node_client_from_npm_reads_it_where_last_fms_host_is_an_alias(
    service: str, front: TlsFront, installed: Installed, tmp_path: Path
) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{front.address} {LASTFM_HOST}\n")
    alias = f'mount --bind {hosts} /etc/hosts && exec "$@"'
    unshared = ["unshare", "--mount", "sh", "-c", alias, "sh"]
    if shutil.which("unshare") is None or subprocess.run([*unshared, "true"], capture_output=True).returncode:
        pytest.skip("cannot mount another /etc/hosts (needs root and unshare)")
    command = npm_command("lastfm-node-client", installed("lastfm-node-client"), LASTFM_HOST)
    check(service, run([*unshared, *command], {"NODE_EXTRA_CA_CERTS": str(front.certificate)}))

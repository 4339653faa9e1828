"""The configuration of nginx in docs/operations/proxy.md, with other ports, in front of a started service."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from riyl.core.db.keys import Role
from riyl.core.settings import Home
from tests.app.commands.test_serve import serve
from tests.app.conftest import key_headers
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def nginx(folder: Path, service: int) -> Iterator[int]:
    """Run nginx with the documented server in front of a service's port; yields its own port."""
    text = (REPOSITORY / "docs" / "operations" / "proxy.md").read_text(encoding="utf-8")
    (documented,) = re.findall(r"```nginx\n(.*?)```", text, re.DOTALL)
    port = free_port()
    server = documented.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};").replace(":8000/", f":{service}/")
    assert f"127.0.0.1:{port};" in server
    assert f":{service}/" in server
    temporary = " ".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; user root; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; {temporary}\n{server} }}\n"
    )
    with subprocess.Popen(["nginx", "-c", config, "-p", folder, "-e", folder / "error.log"]) as process:
        try:
            with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as client:
                client.get(f"http://127.0.0.1:{port}/")
            yield port
        finally:
            process.terminate()


def test_the_documented_configuration_serves_under_its_prefix(home: Home, tmp_path: Path) -> None:
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    settings = {
        "RIYL_TRUSTED_PROXIES": "127.0.0.1",
        "RIYL_ALLOWED_HOSTS": "music.example",
        "RIYL_RATE_LIMIT": "30/hour",
    }
    with (
        serve(home.root, tmp_path / "log", "--no-worker", **settings) as (_, service),
        nginx(tmp_path, service) as port,
    ):
        # the client's own headers do not pass through the proxy, but for X-Forwarded-For, to which it appends
        forged = {"x-forwarded-prefix": "/evil", "x-forwarded-proto": "https", "x-forwarded-for": "198.51.100.7"}
        headers = {"host": "music.example", **forged, **key_headers(home, Role.WRITE)}
        from_elsewhere = httpx.HTTPTransport(local_address="127.0.0.2")  # no trusted address
        address = f"http://127.0.0.1:{port}"
        with httpx.Client(transport=from_elsewhere, base_url=address, headers=headers) as client:
            page = client.get("/music/")
            assert page.status_code == 200
            files = re.findall(r'(?:href|src)="(web/[^"]+)"', page.text)
            assert len(files) > 10
            for file in files:
                assert client.get(f"/music/{file}").status_code == 200, file
            first = client.get("/music/v1/artists/a001/similar?k=20")
            ids = [entry["id"] for entry in first.json()["similar"]]
            following = first
            while "next" in following.links:
                following = client.get(following.links["next"]["url"])
                assert following.status_code == 200, following.url
                ids += [entry["id"] for entry in following.json()["similar"]]
            assert len(ids) == len(set(ids)) == 58
            document = client.get("/music/openapi.json").json()
            assert document["servers"] == [{"url": "/music"}]
            docs = client.get("/music/docs").text
            assert "http://music.example/music/v1/" in docs
            assert client.get("/music/docs/style.css").status_code == 200
            assert len(client.get("/music/v1/export/neighbours?k=3").text.splitlines()) == 59
            for path in ("/music/metrics", "/music/music/metrics", "/music//metrics"):
                assert client.get(path).status_code in (403, 404), path
            assert client.get("/music/v1/index", headers={"host": "evil.example"}).status_code == 421
            put = client.put("/music/v1/artists/n%2F1", json={"name": "Made of two parts"})
            assert (put.status_code, put.headers["location"]) == (201, "/music/v1/artists/n%2F1")
            del client.headers["authorization"]
            for i in range(30):
                limited = client.get("/music/v1/index", headers={"x-forwarded-for": f"198.51.100.{i}"})
            assert limited.status_code == 200
            assert client.get("/music/v1/index", headers={"x-forwarded-for": "198.51.100.99"}).status_code == 429

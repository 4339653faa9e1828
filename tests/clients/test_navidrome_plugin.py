"""The Navidrome plugin, built from its sources and run by Extism, with Navidrome's host function written in Python."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import httpx
import pytest

from riyl.core.db.keys import Role
from riyl.core.settings import Home, Settings
from tests.app.conftest import home, key_headers, other_version, promoted_home  # noqa: F401
from tests.clients.service import serving
from tests.index.conftest import MBID, named_model, named_snapshot, version  # noqa: F401

pytestmark = pytest.mark.clients

extism = pytest.importorskip("extism", reason="extism, the host of WebAssembly plugins, is not installed")

SOURCES = Path(__file__).parents[2] / "clients" / "navidrome"
MANIFEST = json.loads((SOURCES / "manifest.json").read_text(encoding="utf-8"))
UNKNOWN_MBID = "11111111-2222-4333-8444-555555555555"


@dataclass
class Navidrome:
    """What Navidrome does with a plugin: it calls its function, and sends its HTTP requests.

    Attributes:
        wasm: the plugin.
        config: its configuration.
        sent: bodies of its requests, in their order.
    """

    wasm: bytes
    config: dict[str, str]
    sent: list[dict[str, Any]] = field(default_factory=list)

    def similar(self, **artist: Any) -> Any:
        """Return what the plugin says of an artist.

        Raises:
            extism.Error: it failed, with its message.
        """

        @extism.host_fn(namespace="extism:host/user", signature=([extism.ValType.I64], [extism.ValType.I64]))
        def http_send(plugin: Any, inputs: Any, outputs: Any) -> None:
            request = json.loads(plugin.input_string(inputs[0]))["request"]
            plugin.return_string(outputs[0], json.dumps(self._send(request)))

        manifest = {"wasm": [{"data": base64.b64encode(self.wasm).decode()}], "config": self.config}
        with extism.Plugin(manifest, wasi=True, functions=[http_send]) as plugin:
            return json.loads(plugin.call("nd_get_similar_artists", json.dumps({"id": "nd1", "limit": 10, **artist})))

    def _send(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request as Navidrome's plugins/host_httpclient.go does."""
        body = base64.b64decode(request.get("body", ""))
        self.sent.append(json.loads(body))
        url = httpx.URL(request["url"])
        if not any(fnmatch(url.host, pattern) for pattern in MANIFEST["permissions"]["http"]["requiredHosts"]):
            return {"error": f"host {url.host!r} is not allowed"}
        timeout_s = request["timeoutMs"] / 1000
        try:
            response = httpx.request(
                request["method"], url, headers=request["headers"], content=body, timeout=timeout_s
            )
        except httpx.HTTPError as error:
            return {"error": str(error)}
        content = base64.b64encode(response.content).decode()
        return {"result": {"statusCode": response.status_code, "headers": dict(response.headers), "body": content}}


@pytest.fixture(scope="session")
def wasm(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Build the plugin, in a folder of its own, as its README says."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm, which builds the plugin, is not installed")
    folder = tmp_path_factory.mktemp("plugin") / "navidrome"
    shutil.copytree(SOURCES, folder, ignore=shutil.ignore_patterns("node_modules", "build"))
    installed = subprocess.run(
        [npm, "ci", "--no-audit", "--no-fund", "--prefer-offline"], cwd=folder, capture_output=True, text=True
    )
    if installed.returncode:
        pytest.skip(f"npm ci did not install the compiler: {installed.stderr[-500:]}")
    built = subprocess.run([npm, "run", "build"], cwd=folder, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return (folder / "build" / "plugin.wasm").read_bytes()


def listed(address: str, artist_id: str, k: int) -> list[dict[str, str]]:
    """Return the artists of GET similar, as the plugin must list them."""
    similar = httpx.get(f"{address}/v1/artists/{artist_id}/similar", params={"k": k}).json()["similar"]
    return [{"name": s["name"]} | ({"mbid": s["mbid"]} if s["mbid"] else {}) for s in similar]


@pytest.mark.parametrize(
    ("name", "artist_id"),
    [
        ("AC/DC", "a002"),
        ("Guns N' Roses", "a004"),
        ("!!!", "a008"),
        ("أم كلثوم", "a010"),
        ("MØ", "a011"),
        ("[/red] herring [bold]", "a017"),
    ],
)
def test_an_artist_of_any_name_has_the_list_of_get_similar(
    home: Home,  # noqa: F811
    wasm: bytes,
    name: str,
    artist_id: str,
) -> None:
    with serving(home) as address:
        navidrome = Navidrome(wasm, {"url": f"{address}/"})
        assert navidrome.similar(name=name, limit=7) == {"artists": listed(address, artist_id, 7)}
        assert navidrome.sent == [{"seeds": [{"name": name}], "k": 7}]


def test_an_mbid_goes_before_the_name_which_is_asked_where_the_mbid_is_unknown(home: Home, wasm: bytes) -> None:  # noqa: F811
    with serving(home) as address:
        navidrome = Navidrome(wasm, {"url": address})
        assert navidrome.similar(name="Björk", mbid=MBID) == {"artists": listed(address, "a001", 10)}
        assert navidrome.similar(name="Björk", mbid=UNKNOWN_MBID) == {"artists": listed(address, "a000", 10)}
    assert [each["seeds"] for each in navidrome.sent] == [
        [{"mbid": MBID}],
        [{"mbid": UNKNOWN_MBID}],
        [{"name": "Björk"}],
    ]


def test_of_several_artists_of_a_name_the_best_known_is_taken(home: Home, wasm: bytes) -> None:  # noqa: F811
    with serving(home) as address:
        problem = httpx.post(f"{address}/v1/similar", json={"seeds": [{"name": "aurora"}]}).json()
        best = max(problem["candidates"], key=lambda each: each["listeners"])
        assert len({each["listeners"] for each in problem["candidates"]}) == len(problem["candidates"]) > 1
        navidrome = Navidrome(wasm, {"url": address})
        assert navidrome.similar(name="aurora") == {"artists": listed(address, best["id"], 10)}


def test_names_of_the_list_keep_their_letters(home: Home, wasm: bytes) -> None:  # noqa: F811
    with serving(home) as address:
        everyone = listed(address, "a000", 59)
        assert any(not each["name"].isascii() for each in everyone)
        assert any(each.get("mbid", "").lower() == MBID for each in everyone)
        assert Navidrome(wasm, {"url": address}).similar(name="Björk", limit=59) == {"artists": everyone}


@pytest.mark.parametrize(
    "artist",
    [
        {"name": "Nobody of this Name"},
        {"name": '\x00\t"\\ \U0001f600 </script>'},
        {"name": ""},
        {"name": "Björk", "limit": 0},
        {"name": "Björk", "limit": -3},
        {"name": "", "mbid": UNKNOWN_MBID},
        {"name": "Nobody Knows"},
    ],
)
def test_an_artist_without_an_answer_has_an_empty_list(home: Home, wasm: bytes, artist: dict[str, Any]) -> None:  # noqa: F811
    with serving(home) as address:
        assert Navidrome(wasm, {"url": address}).similar(**artist) == {"artists": []}


def test_a_limit_above_that_of_the_service_is_lowered_to_it(home: Home, wasm: bytes) -> None:  # noqa: F811
    with serving(home) as address:
        navidrome = Navidrome(wasm, {"url": address})
        assert len(navidrome.similar(name="Björk", limit=2**31 - 1)["artists"]) > 50
    assert navidrome.sent[0]["k"] == 1000


def test_a_key_is_sent_where_one_is_configured(home: Home, wasm: bytes) -> None:  # noqa: F811
    token = key_headers(home, Role.READ)["authorization"].removeprefix("Bearer ")
    with serving(home, Settings(home=home.root, require_key=True)) as address:
        assert Navidrome(wasm, {"url": address, "key": token}).similar(name="Björk")["artists"]
        for config in ({"url": address}, {"url": address, "key": "riyl_no"}, {"url": address, "key": ""}):
            with pytest.raises(extism.Error, match="status 401"):
                Navidrome(wasm, config).similar(name="Björk")


def test_a_request_that_the_service_refuses_is_an_error(home: Home, wasm: bytes) -> None:  # noqa: F811
    with serving(home) as address, pytest.raises(extism.Error, match="status 422"):
        Navidrome(wasm, {"url": address}).similar(name="x" * 1001)


def test_a_service_that_is_down_is_an_error_that_names_it(wasm: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(extism.Error, match=f"RIYL at http://127.0.0.1:{port}: "):
        Navidrome(wasm, {"url": f"http://127.0.0.1:{port}"}).similar(name="Björk")


def test_an_unusable_answer_is_an_error(wasm: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def proxy(*_: Any, **__: Any) -> httpx.Response:
        return httpx.Response(200, content=b"<html>Sign in</html>")

    monkeypatch.setattr(httpx, "request", proxy)
    with pytest.raises(extism.Error, match="JSON: unexpected"):
        Navidrome(wasm, {"url": "http://proxy"}).similar(name="Björk")


def test_the_manifest_asks_for_what_the_plugin_needs() -> None:
    assert MANIFEST["permissions"].keys() == {"http"}
    assert MANIFEST["config"]["schema"]["properties"].keys() == {"url", "key"}

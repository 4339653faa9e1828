"""Behind reverse proxies: only trusted ones are believed, and every address has the prefix that the client sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from riyl.app.http.proxy import KEY, MAX_HOPS, TrustedProxies, address_of_service, plain_address
from riyl.app.main import create_app
from riyl.core.db.keys import Role
from riyl.core.settings import Home, Settings
from tests.app.conftest import key_headers, running

TRUSTED = TrustedProxies(["10.0.0.0/8", "192.0.2.7", "fd00::/8"])


@pytest.mark.parametrize(
    ("hops", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9", "203.0.113.9"),  # what the client itself sent is on the left
        ("198.51.100.1, 203.0.113.9, 10.1.2.3,192.0.2.7", "203.0.113.9"),
        ("10.9.9.9, 10.1.2.3", "10.9.9.9"),
        ("2001:db8::1, fd00::1", "2001:db8::1"),
        ("[2001:db8::1]:4711, 10.0.0.2", "2001:db8::1"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("::ffff:10.0.0.3", "10.0.0.3"),
        # behind text that is no address, the last proxy is the client
        ("", "10.0.0.1"),
        ("unknown", "10.0.0.1"),
        ("203.0.113.9, garbage, 10.1.2.3", "10.1.2.3"),
        ("203.0.113.9,, 10.1.2.3", "10.1.2.3"),
        ("fe80::1%eth0", "10.0.0.1"),
        ("203.0.113.9" + " " * 100_000 + "x", "10.0.0.1"),
        ("203.0.113.9, " + "1" * 100_000, "10.0.0.1"),
        ("203.0.113.9, " + "10.0.0.4, " * 10_000 + "10.0.0.5", "10.0.0.4"),
        ("203.0.113.9" + ", 10.0.0.4" * (MAX_HOPS - 1), "203.0.113.9"),
        ("203.0.113.9" + ", 10.0.0.4" * MAX_HOPS, "10.0.0.4"),
    ],
)
def test_the_client_is_the_rightmost_address_that_is_not_trusted(hops: str, client: str) -> None:
    assert TRUSTED.client_of("10.0.0.1", hops) == client


def test_addresses_and_networks_are_trusted() -> None:
    trusted = ["10.0.0.1", "10.255.255.255", "192.0.2.7", "::ffff:10.0.0.1", "fd12::1"]
    assert all(TRUSTED.trusts(address) for address in trusted)
    assert not any(TRUSTED.trusts(address) for address in ("192.0.2.8", "11.0.0.1", "fe80::1", "", "testclient"))
    assert not any(TrustedProxies([]).trusts(address) for address in (*trusted, "127.0.0.1"))
    assert [plain_address(text) for text in ("[::1]", "1.2.3.4:80", "1.2.3", "[::1", "::1]")] == [
        *("::1", "1.2.3.4", None, "::1", None)
    ]


def proxied(home: Home, **settings: Any) -> Settings:
    return Settings(home=home.root, allowed_hosts="music.example", **settings)


async def ask(
    home: Home, settings: Settings, path: str, headers: dict[str, str], peer: str = "10.0.0.1", method: str = "GET"
) -> httpx.Response:
    """Send a request from an address."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, client=(peer, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://music.example") as client:
            return await client.request(method, path, headers=headers)


FORWARDED = {"x-forwarded-prefix": "/music", "x-forwarded-proto": "https"}


async def test_every_address_has_the_prefix(home: Home) -> None:
    by_header, by_setting = proxied(home, trusted_proxies="10.0.0.0/8"), proxied(home, root_path="/music/")
    cases = [
        (by_header, "10.0.0.1", FORWARDED, "/music", "https"),
        (by_header, "11.0.0.1", FORWARDED, "", "http"),
        (proxied(home), "10.0.0.1", FORWARDED, "", "http"),
        (by_setting, "11.0.0.1", {}, "/music", "http"),
        (by_setting, "11.0.0.1", {**FORWARDED, "x-forwarded-prefix": "/other"}, "/music", "http"),
        (proxied(home, root_path="/a/b", trusted_proxies="10.0.0.1"), "10.0.0.1", FORWARDED, "/a/b", "https"),
    ]
    for settings, peer, headers, prefix, scheme in cases:
        page = await ask(home, settings, "/v1/artists/a001/similar?k=2", headers, peer)
        assert page.links["next"]["url"] == f"{prefix}/v1/artists/a001/similar?k=2&offset=2"
        name, [first, _] = page.json()["artist"]["name"], page.json()["similar"]
        lastfm = f"/2.0?method=artist.getsimilar&format=json&artist={name}&limit=1"
        [similar] = (await ask(home, settings, lastfm, headers, peer)).json()["similarartists"]["artist"]
        assert similar["url"] == f"{scheme}://music.example{prefix}/?artist={first['id']}"
        later = await ask(home, settings, "/v1/artists?q=a&limit=1&offset=2", headers, peer)
        rels = {rel: link["url"].startswith(f"{prefix}/v1/artists?q=a&") for rel, link in later.links.items()}
        assert rels == {"first": True, "prev": True, "next": True}
        document = (await ask(home, settings, "/openapi.json", headers, peer)).json()
        assert document.get("servers") == ([{"url": prefix}] if prefix else None)
        assert "/v1/similar" in document["paths"]
        docs = await ask(home, settings, "/docs", headers, peer)
        assert f"curl &#39;{scheme}://music.example{prefix}/v1/artists/" in docs.text


async def test_locations_have_the_prefix(home: Home) -> None:
    settings, headers = proxied(home, trusted_proxies="10.0.0.1"), {**FORWARDED, **key_headers(home, Role.ADMIN)}
    async with running(home) as (_, client):
        merged = await client.post("/v1/artists/a002:merge", json={"into": "a003"}, headers=headers)
        assert merged.status_code == 200, merged.text
    moved = await ask(home, settings, "/v1/artists/a002/similar?k=3", FORWARDED)
    assert (moved.status_code, moved.headers["location"]) == (301, "/music/v1/artists/a003/similar?k=3")
    put = await ask(home, settings, "/v1/artists/new%2F1", headers, method="PUT")
    assert put.status_code == 422
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, client=("10.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://music.example") as client:
            created = await client.put("/v1/artists/new%2F1", json={"name": "New"}, headers=headers)
            job = await client.post("/v1/jobs", json={"kind": "reindex", "params": {}}, headers=headers)
    assert (created.status_code, created.headers["location"]) == (201, "/music/v1/artists/new%2F1")
    assert (job.status_code, job.headers["location"]) == (202, f"/music/v1/jobs/{job.json()['id']}")


@pytest.mark.parametrize(
    "prefix",
    [
        *("//evil.example", "music", "/a//b", "/a b", "/..", "/a/./b", "/é", "/a?b", "/a>b", "http://evil.example"),
        *("/" * 9, "/" + "a" * 200, "/" + "a" * 60_000),
    ],
)
async def test_a_prefix_that_is_no_path_is_ignored(home: Home, prefix: str) -> None:
    settings = proxied(home, trusted_proxies="10.0.0.1")
    headers = {"x-forwarded-prefix": prefix.encode(), "x-forwarded-proto": b"javascript", "x-forwarded-for": b"\xff"}
    answer = await ask(home, settings, "/v1/artists/a001/similar?k=2", headers)  # type: ignore[arg-type]
    assert answer.links["next"]["url"] == "/v1/artists/a001/similar?k=2&offset=2"


async def test_the_prefix_is_never_removed_from_a_path(home: Home) -> None:
    """A proxy that removes `/music` and refuses `/music/metrics` would let `/music/music/metrics` through."""
    for settings in (proxied(home, root_path="/music"), proxied(home, trusted_proxies="10.0.0.1")):
        assert (await ask(home, settings, "/music/metrics", FORWARDED)).status_code == 404
        assert (await ask(home, settings, "/metrics", FORWARDED)).status_code == 200


async def test_forwarded_hosts_and_the_header_forwarded_are_ignored(home: Home) -> None:
    settings = proxied(home, trusted_proxies="10.0.0.1")
    headers = {"x-forwarded-host": "music.example", "forwarded": "for=198.51.100.1;host=music.example;proto=https"}
    refused = await ask(home, settings, "/v1/index", {**headers, "host": "evil.example"})
    assert refused.status_code == 421
    docs = await ask(home, settings, "/docs", {**headers, "x-forwarded-host": "evil.example"})
    assert "evil.example" not in docs.text


async def test_rates_are_counted_by_the_client_behind_the_proxy(home: Home) -> None:
    app = create_app(proxied(home, trusted_proxies="10.0.0.0/8", rate_limit="2/hour"))
    async with app.router.lifespan_context(app):

        async def statuses(peer: str, *hops: str) -> list[int]:
            transport = httpx.ASGITransport(app, client=(peer, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://music.example") as client:
                return [(await client.get("/v1/index", headers={"x-forwarded-for": each})).status_code for each in hops]

        assert await statuses("10.0.0.1", *["203.0.113.9"] * 3) == [200, 200, 429]
        assert await statuses("10.0.0.2", "203.0.113.9", "1.1.1.1, 203.0.113.9, 10.0.0.1", "203.0.113.8") == [
            *(429, 429, 200)
        ]
        # the headers of an untrusted address change nothing: each request counts for that address
        assert await statuses("203.0.113.7", "1.1.1.1", "1.1.1.2", "1.1.1.3") == [200, 200, 429]


@pytest.mark.parametrize("name", ["index.html", "evaluations.html"])
def test_the_pages_name_their_files_relative_to_themselves(name: str) -> None:
    """So they work under any prefix, also of a proxy that names none."""
    folder = Path(__file__).parents[3] / "app" / "web"
    for path in (folder / name, *folder.glob("*.js")):
        text = path.read_text(encoding="utf-8")
        for absolute in ('="/', '"/v1', "`/v1", '"/eval', "`/eval", "`/?", ': "/"'):
            assert absolute not in text, (path.name, absolute)


def scope_of(*hosts: bytes, **more: Any) -> dict[str, Any]:
    return {"scheme": "https", "headers": [(b"host", host) for host in hosts], **more}


def test_addresses_repeat_the_host_of_the_request_where_it_is_one() -> None:
    assert address_of_service(scope_of(b"music.example:8443")) == "https://music.example:8443"
    assert address_of_service(scope_of(b"[::1]:8000", **{KEY: "/riyl"})) == "https://[::1]:8000/riyl"
    for host in (b'"><x', b"a b", b"", "ö.example".encode(), b"a/b", b"user@host", b"a:b", b"x" * 300):
        assert address_of_service(scope_of(host)) == ""
    assert address_of_service(scope_of()) == address_of_service(scope_of(b"a", b"b")) == ""

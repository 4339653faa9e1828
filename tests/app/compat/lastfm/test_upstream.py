"""Methods that are passed on to another service, a real server of this test."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from riyl.app.compat.lastfm import upstream
from riyl.core.db.keys import Role
from riyl.core.settings import Home, Settings
from tests.app.compat.lastfm.client import error_of
from tests.app.conftest import key_headers, running

SCROBBLE = "method=track.scrobble&sk=s%C3%A9cret&api_sig=0123&artist=AC%2fDC&timestamp=1&format=json"
FORM = {"content-type": "application/x-www-form-urlencoded", "user-agent": "player/1", "cookie": "a=b"}


class Other(BaseHTTPRequestHandler):
    """The other service: it keeps what it receives, and answers with what the test wants."""

    received: ClassVar[list[tuple[str, str, dict[str, str], bytes]]] = []
    answer = (200, "application/json", b'{"scrobbles":{}}')
    held = threading.Event()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.received.append((self.command, self.path, headers, body))
        self.held.wait(5)
        status, kind, content = self.answer
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the address of the other service."""
    monkeypatch.setattr(Other, "received", [])
    monkeypatch.setattr(Other, "held", threading.Event())
    Other.held.set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Other)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/2.0/"
    Other.held.set()
    server.shutdown()
    server.server_close()
    thread.join()


def passing(home: Home, other: str, **more: object) -> Settings:
    return Settings(home=home.root, lastfm_upstream=other, **more)


async def test_other_methods_are_passed_on_as_they_are_and_never_logged(
    home: Home, other: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    async with running(home, passing(home, other)) as (_, client):
        posted = await client.post("/2.0/?username=m%C3%A9", content=SCROBBLE.encode(), headers=FORM)
        assert (posted.status_code, posted.json()) == (200, {"scrobbles": {}})
        assert posted.headers["content-type"] == "application/json"
        assert posted.headers["cache-control"] == "no-store"
        got = await client.get(f"/2.0?{SCROBBLE}")
        assert got.json() == {"scrobbles": {}}
        figures = (await client.get("/metrics")).text
    (first, second) = Other.received
    assert first[:2] == ("POST", "/2.0/?username=m%C3%A9")
    assert first[3] == SCROBBLE.encode()
    assert first[2]["content-type"] == FORM["content-type"]
    assert first[2]["user-agent"] == "player/1"
    assert "cookie" not in first[2]
    assert second[:2] == ("GET", f"/2.0/?{SCROBBLE}")
    assert 'riyl_http_request_seconds_count{method="POST",path="/2.0/",status="200"} 1.0' in figures
    records = [record.getMessage() for record in caplog.records]
    assert [line for line in records if other in line] == []  # the test's own client logs what it sends to localhost
    logged = capsys.readouterr().err + "".join(line for line in records if "http://localhost" not in line)
    assert '"path":"/2.0/"' in logged
    for secret in ("scrobble", "cret", "api_sig", "username"):
        assert secret not in logged


async def test_our_methods_and_requests_without_one_stay_here(home: Home, other: str) -> None:
    async with running(home, passing(home, other)) as (_, client):
        for question in (
            {"method": "artist.getSimilar", "artist": "Björk"},
            {"method": "ARTIST.getinfo", "artist": "Björk"},
        ):
            for answer in (await client.get("/2.0", params=question), await client.post("/2.0", data=question)):
                assert answer.status_code == 200
                assert "Björk" in answer.text
        with_body = await client.request("GET", "/2.0?method=artist.getInfo&artist=Björk", content=b"x")
        assert "Björk" in with_body.text
        assert error_of(await client.get("/2.0"))[0] == 3
        assert error_of(await client.put("/2.0/", content=b"method=x"), status=405)[0] == 6
    assert Other.received == []


@pytest.mark.parametrize("answer", [(403, "text/xml", b"<lfm/>"), (500, "text/html", b"<p>"), (200, "text/xml", b"")])
async def test_any_response_is_returned_as_it_is(
    home: Home, other: str, monkeypatch: pytest.MonkeyPatch, answer: tuple[int, str, bytes]
) -> None:
    monkeypatch.setattr(Other, "answer", answer)
    async with running(home, passing(home, other)) as (_, client):
        returned = await client.get("/2.0?method=album.getInfo")
    assert (returned.status_code, returned.headers["content-type"], returned.content) == answer
    assert returned.headers["x-content-type-options"] == "nosniff"


async def test_too_large_too_slow_or_absent_is_offline(home: Home, other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "MAX_RESPONSE_BYTES", 10)
    monkeypatch.setattr(upstream, "TIMEOUT_S", 0.3)
    async with running(home, passing(home, other)) as (_, client):
        for held in (False, True):
            if held:
                monkeypatch.setattr(Other, "answer", (200, "text/xml", b"<lfm/>"))
                Other.held.clear()
            assert error_of(await client.get("/2.0?method=album.getInfo"), status=503)[0] == 11
        Other.held.set()
        assert (await client.get("/2.0?method=album.getInfo")).content == b"<lfm/>"
    async with running(home, passing(home, "http://127.0.0.1:1/2.0/")) as (_, client):
        offline = await client.post("/2.0", data={"method": "album.getInfo", "format": "json"})
        assert error_of(offline, status=503) == (11, upstream.UNREACHABLE)


async def test_a_key_of_ours_is_not_passed_on(home: Home, other: str) -> None:
    headers = key_headers(home, Role.READ)
    token = headers["authorization"].removeprefix("Bearer ")
    async with running(home, passing(home, other, require_key=True)) as (_, client):
        refused = await client.post("/2.0", data={"method": "auth.getSession", "api_key": token})
        assert error_of(refused, status=403)[0] == 10
        form, escaped = {"method": "track.scrobble", "api_key": "theirs"}, token.replace("_", "%5F")
        for query in (f"api_key={token}", f"api_key={escaped}&api_key=theirs", f"other={token}"):
            assert error_of(await client.post(f"/2.0?{query}", data=form, headers=headers), status=403)[0] == 10
        assert Other.received == []
        passed = await client.post("/2.0", data={"method": "auth.getSession", "api_key": "theirs"}, headers=headers)
        assert passed.status_code == 200
        without = await client.post("/2.0", data={"method": "auth.getSession", "api_key": "theirs"})
        assert error_of(without, status=403)[0] == 10
    ((_, _, received, body),) = Other.received
    assert "authorization" not in received
    assert body == b"method=auth.getSession&api_key=theirs"


async def test_requests_that_wait_for_the_other_service_have_places_of_their_own(home: Home, other: str) -> None:
    settings = passing(home, other, concurrency_per_class=1, queue_per_class=0)
    async with running(home, settings) as (app, client):
        async with app.state.limits.limiters["questions"].entered():
            assert (await client.get("/2.0?method=album.getInfo")).status_code == 200
        for _ in range(20):
            await app.state.limits.limiters["upstream"].enter()
        assert error_of(await client.get("/2.0?method=album.getInfo"), status=429)[0] == 16
        assert (await client.get("/2.0?method=artist.getInfo&artist=Björk")).status_code == 200


@pytest.mark.parametrize(
    "address", ["ws.audioscrobbler.com", "ftp://a/b", "https://u:p@a/", "https://a/?b", "http://a b/"]
)
def test_an_address_is_an_origin_and_a_path(home: Home, address: str) -> None:
    with pytest.raises(ValueError, match="wanted an address such as"):
        Settings(home=home.root, lastfm_upstream=address)

"""A service on loopback answers under names of this machine alone, and any service under its configured names."""

from __future__ import annotations

import pytest

from riyl.app.http.hosts import allowed_hosts
from riyl.core.settings import Home, Settings, load_settings
from tests.app.conftest import problem_of, running

LOOPBACK = [
    "localhost",
    "LOCALHOST:8000",
    "127.0.0.1",
    "127.0.0.1:1",
    "[::1]",
    "[::1]:8000",
    "127.9.9.9",
    "a.localhost.",
]
FOREIGN = [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "0.0.0.0",
    "",
    "notlocalhost",
]


def answers(settings: Settings, host: str) -> bool:
    hosts = allowed_hosts(settings)
    return hosts is None or hosts.allows(host.encode())


@pytest.mark.parametrize("listening", ["127.0.0.1", "::1", "localhost", "127.0.0.2"])
def test_on_loopback_names_of_this_machine_are_answered(listening: str) -> None:
    settings = Settings(host=listening)
    assert [host for host in LOOPBACK if not answers(settings, host)] == []
    assert [host for host in FOREIGN if answers(settings, host)] == []
    named = Settings(host=listening, allowed_hosts="riyl.example.org")
    assert answers(named, "localhost")
    assert answers(named, "riyl.example.org:80")


def test_elsewhere_any_host_is_answered_or_those_that_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(answers(Settings(host="0.0.0.0"), host) for host in LOOPBACK + FOREIGN)
    monkeypatch.setenv("RIYL_HOST", "0.0.0.0")
    monkeypatch.setenv("RIYL_ALLOWED_HOSTS", "RIYL.example.org, *.music.example, 192.0.2.7, [2001:db8::1]")
    settings = load_settings()
    for host in (
        "riyl.example.org:8000",
        "riyl.example.org.",
        "a.music.example",
        "a.b.music.example",
        "192.0.2.7",
        "[2001:db8::1]:80",
    ):
        assert answers(settings, host), host
    for host in ("music.example", "xmusic.example", "localhost", "a.riyl.example.org", "192.0.2.70"):
        assert not answers(settings, host), host
    assert answers(Settings(host="127.0.0.1", allowed_hosts="*"), "evil.example")


@pytest.mark.parametrize(
    "value", ["riyl.example.org:8000", "http://riyl.example.org", "a b", "*.*.x", "a,,b", "ex*mple"]
)
def test_what_is_no_host_is_refused_when_a_command_starts(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIYL_ALLOWED_HOSTS", value)
    with pytest.raises(Exception, match="RIYL_ALLOWED_HOSTS: wanted names such as riyl.example.org"):
        load_settings()


async def test_a_foreign_host_is_421_on_every_path_but_those_of_probes(home: Home) -> None:
    async with running(home) as (app, client):
        for path in ("/", "/v1/artists/a001/similar", "/v1/nothing", "/metrics", "/openapi.json", "/web/app.js"):
            body = problem_of(await client.get(path, headers={"host": "evil.example"}), 421, "unknown host")
            assert body["detail"].startswith("Host: found 'evil.example'; wanted a host of RIYL_ALLOWED_HOSTS")
            twice = [("host", "localhost"), ("host", "evil.example")]
            problem_of(await client.get(path, headers=twice), 421, "unknown host")
        for path in ("/healthz", "/readyz"):
            assert (await client.get(path, headers={"host": "10.0.0.7:8000"})).status_code == 200
        assert "421" in app.openapi()["paths"]["/v1/similar"]["post"]["responses"]
    async with running(home, Settings(home=home.root, host="0.0.0.0")) as (app, client):
        assert (await client.get("/v1/index", headers={"host": "evil.example"})).status_code == 200
        assert "421" not in app.openapi()["paths"]["/v1/similar"]["post"]["responses"]

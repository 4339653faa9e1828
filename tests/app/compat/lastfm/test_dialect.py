"""Keys, limits, errors of the service, and addresses of Last.fm's protocol."""

from __future__ import annotations

import shutil

import pytest

from riyl.core.db.keys import Role
from riyl.core.settings import Home, Settings
from tests.app.compat.lastfm.client import error_of
from tests.app.conftest import key_headers, running

ASKED = {"method": "artist.getSimilar", "artist": "Björk"}
FOREIGN = "0123456789abcdef0123456789abcdef"


async def test_a_key_is_the_parameter_api_key(home: Home) -> None:
    token = key_headers(home, Role.READ)["authorization"].removeprefix("Bearer ")
    async with running(home, Settings(home=home.root, require_key=True)) as (_, client):
        for form in ("xml", "json"):
            question = {**ASKED, "format": form}
            assert (await client.get("/2.0", params={**question, "api_key": token})).status_code == 200
            assert (await client.post("/2.0/", data={**question, "api_key": token})).status_code == 200
            for key in ({}, {"api_key": FOREIGN}, {"api_key": "riyl_00000000_" + "x" * 43}):
                for response in (
                    await client.get("/2.0", params={**question, **key}),
                    await client.post("/2.0", data={**question, **key}),
                ):
                    code, message = error_of(response, status=403)
                    assert code == 10
                    assert "riyl keys create NAME --role read" in message


async def test_beyond_a_rate_limit_the_code_is_29(home: Home) -> None:
    async with running(home, Settings(home=home.root, rate_limit="2/hour")) as (_, client):
        for _ in range(2):
            assert (await client.get("/2.0", params=ASKED)).status_code == 200
        limited = await client.post("/2.0", data={**ASKED, "format": "json"})
        assert error_of(limited, status=429)[0] == 29
        assert int(limited.headers["retry-after"]) > 0


async def test_an_overloaded_service_asks_to_wait_with_a_status_whose_body_is_read(home: Home) -> None:
    settings = Settings(home=home.root, concurrency_per_class=1, queue_per_class=0)
    async with running(home, settings) as (app, client):
        async with app.state.limits.limiters["questions"].entered():
            shed = await client.get("/2.0", params={**ASKED, "method": "artist.getInfo"})
            assert error_of(shed, status=429)[0] == 16
            assert shed.headers["retry-after"] == "1"
            assert (await client.get("/2.0", params=ASKED)).status_code == 200  # from a ready list
        figures = (await client.get("/metrics")).text
    assert 'riyl_shed_total{limiter="questions"} 1.0' in figures
    assert 'riyl_http_request_seconds_count{method="GET",path="/2.0",status="200"} 1.0' in figures


async def test_without_a_version_the_service_is_offline(home: Home) -> None:
    shutil.rmtree(home.versions)
    async with running(home) as (_, client):
        code, message = error_of(await client.get("/2.0", params=ASKED), status=503)
    assert code == 11
    assert "no promoted version" in message


@pytest.mark.parametrize(("method", "status"), [("PUT", 405), ("DELETE", 405)])
async def test_other_http_methods_are_refused_in_the_form_of_the_protocol(home: Home, method: str, status: int) -> None:
    async with running(home) as (_, client):
        refused = await client.request(method, "/2.0/?format=json")
        assert error_of(refused, status=status)[0] == 6
        assert refused.headers["allow"] == "GET, HEAD, POST"
        head = await client.head("/2.0", params=ASKED)
        assert (head.status_code, head.content) == (200, b"")

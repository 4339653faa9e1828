"""Routes that speak the protocol of another service: keys, limits and errors in the form of that protocol."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest
from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Scope

from riyl.app.http.dialect import Dialect, ProblemDetails
from riyl.app.http.limited_route import LimitedRoute
from riyl.app.http.route_facts import RouteFacts, facts_of_dialects
from riyl.app.routes import health
from riyl.core.db.keys import Role
from riyl.core.settings import Home, Settings
from tests.app.conftest import key_headers, running

PATH = "/other/thing"
OURS = "/v1/index"


def respond(problem: ProblemDetails, scope: Scope) -> Response:
    return PlainTextResponse(f"{problem.title} at {scope['path']}", problem.status, dict(problem.headers))


def token_of(scope: Scope, body: bytes) -> str | None:
    tokens = parse_qs(scope["query_string"].decode() + "&" + body.decode()).get("code", [])
    return tokens[0] if tokens else None


FACTS = RouteFacts(max_body_bytes=1000, dialect=Dialect(respond, token_of))


def other_service() -> APIRouter:
    router = APIRouter(route_class=LimitedRoute)

    @router.api_route(PATH, methods=["GET", "POST"], include_in_schema=False)
    @FACTS
    async def thing(request: Request) -> Response:
        return Response(await request.body())

    return router


@pytest.fixture(autouse=True)
def spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every service of a test speak the protocol at PATH too."""
    router = other_service()
    router.include_router(health.router)
    monkeypatch.setattr(health, "router", router)


async def test_a_key_is_taken_from_the_query_the_body_and_the_header(home: Home) -> None:
    headers = key_headers(home, Role.READ)
    code = headers["authorization"].removeprefix("Bearer ")
    async with running(home, Settings(home=home.root, require_key=True)) as (_, client):
        assert (await client.get(PATH, params={"code": code})).status_code == 200
        assert (await client.get(PATH, headers=headers)).status_code == 200
        posted = await client.post(PATH, data={"a": "b", "code": code})
        assert (posted.status_code, posted.text) == (200, f"a=b&code={code}")
        for response in (
            await client.get(PATH),
            await client.get(PATH, params={"code": "riyl_00000000_" + "x" * 43}),
            await client.post(PATH, data={"code": "other"}),
            await client.post(PATH),
        ):
            assert (response.status_code, response.text) == (401, f"key needed at {PATH}")
        assert (await client.get(OURS, params={"code": code})).headers["content-type"] == "application/problem+json"


async def test_errors_of_limits_have_the_form_of_the_protocol_and_only_there(home: Home) -> None:
    settings = Settings(home=home.root, rate_limit="6/hour")
    async with running(home, settings) as (_, client):
        large = await client.post(PATH, content=b"x" * 1001)
        assert (large.status_code, large.text) == (413, f"body too large at {PATH}")
        wrong = await client.put(PATH)
        assert (wrong.status_code, wrong.text) == (405, f"method not allowed at {PATH}")
        assert wrong.headers["allow"] == "GET, HEAD, POST"
        long = await client.get(PATH, params={"a": "x" * 20_000})
        assert (long.status_code, long.text) == (414, f"address too long at {PATH}")
        foreign = await client.get(PATH, headers={"host": "evil.example"})
        assert (foreign.status_code, foreign.text) == (421, f"unknown host at {PATH}")
        for _ in range(4):
            assert (await client.get(PATH)).status_code == 200
        limited = await client.get(PATH)
        assert (limited.status_code, limited.text) == (429, f"too many requests at {PATH}")
        assert int(limited.headers["retry-after"]) > 0
        assert (await client.get(OURS)).headers["content-type"] == "application/problem+json"
        figures = (await client.get("/metrics")).text
        assert f'riyl_http_request_seconds_count{{method="GET",path="{PATH}",status="200"}} 4.0' in figures


def test_a_path_with_parameters_has_no_dialect() -> None:
    router = APIRouter(route_class=LimitedRoute)

    @router.get("/other/{id}")
    @FACTS
    async def thing() -> Response:
        return Response()

    with pytest.raises(ValueError, match="wanted paths without parameters"):
        facts_of_dialects(router.routes)

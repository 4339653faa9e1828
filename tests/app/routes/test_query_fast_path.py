"""Tests that the fast path of queries answers as the route does, and accepts only cheap queries."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from starlette.types import Message, Receive, Scope, Send

from riyl.app.http.dependencies import held
from riyl.app.http.limited_route import RequestLimits
from riyl.app.http.request_scope import KEY, RequestContext
from riyl.app.routes.query_fast_path import MAX_CHEAP_BYTES, QueryFastPath
from riyl.app.routes.similar import similar_to
from riyl.app.serving.reloader import VersionReloader
from tests.app.routes.test_artists import Asking

SEEDS = [{"id": "a003"}, {"id": "a005", "weight": 2.0}]
JSON = "application/json"
OF_THE_ROUTE = "application/json; charset=utf-8"
"""Another spelling of the same query, which is left to the route."""


def post(asking: Asking, content: bytes, kind: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        return await asking.client.post("/v1/similar", content=content, headers={"content-type": kind})

    return asking.run(ask())


def reaches_the_route(
    asking: Asking, body: bytes, kind: str = JSON, path: str = "/v1/similar", query: bytes = b""
) -> bytes | None:
    """Return the body that the route receives; None if the fast path answered."""
    received: list[bytes] = []
    sent: list[Message] = []

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        received.append((await receive())["body"])

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": query, "headers": headers}
    context = next(each for each in iter_route_contexts(asking.app.routes) if each.endpoint is similar_to)
    limits = held(asking.app, "limits", RequestLimits)
    fast_path = QueryFastPath(route, context, held(asking.app, "reloader", VersionReloader), limits)
    asking.run(fast_path({**scope, KEY: RequestContext("1")}, receive, send))
    assert bool(received) != bool(sent)
    return received[0] if received else None


@pytest.mark.parametrize(
    "question",
    [
        {"seeds": SEEDS},
        {"seeds": SEEDS[:1], "k": 50},
        {"seeds": SEEDS, "avoid": [{"id": "a007"}], "k": 3, "popularity": -1, "min_score": 0.1},
        {"seeds": SEEDS, "filters": {"attributes": {"year": {"gte": 2000}}, "modalities": ["tags"]}},
    ],
)
def test_the_fast_path_and_the_route_give_the_same_answer(asking: Asking, question: dict[str, Any]) -> None:
    body = json.dumps(question).encode()
    assert reaches_the_route(asking, body) is None
    assert reaches_the_route(asking, body, OF_THE_ROUTE) == body
    short, route = (post(asking, body, kind) for kind in (JSON, OF_THE_ROUTE))
    assert short.status_code == route.status_code == 200
    assert short.content == route.content
    assert len(short.json()["similar"]) > 0
    short_headers = {name: value for name, value in short.headers.items() if name != "x-request-id"}
    assert short_headers == {name: value for name, value in route.headers.items() if name != "x-request-id"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        json.dumps({"seeds": SEEDS}).encode("utf-16"),
        b'{"seeds": [{"id": "a003"}], "k": NaN}',
        b'{"seeds": [{"id": "a003"}], "unknown": 1}',
        b'{"seeds": [{"id": "nobody"}]}',
        b'{"seeds": [{"id": "a059"}]}',
        b'{"seeds": [{"id": "a003"}], "avoid": [{"id": "a003"}]}',
        b'{"seeds": [{"id": "a003"}], "filters": {"attributes": {"nothing": {"eq": 1}}}}',
        b'{"seeds": [{"id": "a003"}], "diversity": 0.5}',
    ],
)
def test_everything_else_goes_on_to_the_route_as_it_came(asking: Asking, body: bytes) -> None:
    assert reaches_the_route(asking, body) == body


def test_another_path_is_not_for_it(asking: Asking) -> None:
    body = json.dumps({"queries": [{"seeds": SEEDS}]}).encode()
    assert reaches_the_route(asking, body, path="/v1/similar:batch") == body


def test_a_query_is_for_the_route_which_refuses_it(asking: Asking) -> None:
    body = json.dumps({"seeds": SEEDS}).encode()
    assert reaches_the_route(asking, body, query=b"k=3") == body


def test_a_body_that_is_not_small_is_for_the_route(asking: Asking) -> None:
    body = json.dumps({"seeds": SEEDS}).encode()
    assert reaches_the_route(asking, body + b" " * (MAX_CHEAP_BYTES - len(body))) is None
    padded = body + b" " * MAX_CHEAP_BYTES
    assert reaches_the_route(asking, padded) == padded

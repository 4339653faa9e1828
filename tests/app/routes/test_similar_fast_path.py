"""Tests that the fast path of GET similar answers as the route does, and accepts only requests that it can answer."""

from __future__ import annotations

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from starlette.types import Message, Receive, Scope, Send

from riyl.app.http.dependencies import held
from riyl.app.http.request_scope import KEY, RequestContext
from riyl.app.routes.artists import similar_artists
from riyl.app.routes.similar_fast_path import SimilarFastPath
from riyl.app.serving.reloader import VersionReloader
from tests.app.routes.test_artists import Asking


def answered(
    asking: Asking, path: str, raw_path: str | None = None, query: str = "", method: str = "GET"
) -> bytes | None:
    """Return the body of the fast path's answer; None if it passes the request to the route."""
    passed: list[Scope] = []
    sent: list[Message] = []

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        passed.append(scope)

    async def receive() -> Message:
        raise AssertionError("there is no body")

    async def send(message: Message) -> None:
        sent.append(message)

    context = next(each for each in iter_route_contexts(asking.app.routes) if each.endpoint is similar_artists)
    fast_path = SimilarFastPath(route, context, held(asking.app, "reloader", VersionReloader))
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": (raw_path or path).encode(),
        "query_string": query.encode(),
        "headers": [],
        KEY: RequestContext("1"),
    }
    asking.run(fast_path(scope, receive, send))
    assert bool(passed) != bool(sent)
    return b"".join(message.get("body", b"") for message in sent) if sent else None


def by_route(asking: Asking, artist: str, k: str) -> httpx.Response:
    """Return the answer of the documented route, which an empty `explain` reaches."""

    async def ask() -> httpx.Response:
        return await asking.client.get(f"/v1/artists/{artist}/similar?{k}&explain=false")

    return asking.run(ask())


@pytest.mark.parametrize(
    "k", ["", "k=1", "k=10", "k=50", "k=200", "k=10&offset=5", "k=50&offset=50", "k=1&offset=1000"]
)
@pytest.mark.parametrize("artist", ["a001", "a005"])
def test_it_answers_what_the_route_answers(asking: Asking, artist: str, k: str) -> None:
    body = answered(asking, f"/v1/artists/{artist}/similar", query=k)
    route = by_route(asking, artist, k)
    assert route.status_code == 200
    assert body == route.content


@pytest.mark.parametrize(
    "query",
    [
        *("k=0", "k=201", "k=1e1", "k=%31", "k=10&k=10", "uncorrected=true", "explain=true", "x"),
        *("offset=5", "offset=5&k=5", "k=5&offset=0", "k=5&offset=1001", "k=201&offset=5", "k=5&offset=5&offset=5"),
    ],
)
def test_any_other_query_is_for_the_route(asking: Asking, query: str) -> None:
    assert answered(asking, "/v1/artists/a001/similar", query=query) is None


@pytest.mark.parametrize(
    "path", ["/v1/artists/a001", "/v1/artists/similar", "/v1/artists//similar", "/v1/similar", "/"]
)
def test_any_other_path_is_for_the_routes(asking: Asking, path: str) -> None:
    assert answered(asking, path) is None


@pytest.mark.parametrize("artist", ["nobody", "a059"], ids=["unknown", "nothing known of it"])
def test_an_error_is_for_the_route(asking: Asking, artist: str) -> None:
    assert answered(asking, f"/v1/artists/{artist}/similar") is None


def test_an_id_that_ends_so_is_no_address(asking: Asking) -> None:
    assert answered(asking, "/v1/artists/a001/similar", raw_path="/v1/artists/a001%2Fsimilar") is None


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS"])
def test_any_other_method_is_for_the_routes(asking: Asking, method: str) -> None:
    assert answered(asking, "/v1/artists/a001/similar", method=method) is None

"""Odd requests to the JSON protocols are never a fault of the service, and are always answered in JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riyl.core.settings import Home
from tests.app.compat.catalog import mbid, mbid_home  # noqa: F401
from tests.app.conftest import running

ODD = [mbid(1), mbid(10).upper(), f"{mbid(1)},{mbid(2)}", "a000", "!!!", "Twin", "AC/DC", "\0", "%", "1e9", "-1"]
TEXTS = st.one_of(st.text(max_size=30), st.sampled_from(ODD))
NAMES = st.sampled_from(
    "artist artist_id artist_mbids artist_mbid mbid id tag limit n include_component_matches key x".split()  # noqa: SIM905
)
QUERIES = st.lists(st.tuples(NAMES, TEXTS), max_size=6)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(["artist_mbids", "artist_mbid", "x"]), inner)
    ),
    max_leaves=8,
)
PATHS = ("/similar-artists/json", "/lidarr/similar", "/api/similar_artists")


@pytest.fixture(scope="module")
def service(mbid_home: Home) -> Iterator[tuple[asyncio.Runner, httpx.AsyncClient]]:  # noqa: F811
    """Run a service for all requests of this module."""
    with asyncio.Runner() as runner:
        context = running(mbid_home)
        _, client = runner.run(context.__aenter__())
        yield runner, client
        runner.run(context.__aexit__(None, None, None))


def check(response: httpx.Response) -> None:
    assert response.status_code < 500, response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert isinstance(body, list) if response.status_code == 200 else list(body) == ["error"]


@settings(max_examples=300, deadline=None)
@given(path=st.sampled_from(PATHS), query=QUERIES)
def test_odd_queries(
    service: tuple[asyncio.Runner, httpx.AsyncClient], path: str, query: list[tuple[str, str]]
) -> None:
    runner, client = service
    check(runner.run(client.get(path, params=query)))


@settings(max_examples=300, deadline=None)
@given(body=st.one_of(st.binary(max_size=50), VALUES, st.lists(st.dictionaries(st.just("artist_mbids"), VALUES))))
def test_odd_bodies(service: tuple[asyncio.Runner, httpx.AsyncClient], body: object) -> None:
    runner, client = service
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    try:
        request = client.build_request("POST", PATHS[0], **content)  # type: ignore[arg-type]
    except ValueError:  # NaN, which JSON does not have
        return
    check(runner.run(client.send(request)))

"""/lidarr/similar answers as Lidarr's custom list wants it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from riyl.core.db.keys import Role
from riyl.core.settings import Home, Settings
from tests.app.compat.catalog import home, mbid, mbid_home  # noqa: F401
from tests.app.compat.test_listenbrainz import UNKNOWN, first_with_mbid
from tests.app.conftest import asked, key_headers, run, running

PATH = "/lidarr/similar"


async def mbids(client: httpx.AsyncClient, **parameters: Any) -> list[str]:
    response = await client.get(PATH, params=parameters, headers={"accept": "application/json"})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    assert all(list(each) == ["MusicBrainzId"] for each in response.json())
    return [each["MusicBrainzId"] for each in response.json()]


def test_for_100_artists_the_list_is_that_of_get_similar_in_its_order(home: Home) -> None:  # noqa: F811
    async def scenario() -> None:
        async with running(home) as (_, client):
            for i in range(100):
                similar = (await client.get(f"/v1/artists/a{i:03d}/similar", params={"k": 200})).json()["similar"]
                assert await mbids(client, id=f"a{i:03d}") == list(first_with_mbid(similar, 100))

    run(scenario())


def test_an_artist_is_named_by_name_mbid_or_id(home: Home) -> None:  # noqa: F811
    async def scenario() -> None:
        async with running(home) as (_, client):
            for i, name in ((0, "ac/dc"), (1, "Guns N' Roses"), (2, "宇多田ヒカル"), (3, "!!!")):
                expected = await mbids(client, id=f"a{i:03d}")
                assert len(expected) == 100
                assert await mbids(client, artist=name) == expected
                assert await mbids(client, mbid=mbid(i).upper()) == expected
                assert await mbids(client, artist=name, limit=5, unknown="x") == expected[:5]

    run(scenario())


def test_of_several_artists_of_a_name_the_best_known_is_meant(home: Home) -> None:  # noqa: F811
    async def scenario() -> None:
        async with running(home) as (_, client):
            twins = [(await client.get(f"/v1/artists/{each}")).json()["artist"] for each in ("a004", "a013")]
            best = max(twins, key=lambda each: each["listeners"])
            assert twins[0]["listeners"] != twins[1]["listeners"]
            assert await mbids(client, artist="Twin") == await mbids(client, id=best["id"])

    run(scenario())


def test_several_artists_and_tags_together_give_the_list_of_post_similar(home: Home) -> None:  # noqa: F811
    async def scenario() -> None:
        async with running(home) as (_, client):
            for seeds, tags in ((["a000", "a001", "a002"], []), (["a003"], ["ska"]), ([], ["bop", "swing"])):
                query = {"seeds": [{"id": seed} for seed in seeds], "tags": dict.fromkeys(tags, 1), "k": 300}
                similar = (await client.post("/v1/similar", json=query)).json()["similar"]
                expected = list(first_with_mbid(similar, 100))
                assert len(expected) == 100
                assert await mbids(client, id=seeds, tag=tags) == expected

    run(scenario())


def test_a_limit_beyond_the_artists_with_an_mbid_lists_all_of_them(home: Home) -> None:  # noqa: F811
    async def scenario() -> None:
        async with running(home) as (_, client):
            listed = await mbids(client, id="a000", limit=500)
            # 300 artists; without an mbid 30, of the same mbid 2, the artist itself, and the one without data
            assert len(listed) == len(set(listed)) == 300 - 30 - 1 - 2

    run(scenario())


@pytest.mark.parametrize(
    ("query", "status", "error"),
    [
        ("", 400, "found none of artist, mbid, id and tag; wanted at least one of them"),
        ("artist=", 400, "artist"),
        ("limit=0&id=a000", 400, "limit"),
        ("limit=501&id=a000", 400, "limit"),
        ("limit=x&id=a000", 400, "limit"),
        ("artist=Nobody+of+this+Name", 404, "there is no artist 'Nobody of this Name'"),
        ("id=a000&id=a999", 404, "there is no artist 'a999'"),
        (f"mbid={UNKNOWN}", 404, UNKNOWN),
        ("artist=Nobody+Knows", 409, "has no embedding"),
        ("&".join(["id=a000"] * 60 + ["artist=x"] * 41), 400, "found 101 artists; wanted at most 100"),
        ("&".join(["tag=ska"] * 201), 400, "tag"),
        ("tag=nothing-that-is-known", 409, "nothing known of the query"),
    ],
)
def test_a_wrong_query_is_an_error_with_a_reason(home: Home, query: str, status: int, error: str) -> None:  # noqa: F811
    (response,) = asked(home, f"{PATH}?{query}")
    assert response.status_code == status, response.text
    assert list(response.json()) == ["error"]
    assert error in response.json()["error"]


def test_the_key_is_in_the_address_because_lidarr_sends_no_header(home: Home) -> None:  # noqa: F811
    settings = Settings(home=home.root, require_key=True)
    token = key_headers(home, Role.READ)["authorization"].removeprefix("Bearer ")
    without, with_key = asked(home, f"{PATH}?id=a000", f"{PATH}?id=a000&key={token}", settings=settings)
    assert without.status_code == 401
    assert len(with_key.json()) == 100

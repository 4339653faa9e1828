"""/similar-artists/json answers as ListenBrainz labs does."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from riyl.app.compat.listenbrainz import MAX_SEEDS, score_of
from riyl.core.db.keys import Role
from riyl.core.settings import Home, Settings
from tests.app.compat.catalog import PEOPLE, N, home, mbid, mbid_home, mbid_in_table  # noqa: F401
from tests.app.conftest import asked, key_headers, riyl, run, running

PATH = "/similar-artists/json"
NAVIDROME = "session_based_days_9000_session_300_contribution_5_threshold_15_limit_50_skip_30"
UNKNOWN = "ffffffff-ffff-4fff-8fff-ffffffffffff"


async def rows(client: httpx.AsyncClient, *mbids: str) -> list[dict[str, Any]]:
    response = await client.get(PATH, params={"artist_mbids": ",".join(mbids), "algorithm": NAVIDROME})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    listed: list[dict[str, Any]] = response.json()
    return listed


def first_with_mbid(similar: list[dict[str, Any]], n: int) -> dict[str, dict[str, Any]]:
    """Return by mbid, in lower case, the first n artists that have one; of several with the same the first."""
    by_mbid: dict[str, dict[str, Any]] = {}
    for artist in similar:
        if artist["mbid"] and artist["mbid"].lower() not in by_mbid:
            by_mbid[artist["mbid"].lower()] = artist
    return dict(list(by_mbid.items())[:n])


def test_for_100_artists_the_rows_are_those_of_get_similar_in_its_order(home: Home) -> None:  # noqa: F811
    async def scenario() -> None:
        async with running(home) as (_, client):
            for i in [i for i in range(130) if mbid_in_table(i) == mbid(i).upper() or i % 10 not in (0, 5)][:100]:
                similar = (await client.get(f"/v1/artists/a{i:03d}/similar", params={"k": 200})).json()["similar"]
                expected = first_with_mbid(similar, 100)
                listed = await rows(client, mbid(i))
                assert [row["artist_mbid"] for row in listed] == list(expected)
                assert [row["name"] for row in listed] == [each["name"] for each in expected.values()]
                assert [row["score"] for row in listed] == [
                    max(0, round(10_000 * each["score"])) for each in expected.values()
                ]
                assert len(listed) == 100

    run(scenario())


def test_a_row_has_the_members_of_listenbrainz_and_their_types(home: Home) -> None:  # noqa: F811
    async def scenario() -> None:
        async with running(home) as (_, client):
            listed = await rows(client, mbid(3).upper())
            fields = ["artist_mbid", "name", "comment", "type", "gender", "score", "reference_mbid"]
            assert all(list(row) == fields for row in listed)
            assert {row["reference_mbid"] for row in listed} == {mbid(3)}
            assert all(type(row["score"]) is int for row in listed)
            by_mbid = {row["artist_mbid"]: row for row in listed}
            told = {
                i: tuple(by_mbid[mbid(i)][each] for each in ("type", "gender", "comment"))
                for i in PEOPLE
                if mbid(i) in by_mbid
            }
            assert told == {6: ("Person", "female", "Icelandic singer"), 9: ("Group", None, "")}

    run(scenario())


def test_both_spellings_and_both_methods_give_the_same_rows(home: Home) -> None:  # noqa: F811
    async def scenario() -> None:
        async with running(home) as (_, client):
            expected = await rows(client, mbid(1), mbid(2))
            assert [row["reference_mbid"] for row in expected] == [mbid(1)] * 100 + [mbid(2)] * 100
            for query in (
                [("artist_mbid", mbid(1)), ("artist_mbid", mbid(2))],
                [("artist_mbids", mbid(1)), ("artist_mbid", mbid(2)), ("mode", "x")],
                [("artist_mbids", f" {mbid(1)} ,{mbid(2)},{mbid(1)},")],
            ):
                assert (await client.get(PATH, params=query)).json() == expected
            for body in (
                [{"artist_mbids": [mbid(1), mbid(2)], "algorithm": "any"}],
                [{"artist_mbids": [mbid(1)]}, {"artist_mbids": [mbid(2).upper()], "algorithm": 3}],
                [{"artist_mbid": f"{mbid(1)},{mbid(2)}"}],
            ):
                response = await client.post(PATH, json=body)
                assert (response.status_code, response.json()) == (200, expected)

    run(scenario())


def test_an_artist_that_is_unknown_or_has_no_data_has_no_rows(home: Home) -> None:  # noqa: F811
    async def scenario() -> None:
        async with running(home) as (_, client):
            assert await rows(client, UNKNOWN) == []
            assert await rows(client, mbid(N - 1)) == []
            assert [row["reference_mbid"] for row in await rows(client, UNKNOWN, mbid(1))] == [mbid(1)] * 100

    run(scenario())


def test_an_mbid_of_several_artists_means_the_best_known_and_is_listed_once(home: Home) -> None:  # noqa: F811
    async def scenario() -> None:
        async with running(home) as (_, client):
            both = [(await client.get(f"/v1/artists/{each}")).json()["artist"] for each in ("a010", "a020")]
            best = max(both, key=lambda each: each["listeners"])
            assert both[0]["listeners"] != both[1]["listeners"]
            similar = (await client.get(f"/v1/artists/{best['id']}/similar", params={"k": 200})).json()["similar"]
            assert [row["artist_mbid"] for row in await rows(client, mbid(10))] == list(first_with_mbid(similar, 100))
            for i in range(30):
                listed = [row["artist_mbid"] for row in await rows(client, mbid(i))] if i % 10 not in (0, 5) else []
                assert len(listed) == len(set(listed))

    run(scenario())


def test_rules_and_changes_apply(home: Home) -> None:  # noqa: F811
    headers = key_headers(home, Role.ADMIN)
    before = asked(home, f"{PATH}?artist_mbid={mbid(1)}")[0].json()
    first, second = (int(row["artist_mbid"][:8], 16) for row in before[:2])
    riyl(home, "rules", "add", "block", f"a{first:03d}")

    async def scenario() -> None:
        async with running(home) as (_, client):
            assert (await rows(client, mbid(1)))[0]["artist_mbid"] == mbid(second)
            assert await rows(client, mbid(first)) == []
            deleted = await client.delete(f"/v1/artists/a{second:03d}", headers=headers)
            assert deleted.status_code < 300
            while (await client.get(f"/v1/artists/a{second:03d}")).status_code != 404:
                await asyncio.sleep(0.01)
            assert mbid(second) not in [row["artist_mbid"] for row in await rows(client, mbid(1))]
            assert await rows(client, mbid(second)) == []

    run(scenario())


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("", "artist_mbids: found 0 artists; wanted 1 to 50"),
        ("artist_mbids=,,", "artist_mbids: found 0 artists; wanted 1 to 50"),
        ("artist_mbids=Bjork", "artist_mbids: found 'bjork'; wanted a MusicBrainz id such as"),
        (f"artist_mbids={mbid(1)}0", "wanted a MusicBrainz id such as"),
        ("artist_mbids=" + ",".join(map(mbid, range(MAX_SEEDS + 1))), "found 51 artists; wanted 1 to 50"),
    ],
)
def test_a_wrong_query_is_400_with_a_reason(home: Home, query: str, error: str) -> None:  # noqa: F811
    (response,) = asked(home, f"{PATH}?{query}")
    assert response.status_code == 400
    assert list(response.json()) == ["error"]
    assert error in response.json()["error"]


@pytest.mark.parametrize(
    "body",
    ["", "{", "{}", "7", "null", "[1]", '[{"artist_mbids": 3}]', '[{"artist_mbids": [3]}]', "[]", "[{}]", "[" * 5000],
)
def test_a_wrong_body_is_400_with_a_reason(home: Home, body: str) -> None:  # noqa: F811
    (response,) = asked(home, PATH, method="POST", content=body)
    assert response.status_code == 400
    assert "wanted" in response.json()["error"]


def test_errors_of_the_service_have_the_same_form(home: Home) -> None:  # noqa: F811
    async def scenario() -> None:
        async with running(home, Settings(home=home.root, require_key=True)) as (_, client):
            token = key_headers(home, Role.READ)["authorization"].removeprefix("Bearer ")
            path = f"{PATH}?artist_mbids={mbid(1)}"
            assert (await client.get(path)).status_code == 401
            assert list((await client.get(path)).json()) == ["error"]
            for kind in ("Token", "Bearer"):
                assert (await client.get(path, headers={"authorization": f"{kind} {token}"})).status_code == 200
            assert (await client.get(f"{path}&key={token}")).status_code == 200
            assert (await client.post(f"{PATH}?key={token}", content=b"x" * 70_000)).status_code == 413
            wrong = await client.put(f"{PATH}?key={token}")
            assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD, POST")

    run(scenario())


def test_a_score_rises_with_the_similarity() -> None:
    assert [score_of(each) for each in (-1.0, -0.1, 0.0, 0.00004, 0.00006, 0.5, 0.98765, 1.0, 1.2)] == [
        *(0, 0, 0, 0, 1, 5000, 9876, 10_000, 12_000),
    ]

"""/api/similar_artists answers as AudioMuse-AI does, for its plugins of Navidrome and Jellyfin."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

from riyl.core.db.aliases import AliasKind, replace_aliases
from riyl.core.db.keys import Role
from riyl.core.settings import Home, Settings
from tests.app.compat.catalog import home, mbid_home  # noqa: F401
from tests.app.conftest import asked, database, key_headers, riyl, run, running

PATH = "/api/similar_artists"


def guid(i: int) -> str:
    """Return the id of an artist as Jellyfin's plugin sends it."""
    return uuid.uuid5(uuid.NAMESPACE_URL, str(i)).hex


def navidrome(i: int) -> str:
    return f"NDaa{i:018d}"


@pytest.fixture(autouse=True)
def mapped(home: Home) -> None:  # noqa: F811
    """Map the first 120 artists of Navidrome, and the first 150 of Jellyfin."""
    opened = database(home)
    replace_aliases(opened, AliasKind.NAVIDROME, {navidrome(i): f"a{i:03d}" for i in range(120)})
    replace_aliases(opened, AliasKind.JELLYFIN, {guid(i): f"a{i:03d}" for i in range(150)})
    opened.close()


async def rows(client: httpx.AsyncClient, **parameters: Any) -> list[dict[str, Any]]:
    response = await client.get(PATH, params=parameters)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    listed: list[dict[str, Any]] = response.json()
    return listed


def number(artist_id: str) -> int:
    return int(artist_id.removeprefix("a"))


def test_for_100_artists_the_rows_are_those_of_get_similar_with_the_ids_of_the_media_server(
    home: Home,  # noqa: F811
) -> None:
    async def scenario() -> None:
        async with running(home) as (_, client):
            for i in range(100):
                similar = (await client.get(f"/v1/artists/a{i:03d}/similar", params={"k": 100})).json()["similar"]
                for parameters, id_of, n_mapped in (
                    ({"artist": navidrome(i), "include_component_matches": "false"}, navidrome, 120),
                    ({"artist_id": guid(i)}, guid, 150),
                    ({"artist_id": str(uuid.UUID(guid(i))).upper()}, guid, 150),
                ):
                    expected = [
                        {
                            "artist": each["name"],
                            "artist_id": id_of(number(each["id"])) if number(each["id"]) < n_mapped else None,
                            "divergence": max(0.0, round(1 - each["score"], 6)),
                        }
                        for each in similar
                    ]
                    assert await rows(client, n=100, **parameters) == expected

    run(scenario())


def test_a_name_is_looked_for_where_there_is_no_such_id_and_rows_have_no_ids_then(home: Home) -> None:  # noqa: F811
    async def scenario() -> None:
        async with running(home) as (_, client):
            by_id = await rows(client, artist=navidrome(2))
            assert len(by_id) == 10
            for parameters in ({"artist": "宇多田ヒカル"}, {"artist_id": "宇多田ヒカル"}):
                by_name = await rows(client, **parameters)
                assert by_name == [{**row, "artist_id": None} for row in by_id]

    run(scenario())


def test_n_is_read_as_audiomuse_reads_it(home: Home) -> None:  # noqa: F811
    async def scenario() -> None:
        async with running(home) as (_, client):
            lengths = {"3": 3, "x": 10, "": 10, "0": 0, "-5": 0, "200": 200, "99999999999999999999": 200}
            for n, length in lengths.items():
                assert len(await rows(client, artist=navidrome(1), n=n)) == length

    run(scenario())


def test_component_matches_are_an_empty_list_where_they_are_wanted(home: Home) -> None:  # noqa: F811
    async def scenario() -> None:
        async with running(home) as (_, client):
            wanted = await rows(
                client, artist=navidrome(1), include_component_matches="True", ef_search="9", server="x"
            )
            assert [row.pop("component_matches") for row in wanted] == [[]] * 10
            assert wanted == await rows(client, artist=navidrome(1))

    run(scenario())


def test_an_unmapped_artist_has_no_rows_and_is_counted(home: Home) -> None:  # noqa: F811
    async def scenario() -> None:
        async with running(home) as (_, client):
            for named in (navidrome(200), guid(200), "Nobody of this Name", "\0", "x" * 201, "'; drop table aliases"):
                assert await rows(client, artist=named) == []
            assert await rows(client, artist="Nobody Knows") == []  # known, but without data
            assert len(await rows(client, artist=navidrome(1))) == 10
            assert "riyl_unmapped_artists_total 6.0" in (await client.get("/metrics")).text.splitlines()

    run(scenario())


def test_a_mapped_artist_that_is_blocked_has_no_rows_and_is_in_no_list(home: Home) -> None:  # noqa: F811
    (before,) = asked(home, f"{PATH}?artist={navidrome(1)}&n=50")
    blocked = next(row for row in before.json() if row["artist_id"])
    riyl(home, "rules", "add", "block", f"a{int(blocked['artist_id'].removeprefix('NDaa')):03d}")
    of_blocked, after = asked(home, f"{PATH}?artist={blocked['artist_id']}", f"{PATH}?artist={navidrome(1)}&n=49")
    assert of_blocked.json() == []
    assert after.json() == [row for row in before.json() if row != blocked]


def test_neither_name_nor_id_is_400_as_of_audiomuse(home: Home) -> None:  # noqa: F811
    for response in asked(home, PATH, f"{PATH}?artist=&artist_id="):
        assert response.status_code == 400
        assert response.json() == {"error": "found neither artist nor artist_id; wanted one of them"}


def test_the_token_of_the_plugins_is_our_key(home: Home) -> None:  # noqa: F811
    settings = Settings(home=home.root, require_key=True)
    path = f"{PATH}?artist={navidrome(1)}"
    assert asked(home, path, settings=settings)[0].status_code == 401
    (response,) = asked(home, path, headers=key_headers(home, Role.READ), settings=settings)
    assert len(response.json()) == 10

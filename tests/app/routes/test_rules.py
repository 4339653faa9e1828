"""Tests of rules over HTTP: admins add, list and drop them, and every path applies them."""

from __future__ import annotations

import json
import shutil
from typing import Any

import httpx
import pytest

from riyl.app.main import create_app
from riyl.core.settings import Home, Settings
from riyl.index.artifact.version import Version
from riyl.index.versions.lifecycle import promote
from tests.app.conftest import asked, database, key_headers, problem_of, running
from tests.app.rules import BLOCK, NEVER, PIN, ids, make, order, rule
from tests.index.conftest import MBID


async def test_a_rule_is_made_listed_and_dropped(home: Home, headers: dict[str, str]) -> None:
    async with running(home) as (_, client):
        body = rule(PIN, "a001", "a002", why="their wish")
        created = await client.post("/v1/rules", json=body, headers=headers)
        assert created.status_code == 201, created.text
        stored_rule = created.json()
        assert {name: stored_rule[name] for name in body} == body
        assert (stored_rule["number"], stored_rule["by"], stored_rule["known"], stored_rule["state"]) == (
            1,
            "key:tester",
            True,
            "in force",
        )
        again = await client.post("/v1/rules", json={**body, "why": "again"}, headers=headers)
        assert (again.status_code, again.json()) == (200, stored_rule)
        early = await client.post("/v1/rules", json=rule(BLOCK, "not yet"), headers=headers)
        assert (early.status_code, early.json()["known"], early.json()["state"]) == (201, False, "unknown artist")
        await client.post("/v1/rules", json=rule(NEVER, "a003", "a001"), headers=headers)

        async def numbers(query: str) -> list[int]:
            answer = await client.get(f"/v1/rules{query}", headers=headers)
            assert answer.status_code == 200, answer.text
            return [each["number"] for each in answer.json()["rules"]]

        assert await numbers("") == [3, 2, 1]
        assert await numbers("?kind=block") == [2]
        assert await numbers("?artist=a001") == [3, 1]
        assert await numbers("?artist=a002") == [1]
        assert await numbers("?limit=1&before=3") == [2]
        dropped = await client.delete("/v1/rules/2", headers=headers)
        assert (dropped.status_code, dropped.content) == (204, b"")
        problem_of(await client.delete("/v1/rules/2", headers=headers), 404, "not found")
        assert await numbers("") == [3, 1]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"kind": "pin", "artist": "a"}, "body.pin.other"),
        ({"kind": "never", "artist": "a"}, "body.never.other"),
        ({"kind": "block", "artist": "a", "other": "b"}, "body.block.other"),
        ({"kind": "block"}, "body.block.artist"),
        ({"kind": "block", "artist": ""}, "body.block.artist"),
        ({"kind": "block", "artist": "a" * 201}, "body.block.artist"),
        ({"kind": "block", "artist": "a\0"}, "body.block.artist"),
        ({"kind": "block", "artist": "\ud800"}, "body.block.artist"),
        ({"kind": "block", "artist": 7}, "body.block.artist"),
        ({"kind": "block", "artist": "a", "whose": "b"}, "body.block.whose"),
        ({"kind": "pin", "artist": "a", "other": "b", "why": "x" * 1001}, "body.pin.why"),
        ({"kind": "ban", "artist": "a"}, "body"),
        ({"artist": "a"}, "body"),
        ([], "body"),
    ],
)
def test_a_body_that_is_no_rule_is_422_and_makes_none(home: Home, body: Any, where: str) -> None:
    headers = {**key_headers(home), "content-type": "application/json"}
    (answer,) = asked(home, "/v1/rules", method="POST", headers=headers, content=json.dumps(body).encode())
    assert problem_of(answer, 422, "invalid request")["errors"][0]["where"] == where
    (listed,) = asked(home, "/v1/rules", headers=headers)
    assert listed.json() == {"rules": []}


def test_a_pair_of_one_artist_is_422(home: Home, headers: dict[str, str]) -> None:
    (answer,) = asked(home, "/v1/rules", method="POST", headers=headers, json=rule(PIN, "a001", "a001"))
    assert "wanted another artist" in problem_of(answer, 422, "invalid request")["detail"]


@pytest.mark.parametrize(
    "query",
    ["?kind=ban", "?artist=", f"?artist={'a' * 201}", "?limit=0", "?limit=201", "?before=0", "?before=2147483648"],
)
def test_a_list_out_of_range_is_422(home: Home, query: str) -> None:
    (answer,) = asked(home, f"/v1/rules{query}", headers=key_headers(home))
    problem_of(answer, 422, "invalid request")


def test_a_blocked_artist_is_as_if_it_were_not_there(home: Home, version: Version) -> None:
    paths = [
        *(
            f"/v1/artists/{who}{what}"
            for who in ("a001", MBID)
            for what in ("", "/similar", "/similar?uncorrected=true")
        ),
        "/v1/artists:resolve?name=Radiohead",
        "/v1/artists:resolve?name=on+a+friday",
    ]
    make(home, (BLOCK, "a001", None))
    for answer in asked(home, *paths):
        assert all(near["id"] != "a001" for near in problem_of(answer, 404, "unknown artist")["near"])
    begun, typo = asked(home, "/v1/artists?q=radiohead", "/v1/artists/Radiohed")
    assert begun.json()["artists"] == []
    assert problem_of(typo, 404, "unknown artist")["near"] == []
    rows = [row for row in range(59) if row != 1]
    paths = [
        f"/v1/artists/a{row:03d}/similar?k=200{more}"
        for row in rows
        for more in ("", "&uncorrected=true", "&explain=false")
    ]
    answers = asked(home, *paths)
    for place, row in enumerate(rows):
        wanted = [artist for artist in order(version, row) if artist != "a001"]
        assert [ids(answer) for answer in answers[3 * place : 3 * place + 3]] == [wanted] * 3


def test_a_never_hides_both_ways_and_a_pin_stands_first(home: Home, version: Version) -> None:
    similar_ids = order(version, 2)
    make(
        home, (NEVER, similar_ids[0], "a002"), (PIN, "a002", similar_ids[9]), (PIN, "a002", similar_ids[4]),
        (PIN, "a002", similar_ids[0]), (PIN, "a002", "a059"),
    )  # fmt: skip
    wanted = [
        similar_ids[9],
        similar_ids[4],
        *(artist for artist in similar_ids[1:] if artist not in (similar_ids[9], similar_ids[4])),
    ]
    scores = dict(zip(similar_ids, version.scores[2].tolist(), strict=False))
    paths = [
        f"/v1/artists/a002/similar?k={k}{more}"
        for k in (1, 7, 200)
        for more in ("", "&explain=false", "&uncorrected=true")
    ]
    answers = asked(home, *paths)
    for place, k in enumerate((1, 7, 200)):
        for answer in answers[3 * place : 3 * place + 3]:
            assert ids(answer) == wanted[:k]
            for position, each in enumerate(answer.json()["similar"]):
                assert each["score"] == pytest.approx(scores[each["id"]], rel=1e-6)
                assert each.get("pinned") is (True if position < 2 else None)
        assert answers[3 * place].content == answers[3 * place + 1].content
    (back,) = asked(home, f"/v1/artists/{similar_ids[0]}/similar?k=200")
    assert "a002" not in ids(back)
    assert all("pinned" not in each for each in back.json()["similar"])


def test_raw_lists_of_corrected_scores_obey_too(home: Home, corrected: Version) -> None:
    shutil.copytree(corrected.folder, home.versions / corrected.id)
    promote(home.versions, database(home), corrected.id, by="test", why="test")
    path = "/v1/artists/a003/similar?k=200&uncorrected=true"
    (before,) = asked(home, path)
    similar_ids = ids(before)
    make(home, (BLOCK, similar_ids[1], None), (NEVER, similar_ids[2], "a003"), (PIN, "a003", similar_ids[-1]))
    (after,) = asked(home, path)
    assert ids(after) == [similar_ids[-1], similar_ids[0], *similar_ids[3:-1]]
    cosine = corrected.embeddings[3].astype(float) @ corrected.embeddings[int(similar_ids[-1][1:])].astype(float)
    assert after.json()["similar"][0]["score"] == pytest.approx(cosine, abs=1e-6)


async def test_the_replica_that_makes_a_rule_obeys_before_it_answers(home: Home, version: Version) -> None:
    headers, path = key_headers(home), "/v1/artists/a002/similar"
    first = order(version, 2)[0]
    app = create_app(Settings(home=home.root), poll_s=3600)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
    async with app.router.lifespan_context(app), client:
        plain = await client.get(path)
        assert plain.headers["etag"] == f'"{version.id}"'
        created = await client.post("/v1/rules", json=rule(BLOCK, first), headers=headers)
        apply_rules = await client.get(path)
        assert first not in ids(apply_rules)
        assert apply_rules.headers["riyl-version"] == version.id
        dropped = await client.delete(f"/v1/rules/{created.json()['number']}", headers=headers)
        assert dropped.status_code == 204
        again = await client.get(path)
        assert (again.content, again.headers["etag"]) == (plain.content, plain.headers["etag"])


@pytest.mark.parametrize("more", ["", "?k=10&explain=false", "?uncorrected=true"])
async def test_what_a_client_kept_is_not_modified_until_a_rule_is_made(home: Home, more: str) -> None:
    headers = key_headers(home)
    async with running(home) as (_, client):
        for path in (f"/v1/artists/a002/similar{more}", "/v1/artists/a002", "/v1/artists?q=radiohead"):
            etag = (await client.get(path)).headers["etag"]
            assert (await client.get(path, headers={"if-none-match": etag})).status_code == 304
            other = (await client.get(path)).json()
            body = rule(NEVER, "a002", f"a0{len(path):02d}")
            assert (await client.post("/v1/rules", json=body, headers=headers)).status_code == 201
            fresh = await client.get(path, headers={"if-none-match": etag})
            assert fresh.status_code == 200
            assert fresh.headers["etag"] != etag
            assert fresh.json()["version"] == other["version"]
            again = await client.get(path, headers={"if-none-match": fresh.headers["etag"]})
            assert (again.status_code, again.headers["etag"]) == (304, fresh.headers["etag"])

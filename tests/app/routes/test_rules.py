"""Rules over HTTP: made, listed and dropped by admins, and obeyed on every path, in every replica."""

from __future__ import annotations

import json
import shutil
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from app import watch
from app.main import create_app
from app.observe import Metrics
from app.watch import Serving
from core.db.keys import Role, create_key
from core.db.promotions import add_promotion
from core.db.rules import add_rule, drop_rule
from core.db.session import Database
from core.errors import DatabaseDownError
from core.rules import RuleKind, read_copy
from core.settings import Home, Settings
from index.artifact import Version
from index.versions import promote
from tests.app.conftest import asked, database, key_headers, problem_of, run, running, until
from tests.conftest import forget_database
from tests.index.conftest import MBID

BLOCK, NEVER, PIN = RuleKind
AWAY = SecretStr("postgresql://riyl@127.0.0.1:1/riyl")


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["similar"]]


def order(version: Version, row: int) -> list[str]:
    """The whole list without rules."""
    return [version.artist_ids[other] for other in version.neighbours[row].tolist() if other >= 0]


def rule(kind: RuleKind, artist: str, other: str | None = None, **options: Any) -> dict[str, Any]:
    return {"kind": kind.value, "artist": artist, **({} if other is None else {"other": other}), **options}


def make(home: Home, *rules: tuple[RuleKind, str, str | None]) -> None:
    opened = database(home)
    for kind, artist, other in rules:
        add_rule(opened, kind, artist, other, by="test", why="")
    opened.close()


def test_a_rule_is_made_listed_and_dropped(home: Home) -> None:
    headers = key_headers(home)

    async def scenario() -> None:
        async with running(home) as (_, client):
            body = rule(PIN, "a001", "a002", why="their wish")
            made = await client.post("/v1/rules", json=body, headers=headers)
            assert made.status_code == 201, made.text
            told = made.json()
            assert {name: told[name] for name in body} == body
            assert (told["number"], told["by"], told["known"], told["state"]) == (1, "key:tester", True, "in force")
            again = await client.post("/v1/rules", json={**body, "why": "again"}, headers=headers)
            assert (again.status_code, again.json()) == (200, told)
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

    run(scenario())


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


def test_a_pair_of_one_artist_is_422(home: Home) -> None:
    headers = key_headers(home)
    (answer,) = asked(home, "/v1/rules", method="POST", headers=headers, json=rule(PIN, "a001", "a001"))
    assert "wanted another one" in problem_of(answer, 422, "invalid request")["detail"]


@pytest.mark.parametrize(
    "query",
    ["?kind=ban", "?artist=", f"?artist={'a' * 201}", "?limit=0", "?limit=201", "?before=0", "?before=2147483648"],
)
def test_a_list_out_of_range_is_422(home: Home, query: str) -> None:
    (answer,) = asked(home, f"/v1/rules{query}", headers=key_headers(home))
    problem_of(answer, 422, "invalid request")


def test_a_blocked_artist_is_as_if_it_were_not_there(home: Home, version: Version) -> None:
    paths = [
        *(f"/v1/artists/{who}{what}" for who in ("a001", MBID) for what in ("", "/similar", "/similar?raw=true")),
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
        f"/v1/artists/a{row:03d}/similar?k=200{more}" for row in rows for more in ("", "&raw=true", "&explain=false")
    ]
    answers = asked(home, *paths)
    for place, row in enumerate(rows):
        wanted = [artist for artist in order(version, row) if artist != "a001"]
        assert [ids(answer) for answer in answers[3 * place : 3 * place + 3]] == [wanted] * 3


def test_a_never_hides_both_ways_and_a_pin_stands_first(home: Home, version: Version) -> None:
    whole = order(version, 2)
    make(
        home, (NEVER, whole[0], "a002"), (PIN, "a002", whole[9]), (PIN, "a002", whole[4]), (PIN, "a002", whole[0]),
        (PIN, "a002", "a059"),
    )  # fmt: skip
    wanted = [whole[9], whole[4], *(artist for artist in whole[1:] if artist not in (whole[9], whole[4]))]
    scores = dict(zip(whole, version.scores[2].tolist(), strict=False))
    paths = [
        f"/v1/artists/a002/similar?k={k}{more}" for k in (1, 7, 200) for more in ("", "&explain=false", "&raw=true")
    ]
    answers = asked(home, *paths)
    for place, k in enumerate((1, 7, 200)):
        for answer in answers[3 * place : 3 * place + 3]:
            assert ids(answer) == wanted[:k]
            for position, each in enumerate(answer.json()["similar"]):
                assert each["score"] == pytest.approx(scores[each["id"]], rel=1e-6)
                assert each.get("pinned") is (True if position < 2 else None)
        assert answers[3 * place].content == answers[3 * place + 1].content
    (back,) = asked(home, f"/v1/artists/{whole[0]}/similar?k=200")
    assert "a002" not in ids(back)
    assert all("pinned" not in each for each in back.json()["similar"])


def test_raw_lists_of_corrected_scores_obey_too(home: Home, corrected: Version) -> None:
    shutil.copytree(corrected.folder, home.versions / corrected.id)
    promote(home.versions, database(home), corrected.id, by="test", why="test")
    path = "/v1/artists/a003/similar?k=200&raw=true"
    (before,) = asked(home, path)
    whole = ids(before)
    make(home, (BLOCK, whole[1], None), (NEVER, whole[2], "a003"), (PIN, "a003", whole[-1]))
    (after,) = asked(home, path)
    assert ids(after) == [whole[-1], whole[0], *whole[3:-1]]
    cosine = corrected.embeddings[3].astype(float) @ corrected.embeddings[int(whole[-1][1:])].astype(float)
    assert after.json()["similar"][0]["score"] == pytest.approx(cosine, abs=1e-6)


def test_the_replica_that_makes_a_rule_obeys_before_it_answers(home: Home, version: Version) -> None:
    headers, path = key_headers(home), "/v1/artists/a002/similar"
    first = order(version, 2)[0]

    async def scenario() -> None:
        app = create_app(Settings(home=home.root), poll_s=3600)
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://riyl")
        async with app.router.lifespan_context(app), client:
            plain = await client.get(path)
            assert plain.headers["etag"] == f'"{version.id}"'
            made = await client.post("/v1/rules", json=rule(BLOCK, first), headers=headers)
            ruled = await client.get(path)
            assert first not in ids(ruled)
            assert ruled.headers["riyl-version"] == version.id
            dropped = await client.delete(f"/v1/rules/{made.json()['number']}", headers=headers)
            assert dropped.status_code == 204
            again = await client.get(path)
            assert (again.content, again.headers["etag"]) == (plain.content, plain.headers["etag"])

    run(scenario())


@pytest.mark.parametrize("more", ["", "?k=10&explain=false", "?raw=true"])
def test_what_a_client_kept_is_not_modified_until_a_rule_is_made(home: Home, more: str) -> None:
    headers = key_headers(home)

    async def scenario() -> None:
        async with running(home) as (_, client):
            for path in (f"/v1/artists/a002/similar{more}", "/v1/artists/a002", "/v1/artists?q=radiohead"):
                kept = (await client.get(path)).headers["etag"]
                assert (await client.get(path, headers={"if-none-match": kept})).status_code == 304
                other = (await client.get(path)).json()
                body = rule(NEVER, "a002", f"a0{len(path):02d}")
                assert (await client.post("/v1/rules", json=body, headers=headers)).status_code == 201
                fresh = await client.get(path, headers={"if-none-match": kept})
                assert fresh.status_code == 200
                assert fresh.headers["etag"] != kept
                assert fresh.json()["version"] == other["version"]
                again = await client.get(path, headers={"if-none-match": fresh.headers["etag"]})
                assert (again.status_code, again.headers["etag"]) == (304, fresh.headers["etag"])

    run(scenario())


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_another_replica_obeys_by_itself_and_keeps_a_copy(
    home: Home, version: Version, tmp_path: Any, kind: str, request: pytest.FixtureRequest
) -> None:
    settings = [Settings(home=home.root)] * 2
    if kind == "postgres":
        forget_database(home)
        elsewhere = Home(tmp_path / "elsewhere")
        shutil.copytree(home.root, elsewhere.root)
        url = SecretStr(request.getfixturevalue("postgres_url"))
        settings = [Settings(home=each.root, database_url=url) for each in (home, elsewhere)]
    opened = Database.of(settings[0])
    opened.upgrade()
    with opened.write() as connection:
        add_promotion(connection, version.id, "promote", by="test", why="test")
    _, token = create_key(opened, "tester", Role.ADMIN)
    headers = {"authorization": f"Bearer {token}"}
    first = order(version, 2)[0]

    async def scenario() -> None:
        async with running(home, settings[0]) as (_, client), running(home, settings[1]) as (replica, other):
            await client.post("/v1/rules", json=rule(BLOCK, first), headers=headers)
            await until(lambda: bool(replica.state.serving.served.rules), 2)
            assert first not in ids(await other.get("/v1/artists/a002/similar"))
            for each in settings:
                copy = Home(each.home).rules
                await until(lambda copy=copy: read_copy(copy) is not None and bool(read_copy(copy).rules), 2)
            await client.delete("/v1/rules/1", headers=headers)
            await until(lambda: not replica.state.serving.served.rules, 2)
            assert ids(await other.get("/v1/artists/a002/similar"))[0] == first

    run(scenario())
    opened.close()


def test_a_promotion_and_a_rule_are_taken_up_as_one(home: Home, version: Version, other_version: Version) -> None:
    opened = database(home)
    serving = Serving(home, opened, Metrics())
    serving.look()
    before = serving.served
    assert before is not None
    serving.look()
    assert serving.served is before
    add_rule(opened, BLOCK, "a001", None, by="test", why="")
    serving.look()
    ruled = serving.served
    assert ruled is not None
    assert ruled is not before
    assert (ruled.searcher, ruled.rules.blocked) == (before.searcher, {1})
    assert not before.rules.blocked
    promote(home.versions, opened, other_version.id, by="test", why="test")
    serving.look()
    assert serving.served is not None
    assert (serving.served.searcher.version_id, serving.served.rules.blocked) == (other_version.id, {1})
    drop_rule(opened, 1)
    serving.obey()
    assert not serving.served.rules


def test_without_the_database_a_service_starts_under_the_rules_that_its_home_has(home: Home) -> None:
    make(home, (BLOCK, "a001", None))
    asked(home, "/readyz")  # whoever sees the rules copies them
    away = Settings(home=home.root, database_url=AWAY)
    refused, served = asked(home, "/v1/artists/a001/similar", "/v1/artists/a002/similar?k=200", settings=away)
    problem_of(refused, 404, "unknown artist")
    assert "a001" not in ids(served)


def test_a_database_that_goes_away_leaves_the_rules_in_force(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    make(home, (BLOCK, "a001", None))
    opened = database(home)
    serving = Serving(home, opened, Metrics())
    serving.look()
    monkeypatch.setattr(serving, "_database", Database.of(Settings(home=home.root, database_url=AWAY)))
    serving.look()
    assert serving.served is not None
    assert serving.served.rules.blocked == {1}
    with pytest.raises(DatabaseDownError):
        serving.obey()
    assert serving.served.rules.blocked == {1}


def test_without_database_and_with_a_damaged_copy_nobody_is_shown(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.rules.write_text("{")
    serving = Serving(home, Database.of(Settings(home=home.root, database_url=AWAY)), Metrics())
    serving.look()
    assert serving.served is None
    assert serving.refused is not None
    assert "rules.json: damaged" in serving.refused.reason
    away = Settings(home=home.root, database_url=AWAY)
    (answer,) = asked(home, "/v1/artists/a002/similar", settings=away)
    assert "rules.json: damaged" in problem_of(answer, 503, "not ready")["detail"]
    monkeypatch.setattr("app.watch.FOLLOW_AGAIN_S", 0.0)
    monkeypatch.setattr(serving, "_follow_again", 0.0)
    monkeypatch.setattr(serving, "_database", database(home))
    serving.look()
    assert serving.served is not None
    assert serving.refused is None
    assert read_copy(home.rules) is not None


def test_rules_that_cannot_be_copied_are_obeyed(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    make(home, (BLOCK, "a001", None))
    home.rules.mkdir()
    serving = Serving(home, database(home), Metrics())
    serving.look()
    serving.look()
    assert serving.served is not None
    assert serving.served.rules.blocked == {1}
    assert caplog.messages.count("rules_not_copied") == 1
    home.rules.rmdir()
    serving.look()
    assert read_copy(home.rules) is not None


def test_a_look_comes_often_enough() -> None:
    assert 0 < watch.POLL_S <= 1

"""Tests of batches of changes over HTTP: a verdict for each change, and one execution per key."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from riyl.app.schemas.changes import MAX_ARTIST_BYTES, MAX_LINES
from riyl.core.changes.effective import EffectiveChanges
from riyl.core.db.effective import effective_of
from riyl.core.db.keys import Role
from riyl.core.settings import Home, Settings
from tests.app.conftest import asked, problem_of, running
from tests.app.routes.changes import SAID, lines, put, sent, stands, verdicts, writer
from tests.conftest import forget_database
from tests.index.conftest import MBID


def test_a_batch_has_a_verdict_a_line_in_their_order(home: Home) -> None:
    answer = sent(
        home,
        lines(
            {"kind": "put", "id": "new", "name": "N", "tags": {"ska": 1}},
            "",
            {"kind": "patch", "id": MBID, "attributes": {"year": "1999"}},
            {"kind": "patch", "id": MBID, "attributes": {"year": 1999, "country": None}, "tags": {"x": None}},
            {"kind": "delete", "id": "nobody"},
            "{",
            {"kind": "put", "id": "new2"},
            {"kind": "merge", "id": "a001"},
            {"kind": "delete", "id": "new"},
            {"kind": "delete", "id": "a" * 201},
            {"kind": "delete", "id": "a002", "name": "N"},
            {"kind": "merge", "id": "a003", "into": MBID},
            {"kind": "merge", "id": "a003", "into": "new"},
            {"kind": "merge", "id": "a003", "into": "a003"},
        ),
    )
    line_verdicts = verdicts(answer)
    assert [(v["line"], v["status"], v.get("id")) for v in line_verdicts] == [
        (1, 201, "new"),
        (3, 422, None),
        (4, 200, "a001"),
        (5, 404, "nobody"),
        (6, 422, None),
        (7, 422, None),
        (8, 422, None),
        (9, 200, "new"),
        (10, 422, None),
        (11, 422, None),
        (12, 200, "a003"),
        (13, 404, "a003"),
        (14, 422, "a003"),
    ]
    assert line_verdicts[0] == {
        **{"line": 1, "id": "new", "status": 201},
        **{"number": 1, "changed": True, "visible_after": "reindex"},
    }
    assert [v["number"] for v in line_verdicts if "number" in v] == [1, 2, 3, 4]
    details = [v["problem"]["detail"] for v in line_verdicts if "problem" in v]
    assert details[0] == "attributes.year: found '1999'; wanted a whole number of 64 bits, as in the catalog"
    assert details[1] == "artist 'nobody' is in no version, and no PUT created it"
    assert details[2].startswith("body: found invalid JSON: EOF")
    assert details[3].startswith("put.name: found nothing")
    assert details[4].startswith("merge.into: found nothing")
    assert details[-2:] == [
        "artist 'new' is deleted; PUT brings it back",
        "into: found 'a003' itself; wanted another artist",
    ]
    assert stands(home, "a003") == EffectiveChanges("a003", True, {}, "a001")
    assert stands(home, "new") == EffectiveChanges("new", True, {})
    patched = {"attributes": {"year": 1999, "country": None}, "tags": {"x": None}}
    assert stands(home, "a001") == EffectiveChanges("a001", False, patched)


def test_a_batch_sent_again_under_its_key_changes_nothing(home: Home) -> None:
    body = lines({"kind": "put", "id": "new", "name": "N"}, {"kind": "delete", "id": "nobody"})
    owner = writer(home)
    first = sent(home, body, "k1", owner)
    assert [v["status"] for v in verdicts(first)] == [201, 404]
    put(home, "new", {"name": "Later"}, 200)
    assert sent(home, body, "k1", owner).content == first.content
    assert stands(home, "new") == EffectiveChanges("new", False, {"name": "Later"})
    other = sent(home, body, "k2", owner)
    assert [v["status"] for v in verdicts(other)] == [200, 404]
    assert stands(home, "new") == EffectiveChanges("new", False, {"name": "N"})


def items(home: Home, body: Any, **headers: str) -> httpx.Response:
    request_headers = {**writer(home), "content-type": "application/json", **headers}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    (answer,) = asked(home, "/v1/artists:batch", method="POST", headers=request_headers, content=content)
    return answer


def test_a_batch_may_come_as_one_object_and_has_the_verdicts_of_its_lines(home: Home) -> None:
    changes: list[Any] = [
        {"kind": "put", "id": "new", "name": "N", "tags": {"ska": 1}},
        {"kind": "patch", "id": MBID, "attributes": {"year": "1999"}},
        {"kind": "patch", "id": MBID, "attributes": {"year": 1999}},
        {"kind": "put", "id": "new2", "tags": {"ska": "1"}},
        {"kind": "delete", "id": "nobody"},
        {"kind": "merge", "id": "a003", "into": MBID},
        "no change",
        None,
    ]
    answer = items(home, {"items": changes})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    line_verdicts = answer.json()["items"]
    assert [v["line"] for v in line_verdicts] == list(range(1, 9))
    assert [v["status"] for v in line_verdicts] == [201, 422, 200, 422, 404, 200, 422, 422]
    assert [v.get("id") for v in line_verdicts] == ["new", None, "a001", None, "nobody", "a003", None, None]
    assert line_verdicts[1]["problem"]["detail"] == (
        "attributes.year: found '1999'; wanted a whole number of 64 bits, as in the catalog"
    )
    assert line_verdicts[6]["problem"]["detail"].startswith("body: found 'no change'")
    again = verdicts(sent(home, lines(*changes[:6])))
    numbered = [{**v, "number": 0, "changed": True} if "number" in v else v for v in line_verdicts]
    expected = [{**v, "number": 0, "changed": True} if "number" in v else v for v in again]
    assert [{**v, "status": 200} if v["status"] == 201 else v for v in numbered][:6] == expected


def test_a_batch_as_an_object_goes_by_its_key_too(home: Home) -> None:
    owner = {**writer(home), "idempotency-key": "k1"}
    body = {"items": [{"kind": "put", "id": "new", "name": "N"}]}
    first = items(home, body, **owner)
    put(home, "new", {"name": "Later"}, 200)
    assert items(home, body, **owner).content == first.content
    assert stands(home, "new") == EffectiveChanges("new", False, {"name": "Later"})
    other = items(home, {"items": [{"kind": "delete", "id": "new"}]}, **owner)
    assert "the key of an earlier batch" in problem_of(other, 422, "invalid request")["detail"]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"{", "body"),
        (b"[" * 5000, "body"),
        (b"[]", "body"),
        ({}, "body.items"),
        ({"items": []}, "body.items"),
        ({"items": {}}, "body.items"),
        ({"items": [{"kind": "delete", "id": "a001"}], "more": 1}, "body.more"),
        ({"items": [0] * (MAX_LINES + 1)}, "body.items"),
        (b'{"kind": "delete", "id": "a001"}\n{"kind": "delete", "id": "a002"}', "body"),
    ],
    ids=range(9),
)
def test_what_is_no_object_of_items_is_refused(home: Home, body: Any, where: str) -> None:
    (error, *_) = problem_of(items(home, body), 422, "invalid request")["errors"]
    assert error["where"] == where
    assert stands(home, "a001") is None


def test_a_batch_as_an_object_may_not_be_too_large(home: Home) -> None:
    problem_of(items(home, b" " * (16 << 20) + b'{"items": []}'), 413, "body too large")


async def test_a_key_is_of_one_batch(home: Home) -> None:
    headers = {**writer(home), "content-type": "application/x-ndjson", "idempotency-key": "k"}
    async with running(home) as (_, client):
        for body, status in ((b'{"kind": "put", "id": "n", "name": "N"}', 200), (b'{"kind": "delete"}', 422)):
            answer = await client.post("/v1/artists:batch", content=body, headers=headers)
            assert answer.status_code == status, answer.text


def test_what_is_no_batch_is_refused(home: Home) -> None:
    problem_of(sent(home, "{}", **{"content-type": "text/plain"}), 415, "unsupported media type")
    assert "found 0 lines" in problem_of(sent(home, " \n\n"), 422, "invalid request")["detail"]
    many = "x\n" * (MAX_LINES + 1)
    assert f"wanted 1 to {MAX_LINES}" in problem_of(sent(home, many), 422, "invalid request")["detail"]
    problem_of(sent(home, "x" * (16 << 20) + "x"), 413, "body too large")
    for key in ("", "k k", "k" * 201):
        problem_of(sent(home, "{}", key), 422, "invalid request")


@pytest.mark.postgres
def test_on_postgres_it_is_the_same(home: Home, postgres_url: str) -> None:
    from riyl.core.db.keys import create_key
    from riyl.core.db.session import Database

    forget_database(home)
    settings = Settings(home=home.root, database_url=SecretStr(postgres_url))
    opened = Database.of(settings)
    opened.upgrade()
    _, token = create_key(opened, "tester", Role.WRITE)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/x-ndjson", "idempotency-key": "k"}
    body = lines(
        {"kind": "put", "id": "n", **SAID},
        {"kind": "patch", "id": "n", "tags": {"x": 1, "drone": None}},
        {"kind": "merge", "id": "o", "into": "n"},
    ).encode()
    for _ in range(2):
        (answer,) = asked(home, "/v1/artists:batch", method="POST", headers=headers, settings=settings, content=body)
        assert [(v["number"], v["changed"]) for v in verdicts(answer)] == [(1, True), (2, True), (3, True)]
    with opened.read() as connection:
        tags = {"Modern Classical": 0.5, "x": 1.0}
        replaced_fields = frozenset({"tags", "plays"})
        assert effective_of(connection, "n") == EffectiveChanges(
            "n", False, {**SAID, "tags": tags}, whole=replaced_fields
        )
        assert effective_of(connection, "o") == EffectiveChanges("o", True, {}, "n")
    opened.close()


def test_a_line_has_the_room_of_one_artist_and_an_object_no_more(home: Home) -> None:
    long = json.dumps({"kind": "put", "id": "x", "name": "N", "aliases": ["a" * 900] * 100})
    padded = long + " " * (MAX_ARTIST_BYTES - len(long))
    nested = '{"kind": "put", "id": "y", "name": "N", "aliases": [' + "[]," * 20_000 + "[]]}"
    answer = sent(home, "\n".join([padded, padded + " ", nested, '{"kind": "delete", "id": "a001"}']) + "\n")
    first, second, third, fourth = verdicts(answer)
    assert (first["status"], fourth["status"]) == (201, 200)
    assert second["problem"]["detail"] == "found a line of 2097153 bytes; wanted at most 2097152"
    assert third["problem"]["detail"].startswith("body: found more than 20,000 lists and objects")
    whole = json.dumps({"items": [{"kind": "delete", "id": "a001"}]})
    headers = {**writer(home), "content-type": "application/json"}
    for size, status in ((MAX_ARTIST_BYTES, 200), (MAX_ARTIST_BYTES + 1, 422)):
        body = whole + " " * (size - len(whole))
        (answer,) = asked(home, "/v1/artists:batch", method="POST", headers=headers, content=body)
        assert answer.status_code == status
    assert "wanted at most 2097152, or lines of JSON" in answer.json()["detail"]

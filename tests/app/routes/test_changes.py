"""Tests of putting, patching and deleting artists over HTTP: changes are durable once answered, and checked."""

from __future__ import annotations

from typing import Any

import pytest

from riyl.core.changes.effective import EffectiveChanges
from riyl.core.db.keys import Role
from riyl.core.settings import Home
from tests.app.conftest import asked, key_headers, problem_of, running
from tests.app.routes.changes import SAID, done, put, stands, writer
from tests.index.conftest import MBID


async def test_an_artist_is_put_patched_deleted_and_put_again(home: Home) -> None:
    headers = writer(home)
    async with running(home) as (_, client):

        async def ask(method: str, payload: Any = None) -> tuple[int, dict[str, Any], str | None]:
            answer = await client.request(method, "/v1/artists/n/1 ö", headers=headers, json=payload)
            return answer.status_code, answer.json(), answer.headers.get("location")

        def expected_body(number: int, changed: bool = True, visible_after: str = "within_1s") -> dict[str, Any]:
            return done("n/1 ö", number, changed, visible_after)

        assert await ask("PUT", SAID) == (
            201,
            expected_body(1, visible_after="reindex"),
            "/v1/artists/n%2F1%20%C3%B6",
        )
        replaced_fields = frozenset({"tags", "plays"})
        assert stands(home, "n/1 ö") == EffectiveChanges("n/1 ö", False, SAID, whole=replaced_fields)
        assert await ask("PUT", SAID) == (200, expected_body(1, False, "reindex"), None)
        patch = {"tags": {"DRONE": None, "noise": 2}, "attributes": {"begun": None}}
        assert await ask("PATCH", patch) == (200, expected_body(2, visible_after="reindex"), None)
        patched = {**SAID, "attributes": {**SAID["attributes"], "begun": None}}  # type: ignore[dict-item]
        patched["tags"] = {"Modern Classical": 0.5, "noise": 2.0}
        assert stands(home, "n/1 ö") == EffectiveChanges("n/1 ö", False, patched, whole=replaced_fields)
        assert await ask("PUT", {"name": "H"}) == (200, expected_body(3), None)
        assert await ask("DELETE") == (200, expected_body(4), None)
        assert await ask("DELETE") == (200, expected_body(4, changed=False), None)
        assert (await ask("PATCH", {"mbid": "m"}))[0] == 404
        assert await ask("PUT", {"name": "H"}) == (201, expected_body(5), "/v1/artists/n%2F1%20%C3%B6")


def test_a_change_is_there_for_the_next_process(home: Home) -> None:
    put(home, "new", {"name": "N"}, 201)
    put(home, "a003", {"tags": {"ska": 1}}, 200, "PATCH")
    (answer,) = asked(home, "/v1/changes", headers=key_headers(home))
    assert answer.status_code == 200
    listed = answer.json()
    assert listed["head"] == 2
    changes = [(each["number"], each["id"], each["kind"], each["payload"], each["by"]) for each in listed["changes"]]
    assert changes == [
        (1, "new", "put", {"name": 1}, "key:tester"),
        (2, "a003", "patch", {"tags": 1}, "key:tester"),
    ]
    (after, first) = asked(home, "/v1/changes?since=1", "/v1/changes?limit=1", headers=key_headers(home))
    assert [each["number"] for each in after.json()["changes"]] == [2]
    assert [each["number"] for each in first.json()["changes"]] == [1]


def test_whom_the_version_knows_by_mbid_is_meant(home: Home) -> None:
    assert put(home, MBID, {"name": "R"}, 200)["id"] == "a001"
    assert put(home, MBID.upper(), {"attributes": {"country": "IS"}}, 200, "PATCH")["id"] == "a001"
    (answer,) = asked(home, f"/v1/artists/{MBID}", method="DELETE", headers=writer(home))
    assert (answer.status_code, answer.json()["id"]) == (200, "a001")
    assert stands(home, MBID) is None


def test_nobody_is_patched_or_deleted_who_is_not_there(home: Home) -> None:
    for method, body in (("PATCH", {"mbid": "m"}), ("DELETE", None)):
        (answer,) = asked(home, "/v1/artists/nobody", method=method, headers=writer(home), json=body)
        assert "'nobody' is in no version, and no PUT created it" in problem_of(answer, 404, "not found")["detail"]
    put(home, "a002", {"mbid": "m"}, 200, "PATCH")
    assert stands(home, "nobody") is None


def test_before_any_version_serves_changes_are_taken(tmp_path: Any) -> None:
    home = Home(tmp_path)
    put(home, "a", {"name": "A", "attributes": {"year": "any type"}}, 201)
    put(home, "b", {"mbid": "m"}, 200, "PATCH")


@pytest.mark.parametrize("payload", [{}, {"attributes": {}}, {"tags": {}, "plays": {}, "vectors": {}}])
def test_a_patch_that_says_nothing_changes_nothing(home: Home, payload: Any) -> None:
    assert put(home, "a001", payload, 200, "PATCH") == done("a001", 0, changed=False)
    assert stands(home, "a001") is None
    put(home, "nobody", payload, 404, "PATCH")


def test_null_in_a_patch_takes_away_a_key_or_a_field(home: Home) -> None:
    payload = {"mbid": None, "aliases": [], "tags": {"ska": None}, "plays": None, "vectors": {"audio": []}}
    assert put(home, "a001", payload, 200, "PATCH")["changed"]
    stored = {"mbid": None, "aliases": None, "tags": {"ska": None}, "vectors": {"audio": None}}
    assert stands(home, "a001") == EffectiveChanges("a001", False, stored, whole=frozenset({"plays"}))
    put(home, "a001", {"attributes": None, "vectors": None}, 200, "PATCH")
    del stored["vectors"]
    replaced_fields = frozenset({"plays", "attributes", "vectors"})
    assert stands(home, "a001") == EffectiveChanges("a001", False, stored, whole=replaced_fields)


@pytest.mark.parametrize("media", ["application/merge-patch+json", "Application/JSON; charset=utf-8"])
def test_a_patch_comes_as_merge_patch_or_plain_json(home: Home, media: str) -> None:
    headers = {**writer(home), "content-type": media}
    (answer,) = asked(
        home, "/v1/artists/a001", method="PATCH", headers=headers, content=b'{"tags": {"ska": 2, "dub": null}}'
    )
    assert answer.status_code == 200, answer.text
    assert stands(home, "a001") == EffectiveChanges("a001", False, {"tags": {"ska": 2.0, "dub": None}})


def test_a_patch_of_another_kind_is_refused(home: Home) -> None:
    for media, body in (
        ("application/json-patch+json", b'[{"op": "remove", "path": "/tags"}]'),
        ("application/x-www-form-urlencoded", b'{"mbid": "m"}'),
    ):
        headers = {**writer(home), "content-type": media}
        (answer,) = asked(home, "/v1/artists/a001", method="PATCH", headers=headers, content=body)
        assert (
            "wanted application/json or application/merge-patch+json"
            in problem_of(answer, 415, "unsupported media type")["detail"]
        )
    assert stands(home, "a001") is None


def test_the_document_names_both_kinds_of_patch_and_describes_the_body_once(home: Home) -> None:
    (answer,) = asked(home, "/openapi.json")
    operation = answer.json()["paths"]["/v1/artists/{id}"]["patch"]
    # a generator of clients merges two types of one model
    (content,) = operation["requestBody"]["content"].items()
    assert content[0] == "application/merge-patch+json"
    assert content[1]["schema"] == {"$ref": "#/components/schemas/ArtistPatch"}
    assert "application/json" in operation["description"]
    assert "application/json or application/merge-patch+json" in operation["responses"]["415"]["description"]


def test_what_is_said_may_be_large_and_not_too_large(home: Home) -> None:
    large = {"name": "N", "plays": {f"u{i}": i + 1 for i in range(100_000)}}
    put(home, "large", large, 201)
    stored = stands(home, "large")
    assert stored is not None
    assert stored.payload == large
    put(home, "large", {"plays": {"one more": 1, "u0": None}}, 200, "PATCH")
    patched = stands(home, "large")
    assert patched is not None
    plays = {**large["plays"], "one more": 1}
    del plays["u0"]
    assert patched.payload == {"name": "N", "plays": plays}
    refused = put(home, "large", {"plays": {"too many": 1}}, 422, "PATCH")
    assert "plays: found 100001 entries in the effective changes of 'large'" in refused["detail"]
    too_large = b" " * (2 << 20) + b"{}"
    headers = {**writer(home), "content-type": "application/json"}
    (answer,) = asked(home, "/v1/artists/large", method="PUT", headers=headers, content=too_large)
    problem_of(answer, 413, "body too large")


def test_readers_change_nothing_and_writers_do_not_read_the_list(home: Home) -> None:
    reader = key_headers(home, Role.READ)
    (refused,) = asked(home, "/v1/artists/a001", method="DELETE", headers=reader)
    assert "wanted one with the role write" in problem_of(refused, 403, "not allowed")["detail"]
    (refused,) = asked(home, "/v1/changes", headers=writer(home))
    assert "wanted one with the role admin" in problem_of(refused, 403, "not allowed")["detail"]
    assert stands(home, "a001") is None

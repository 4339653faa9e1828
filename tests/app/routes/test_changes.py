"""Artists put, patched, deleted and merged over HTTP: durable when answered, checked, and in batches."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from app.changing import MOST_LINES
from core.changes import Standing
from core.db.keys import Role
from core.db.standing import standing_of
from core.settings import Home, Settings
from tests.app.conftest import asked, database, key_headers, problem_of, run, running
from tests.conftest import forget_database
from tests.index.conftest import MBID

SAID = {
    "name": "Hildur Guðnadóttir",
    "mbid": None,
    "aliases": ["Lost in Hildurness"],
    "attributes": {"country": "IS", "begun": 2006, "live": True},
    "tags": {"drone": 3, "Modern Classical": 0.5},
    "plays": {"u001": 4},
    "vectors": {"audio": [[0.5, 1.0], [2.0, -1.0]]},
}


def stands(home: Home, artist: str) -> Standing | None:
    with database(home).read() as connection:
        return standing_of(connection, artist)


def writer(home: Home) -> dict[str, str]:
    return key_headers(home, Role.WRITE)


def put(home: Home, artist: str, said: Any, status: int, method: str = "PUT") -> dict[str, Any]:
    (answer,) = asked(home, f"/v1/artists/{artist}", method=method, headers=writer(home), json=said)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def sent(
    home: Home, body: str, key: str | None = None, owner: dict[str, str] | None = None, **headers: str
) -> httpx.Response:
    given = {**(owner or writer(home)), "content-type": "application/x-ndjson", **headers}
    if key is not None:
        given["idempotency-key"] = key
    (answer,) = asked(home, "/v1/artists:batch", method="POST", headers=given, content=body.encode())
    return answer


def verdicts(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].split(";")[0] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def lines(*changes: dict[str, Any] | str) -> str:
    return "\n".join(each if isinstance(each, str) else json.dumps(each) for each in changes)


def done(artist: str, number: int, changed: bool = True, seen_after: str = "a moment") -> dict[str, Any]:
    """What is answered where all that is said has its place; a home without models encodes nothing."""
    nothing = {"unknown_tags": [], "unknown_plays": 0, "unused": []}
    return {"id": artist, "number": number, "changed": changed, "seen_after": seen_after, **nothing}


def test_an_artist_is_put_patched_deleted_and_put_again(home: Home) -> None:
    headers = writer(home)

    async def scenario() -> None:
        async with running(home) as (_, client):

            async def ask(method: str, said: Any = None) -> tuple[int, dict[str, Any], str | None]:
                answer = await client.request(method, "/v1/artists/n/1 ö", headers=headers, json=said)
                return answer.status_code, answer.json(), answer.headers.get("location")

            def told(number: int, changed: bool = True, seen_after: str = "a moment") -> dict[str, Any]:
                return done("n/1 ö", number, changed, seen_after)

            assert await ask("PUT", SAID) == (201, told(1, seen_after="re-index"), "/v1/artists/n%2F1%20%C3%B6")
            whole = frozenset({"tags", "plays"})
            assert stands(home, "n/1 ö") == Standing("n/1 ö", False, SAID, whole=whole)
            assert await ask("PUT", SAID) == (200, told(1, False, "re-index"), None)
            patch = {"tags": {"DRONE": None, "noise": 2}, "attributes": {"begun": None}}
            assert await ask("PATCH", patch) == (200, told(2, seen_after="re-index"), None)
            patched = {**SAID, "attributes": {**SAID["attributes"], "begun": None}}  # type: ignore[dict-item]
            patched["tags"] = {"Modern Classical": 0.5, "noise": 2.0}
            assert stands(home, "n/1 ö") == Standing("n/1 ö", False, patched, whole=whole)
            assert await ask("PUT", {"name": "H"}) == (200, told(3), None)
            assert await ask("DELETE") == (200, told(4), None)
            assert await ask("DELETE") == (200, told(4, changed=False), None)
            assert (await ask("PATCH", {"mbid": "m"}))[0] == 404
            assert await ask("PUT", {"name": "H"}) == (201, told(5), "/v1/artists/n%2F1%20%C3%B6")

    run(scenario())


def test_a_change_is_there_for_the_next_process(home: Home) -> None:
    put(home, "new", {"name": "N"}, 201)
    put(home, "a003", {"tags": {"ska": 1}}, 200, "PATCH")
    (answer,) = asked(home, "/v1/changes", headers=key_headers(home))
    assert answer.status_code == 200
    listed = answer.json()
    assert listed["head"] == 2
    told = [(each["number"], each["id"], each["kind"], each["said"], each["by"]) for each in listed["changes"]]
    assert told == [
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


def merge(home: Home, artist: str, into: Any, status: int) -> dict[str, Any]:
    return put(home, f"{artist}:merge", into if isinstance(into, dict) else {"into": into}, status, "POST")


def test_an_artist_is_merged_into_another_one(home: Home) -> None:
    told = merge(home, MBID.upper(), "a002", 200)
    assert told == done("a001", 1)
    assert stands(home, "a001") == Standing("a001", True, {}, "a002", MBID.upper())  # as the catalog writes it
    assert merge(home, "a001", "a002", 200) == {**told, "changed": False}
    assert "'a001' is merged into 'a002'; PUT" in put(home, "a001", {"mbid": "m"}, 404, "PATCH")["detail"]
    assert merge(home, "old/id ö:merge", "a002", 200)["id"] == "old/id ö:merge"
    put(home, "a001", {"name": "Back"}, 201)
    merge(home, "a003", MBID, 200)
    assert stands(home, "a003") == Standing("a003", True, {}, "a001")
    (answer,) = asked(home, "/v1/changes", headers=key_headers(home))
    assert [(each["kind"], each["said"], each["into"]) for each in answer.json()["changes"]] == [
        ("merge", {"into": 1, "mbid": 1}, "a002"),
        ("merge", {"into": 1}, "a002"),
        ("put", {"name": 1}, None),
        ("merge", {"into": 1}, "a001"),
    ]


def test_nobody_is_merged_into_whom_nobody_finds(home: Home) -> None:
    assert merge(home, "a001", "nobody", 404)["detail"] == "artist 'nobody' is in no version, and was not put"
    for same in ("a001", MBID):
        assert merge(home, "a001", same, 422)["detail"] == "into: found 'a001' itself; wanted another artist"
    for body in ({}, {"into": ""}, {"into": None}, {"into": "a" * 201}, {"into": "a\0"}, {"into": "a002", "name": "N"}):
        assert "body." in merge(home, "a001", body, 422)["detail"]
    merge(home, "a002", "a003", 200)
    assert merge(home, "a001", "a002", 404)["detail"] == "artist 'a002' is merged into 'a003'; merge into that"
    assert stands(home, "a001") is None


def test_only_writers_merge(home: Home) -> None:
    (answer,) = asked(
        home, "/v1/artists/a001:merge", method="POST", headers=key_headers(home, Role.READ), json={"into": "a002"}
    )
    problem_of(answer, 403, "not allowed")
    assert stands(home, "a001") is None


def test_nobody_is_patched_or_deleted_who_is_not_there(home: Home) -> None:
    for method, body in (("PATCH", {"mbid": "m"}), ("DELETE", None)):
        (answer,) = asked(home, "/v1/artists/nobody", method=method, headers=writer(home), json=body)
        assert "'nobody' is in no version, and was not put" in problem_of(answer, 404, "not found")["detail"]
    put(home, "a002", {"mbid": "m"}, 200, "PATCH")
    assert stands(home, "nobody") is None


def test_before_any_version_serves_changes_are_taken(tmp_path: Any) -> None:
    home = Home(tmp_path)
    put(home, "a", {"name": "A", "attributes": {"year": "any type"}}, 201)
    put(home, "b", {"mbid": "m"}, 200, "PATCH")


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ({}, "body.name: found nothing"),
        ({"name": ""}, "body.name"),
        ({"name": " \t"}, "body.name"),
        ({"name": "a\0b"}, "body.name"),
        ({"name": "a" * 1001}, "body.name"),
        ({"name": None}, "body.name"),
        ({"name": "N", "nmae": "x"}, "body.nmae"),
        ({"name": "N", "mbid": ""}, "body.mbid"),
        ({"name": "N", "aliases": ["ok", ""]}, "body.aliases.1"),
        ({"name": "N", "tags": {"ska": 0}}, "body.tags.ska"),
        ({"name": "N", "tags": {"ska": -1}}, "body.tags.ska"),
        ({"name": "N", "tags": {"ska": True}}, "body.tags.ska"),
        ({"name": "N", "tags": {"ska": "much"}}, "body.tags.ska"),
        ({"name": "N", "tags": {"ska": 1e-60}}, "tags: found 1e-60 of 'ska'; wanted a finite number above 0"),
        ({"name": "N", "tags": {"ska": 1e60}}, "tags: found 1e+60 of 'ska'"),
        ({"name": "N", "tags": {" ": 1}}, "tags"),
        ({"name": "N", "tags": {str(i): 1 for i in range(1001)}}, "body.tags"),
        ({"name": "N", "plays": {"": 1}}, "plays"),
        ({"name": "N", "vectors": {"audio": [[]]}}, "body.vectors.audio.0"),
        ({"name": "N", "vectors": {"audio": [[1.0], [1.0, 2.0]]}}, "vectors.audio.1: found an array of shape (2,)"),
        ({"name": "N", "vectors": {"audio": [[1e60]]}}, "vectors.audio.0: found inf at position 1"),
        ({"name": "N", "vectors": {"audio": [[1.0]] * 1001}}, "body.vectors.audio"),
        ({"name": "N", "vectors": {"Audio": [[1.0]]}}, "body.vectors.Audio"),
        ({"name": "N", "vectors": {"artists": [[1.0]]}}, "vectors: found 'artists'; wanted a modality"),
        ({"name": "N", "attributes": {"year": "1999"}}, "attributes.year: found '1999'; wanted a whole number"),
        (
            {"name": "N", "attributes": {"country": 7}},
            "attributes.country: found 7; wanted text, as the catalog has it",
        ),
        (
            {"name": "N", "attributes": {"name": "x"}},
            "attributes: found 'name'; wanted a column beside artist_id, name",
        ),
        ({"name": "N", "attributes": {"new": [1]}}, "body.attributes.new"),
        ({"name": "N", "attributes": {"": 1}}, "body.attributes"),
        ([], "body"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_no_artist_is_refused_and_changes_nothing(home: Home, said: Any, where: str) -> None:
    (answer,) = asked(home, "/v1/artists/new", method="PUT", headers=writer(home), json=said)
    assert where in problem_of(answer, 422, "invalid request")["detail"]
    assert stands(home, "new") is None


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"name": "\xff"}', b'{"name": "\\ud800"}', b'{"name": "N", "tags": {"x": NaN}}', b"[" * 5000]
)
def test_what_is_no_json_is_refused(home: Home, body: bytes) -> None:
    headers = {**writer(home), "content-type": "application/json"}
    (answer,) = asked(home, "/v1/artists/new", method="PUT", headers=headers, content=body)
    assert answer.status_code in (400, 422), answer.text
    assert stands(home, "new") is None


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ({"name": None}, "body.name"),
        ({"name": " "}, "body.name"),
        ({"tags": {"ska": 0}}, "body.tags.ska"),
        ({"tags": {"ska": "much"}}, "body.tags.ska"),
        ({"tags": {" ": None}}, "body.tags"),
        ({"tags": ["ska"]}, "body.tags"),
        ({"tags": {"ska": 1e-60}}, "tags: found 1e-60 of 'ska'"),
        ({"plays": {"u": {"count": 1}}}, "body.plays.u"),
        ({"vectors": {"audio": {"0": [1.0]}}}, "body.vectors.audio"),
        ({"tags": {"Ska": 1, " sKA": None}}, "tags: found both 'Ska' and ' sKA', which are one; wanted it once"),
        ({"tags": {str(i): None for i in range(1001)}}, "body.tags"),
    ],
    ids=str,
)
def test_what_is_no_patch_is_refused_and_changes_nothing(home: Home, said: Any, where: str) -> None:
    (answer,) = asked(home, "/v1/artists/a001", method="PATCH", headers=writer(home), json=said)
    assert where in problem_of(answer, 422, "invalid request")["detail"]
    assert stands(home, "a001") is None


def test_a_put_is_no_patch_and_has_no_null_inside(home: Home) -> None:
    (answer,) = asked(
        home, "/v1/artists/new", method="PUT", headers=writer(home), json={"name": "N", "tags": {"ska": None}}
    )
    assert "body.tags.ska" in problem_of(answer, 422, "invalid request")["detail"]


@pytest.mark.parametrize("said", [{}, {"attributes": {}}, {"tags": {}, "plays": {}, "vectors": {}}])
def test_a_patch_that_says_nothing_changes_nothing(home: Home, said: Any) -> None:
    assert put(home, "a001", said, 200, "PATCH") == done("a001", 0, changed=False)
    assert stands(home, "a001") is None
    put(home, "nobody", said, 404, "PATCH")


def test_null_in_a_patch_takes_away_a_key_or_a_field(home: Home) -> None:
    said = {"mbid": None, "aliases": [], "tags": {"ska": None}, "plays": None, "vectors": {"audio": []}}
    assert put(home, "a001", said, 200, "PATCH")["changed"]
    kept = {"mbid": None, "aliases": None, "tags": {"ska": None}, "vectors": {"audio": None}}
    assert stands(home, "a001") == Standing("a001", False, kept, whole=frozenset({"plays"}))
    put(home, "a001", {"attributes": None, "vectors": None}, 200, "PATCH")
    del kept["vectors"]
    whole = frozenset({"plays", "attributes", "vectors"})
    assert stands(home, "a001") == Standing("a001", False, kept, whole=whole)


@pytest.mark.parametrize("media", ["application/merge-patch+json", "Application/JSON; charset=utf-8"])
def test_a_patch_comes_as_merge_patch_or_plain_json(home: Home, media: str) -> None:
    headers = {**writer(home), "content-type": media}
    (answer,) = asked(
        home, "/v1/artists/a001", method="PATCH", headers=headers, content=b'{"tags": {"ska": 2, "dub": null}}'
    )
    assert answer.status_code == 200, answer.text
    assert stands(home, "a001") == Standing("a001", False, {"tags": {"ska": 2.0, "dub": None}})


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
    # a generator takes two types of one model for one
    (content,) = operation["requestBody"]["content"].items()
    assert content[0] == "application/merge-patch+json"
    assert content[1]["schema"] == {"$ref": "#/components/schemas/ArtistPatch"}
    assert "application/json" in operation["description"]
    assert "application/json or application/merge-patch+json" in operation["responses"]["415"]["description"]


@pytest.mark.parametrize("artist", ["a%00", "a" * 201, "x/similar"])
def test_an_id_that_is_none_is_refused(home: Home, artist: str) -> None:
    (answer,) = asked(home, f"/v1/artists/{artist}", method="PUT", headers=writer(home), json={"name": "N"})
    assert "id: found" in problem_of(answer, 422, "invalid request")["detail"].replace("path.", "")


def test_what_is_said_may_be_large_and_not_too_large(home: Home) -> None:
    large = {"name": "N", "plays": {f"listener-{i:06d}-of-a-long-name": i + 1 for i in range(100_000)}}
    put(home, "large", large, 201)
    found = stands(home, "large")
    assert found is not None
    assert found.said == large
    put(home, "large", {"plays": {"one more": 1, "listener-000000-of-a-long-name": None}}, 200, "PATCH")
    patched = stands(home, "large")
    assert patched is not None
    plays = {**large["plays"], "one more": 1}
    del plays["listener-000000-of-a-long-name"]
    assert patched.said == {"name": "N", "plays": plays}
    refused = put(home, "large", {"plays": {"too many": 1}}, 422, "PATCH")
    assert "plays: found 100001 entries that changes of 'large'" in refused["detail"]
    too_large = b" " * (16 << 20) + b"{}"
    headers = {**writer(home), "content-type": "application/json"}
    (answer,) = asked(home, "/v1/artists/large", method="PUT", headers=headers, content=too_large)
    problem_of(answer, 413, "body too large")


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
    found = verdicts(answer)
    assert [(v["line"], v["status"], v.get("id")) for v in found] == [
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
    assert found[0] == {
        **{"line": 1, "id": "new", "status": 201},
        **{"number": 1, "changed": True, "seen_after": "re-index"},
    }
    assert [v["number"] for v in found if "number" in v] == [1, 2, 3, 4]
    details = [v["problem"]["detail"] for v in found if "problem" in v]
    assert details[0] == "attributes.year: found '1999'; wanted a whole number of 64 bits, as the catalog has it"
    assert details[1] == "artist 'nobody' is in no version, and was not put"
    assert details[2].startswith("body: found no JSON: EOF")
    assert details[3].startswith("put.name: found nothing")
    assert details[4].startswith("merge.into: found nothing")
    assert details[-2:] == [
        "artist 'new' is deleted; PUT brings it back",
        "into: found 'a003' itself; wanted another artist",
    ]
    assert stands(home, "a003") == Standing("a003", True, {}, "a001")
    assert stands(home, "new") == Standing("new", True, {})
    patched = {"attributes": {"year": 1999, "country": None}, "tags": {"x": None}}
    assert stands(home, "a001") == Standing("a001", False, patched)


def test_a_batch_sent_again_under_its_key_changes_nothing(home: Home) -> None:
    body = lines({"kind": "put", "id": "new", "name": "N"}, {"kind": "delete", "id": "nobody"})
    owner = writer(home)
    first = sent(home, body, "k1", owner)
    assert [v["status"] for v in verdicts(first)] == [201, 404]
    put(home, "new", {"name": "Later"}, 200)
    assert sent(home, body, "k1", owner).content == first.content
    assert stands(home, "new") == Standing("new", False, {"name": "Later"})
    other = sent(home, body, "k2", owner)
    assert [v["status"] for v in verdicts(other)] == [200, 404]
    assert stands(home, "new") == Standing("new", False, {"name": "N"})


def items(home: Home, body: Any, **headers: str) -> httpx.Response:
    given = {**writer(home), "content-type": "application/json", **headers}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    (answer,) = asked(home, "/v1/artists:batch", method="POST", headers=given, content=content)
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
    found = answer.json()["items"]
    assert [(v["line"], v["status"], v.get("id")) for v in found] == [
        (1, 201, "new"),
        (2, 422, None),
        (3, 200, "a001"),
        (4, 422, None),
        (5, 404, "nobody"),
        (6, 200, "a003"),
        (7, 422, None),
        (8, 422, None),
    ]
    assert found[1]["problem"]["detail"] == (
        "attributes.year: found '1999'; wanted a whole number of 64 bits, as the catalog has it"
    )
    assert found[6]["problem"]["detail"].startswith("body: found 'no change'")
    again = verdicts(sent(home, lines(*changes[:6])))
    numbered = [{**v, "number": 0, "changed": True} if "number" in v else v for v in found]
    expected = [{**v, "number": 0, "changed": True} if "number" in v else v for v in again]
    assert [{**v, "status": 200} if v["status"] == 201 else v for v in numbered][:6] == expected


def test_a_batch_as_an_object_goes_by_its_key_too(home: Home) -> None:
    owner = {**writer(home), "idempotency-key": "k1"}
    body = {"items": [{"kind": "put", "id": "new", "name": "N"}]}
    first = items(home, body, **owner)
    put(home, "new", {"name": "Later"}, 200)
    assert items(home, body, **owner).content == first.content
    assert stands(home, "new") == Standing("new", False, {"name": "Later"})
    other = items(home, {"items": [{"kind": "delete", "id": "new"}]}, **owner)
    assert "of another batch" in problem_of(other, 422, "invalid request")["detail"]


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
        ({"items": [0] * (MOST_LINES + 1)}, "body.items"),
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


def test_a_key_is_of_one_batch(home: Home) -> None:
    headers = {**writer(home), "content-type": "application/x-ndjson", "idempotency-key": "k"}

    async def scenario() -> None:
        async with running(home) as (_, client):
            for body, status in ((b'{"kind": "put", "id": "n", "name": "N"}', 200), (b'{"kind": "delete"}', 422)):
                answer = await client.post("/v1/artists:batch", content=body, headers=headers)
                assert answer.status_code == status, answer.text

    run(scenario())


def test_what_is_no_batch_is_refused(home: Home) -> None:
    problem_of(sent(home, "{}", **{"content-type": "text/plain"}), 415, "unsupported media type")
    assert "found 0 lines" in problem_of(sent(home, " \n\n"), 422, "invalid request")["detail"]
    many = "x\n" * (MOST_LINES + 1)
    assert f"wanted 1 to {MOST_LINES}" in problem_of(sent(home, many), 422, "invalid request")["detail"]
    problem_of(sent(home, "x" * (16 << 20) + "x"), 413, "body too large")
    for key in ("", "k k", "k" * 201):
        problem_of(sent(home, "{}", key), 422, "invalid request")


def test_readers_change_nothing_and_writers_do_not_read_the_list(home: Home) -> None:
    reader = key_headers(home, Role.READ)
    (refused,) = asked(home, "/v1/artists/a001", method="DELETE", headers=reader)
    assert "wanted one with the role write" in problem_of(refused, 403, "not allowed")["detail"]
    (refused,) = asked(home, "/v1/changes", headers=writer(home))
    assert "wanted one with the role admin" in problem_of(refused, 403, "not allowed")["detail"]
    assert stands(home, "a001") is None


@pytest.mark.postgres
def test_on_postgres_it_is_the_same(home: Home, postgres_url: str) -> None:
    from core.db.keys import create_key
    from core.db.session import Database

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
        whole = frozenset({"tags", "plays"})
        assert standing_of(connection, "n") == Standing("n", False, {**SAID, "tags": tags}, whole=whole)
        assert standing_of(connection, "o") == Standing("o", True, {}, "n")
    opened.close()


@pytest.mark.parametrize("address", ["a001%0A", "%0A", "a001%0A:merge", "a0%0A01"])
def test_an_address_with_a_line_break_is_no_artists(home: Home, address: str) -> None:
    for method in ("DELETE", "PATCH", "PUT", "POST"):
        if method == "POST" and not address.endswith(":merge"):
            continue
        said = {"into": "a002"} if method == "POST" else {"name": "N"}
        body = {} if method == "DELETE" else {"json": said}
        (answer,) = asked(home, f"/v1/artists/{address}", method=method, headers=writer(home), **body)
        assert answer.status_code == 404, (method, answer.text)
    assert stands(home, "a001") is None


@pytest.mark.parametrize(
    ("artist", "said", "found"),
    [
        ("NULL", {"name": "Ann"}, "id: found 'NULL'"),
        ("n1", {"name": "None"}, "name: found 'None'"),
        ("n1", {"name": "Ann", "mbid": "nan"}, "mbid: found 'nan'"),
        ("n1", {"name": "Ann", "mbid": "00000000-0000-0000-0000-000000000000"}, "mbid: found '00000000-"),
        ("n1", {"name": "Ann", "aliases": ["Annie", "\\N"]}, "aliases: found"),
        ("n1", {"name": "Ann", "plays": {"null": 3}}, "plays: found 'null'"),
        ("n1", {"name": "Ann", "tags": {"NaN": 3}}, "tags: found 'NaN'"),
    ],
)
def test_what_exporters_write_for_nothing_is_no_id_name_or_mbid(
    home: Home, artist: str, said: dict[str, Any], found: str
) -> None:
    assert put(home, artist, said, 422)["detail"].startswith(found)
    (verdict,) = verdicts(sent(home, lines({"kind": "put", "id": artist, **said})))
    assert (verdict["status"], verdict["problem"]["detail"][: len(found)]) == (422, found)
    assert stands(home, artist) is None


def test_a_name_that_only_looks_like_nothing_is_put(home: Home) -> None:
    put(home, "n1", {"name": "Nil", "aliases": ["none"]}, 201)

"""Undeclared query parameters and content types are refused; ids are separated from the suffixes after them."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import quote

from riyl.core.settings import Home
from tests.app.conftest import asked, key_headers, problem_of, running

GETS = [
    ("/v1/artists?q=a", "q, limit, offset"),
    ("/v1/artists:resolve?name=a", "name"),
    ("/v1/artists/a001?", None),
    ("/v1/artists/a001/similar?k=3", "k, offset, uncorrected, explain"),
    ("/v1/index?", None),
    ("/v1/index/versions?", None),
    ("/v1/truths?", None),
    ("/v1/jobs?kind=reindex", "kind, state, limit"),
    ("/v1/evaluations?limit=1", "truth, version, limit, before"),
]
ODD = [
    "AC/DC",
    "a/similar",
    "a/similar/similar",
    "x:merge",
    "y:batch",
    "100% & more?#",
    "Sigur Rós",
    "a b",
    "%2F",
    "é",
]


def test_a_query_parameter_that_is_not_known_is_422_and_names_those_that_are(home: Home) -> None:
    answers = asked(home, *(f"{path}&ofset=10" for path, _ in GETS), headers=key_headers(home))
    for answer, (_, parameters) in zip(answers, GETS, strict=True):
        body = problem_of(answer, 422, "invalid request")
        wanted = "no query parameters" if parameters is None else f"no query parameter except {parameters}"
        assert body["errors"] == [{"where": "query.ofset", "found": "'10'", "wanted": wanted}]
        assert body["detail"] == f"query.ofset: found '10'; wanted: {wanted}"


async def test_every_route_under_v1_is_strict_and_no_parameter_is_a_list(home: Home) -> None:
    async with running(home) as (app, _):
        for path, operations in app.openapi()["paths"].items():
            for operation in operations.values() if path.startswith("/v1/") else ():
                kinds = [parameter["schema"].get("type") for parameter in operation.get("parameters", [])]
                assert "array" not in kinds
                assert "422" in operation["responses"]


def test_a_parameter_given_twice_is_422(home: Home) -> None:
    (answer,) = asked(home, "/v1/artists/a001/similar?k=3&k=4")
    assert problem_of(answer, 422, "invalid request")["errors"] == [
        {"where": "query.k", "found": "['3', '4']", "wanted": "one value"}
    ]


def test_many_unknown_parameters_are_answered_shortly(home: Home) -> None:
    (answer,) = asked(home, "/v1/index?" + "&".join(f"p{n}=" for n in range(2000)))
    assert len(problem_of(answer, 422, "invalid request")["errors"]) == 10


JSON_OPERATIONS = [
    ("POST", "/v1/similar", {"seeds": [{"id": "a001"}]}, 200),
    ("POST", "/v1/similar:batch", {"queries": [{"seeds": [{"id": "a001"}]}]}, 200),
    ("PUT", "/v1/artists/new", {"name": "N"}, 201),
    ("PATCH", "/v1/artists/a001", {"name": "N"}, 200),
    ("POST", "/v1/artists/a001:merge", {"into": "a002"}, 200),
    ("POST", "/v1/artists:batch", {"items": [{"kind": "delete", "id": "a003"}]}, 200),
    ("POST", "/v1/rules", {"kind": "block", "artist": "a001"}, 201),
    ("POST", "/v1/jobs", {"kind": "reindex"}, 202),
    ("POST", "/v1/evaluations", {}, 202),
]


async def test_a_body_without_a_content_type_is_json_and_one_of_another_is_415(home: Home) -> None:
    headers = key_headers(home)
    async with running(home) as (_, client):
        for method, path, body, status in JSON_OPERATIONS:
            content = json.dumps(body).encode()
            for wrong in ("text/plain", "application/x-www-form-urlencoded", "text/json", "multipart/form-data"):
                sent = {**headers, "content-type": wrong}
                answer = await client.request(method, path, content=content, headers=sent)
                detail = problem_of(answer, 415, "unsupported media type")["detail"]
                assert detail.startswith(f"found Content-Type {wrong!r}; wanted application/json"), path
            twice = await client.request(method, f"{path}?k=3", content=content, headers=headers)
            assert problem_of(twice, 422, "invalid request")["errors"][0]["where"] == "query.k"
            for kind in (None, "Application/JSON; charset=utf-8"):
                sent = headers if kind is None else {**headers, "content-type": kind}
                answer = await client.request(method, path, content=content, headers=sent)
                assert answer.status_code in (status, 200, 202), answer.text


def test_a_short_question_with_a_query_is_422(home: Home) -> None:
    (answer,) = asked(home, "/v1/similar?k=3", method="POST", json={"seeds": [{"id": "a001"}]})
    assert problem_of(answer, 422, "invalid request")["errors"][0]["where"] == "query.k"


def test_a_file_comes_as_a_form_alone(home: Home) -> None:
    for kind in (None, "application/json"):
        headers = key_headers(home) | ({} if kind is None else {"content-type": kind})
        (answer,) = asked(home, "/v1/truths", method="POST", headers=headers, content=b"{}")
        shown_type = "no Content-Type" if kind is None else f"Content-Type {kind!r}"
        detail = problem_of(answer, 415, "unsupported media type")["detail"]
        assert detail == f"found {shown_type}; wanted multipart/form-data"


def test_without_a_key_the_answer_is_401_whatever_the_content_type(home: Home) -> None:
    for method, path in (("POST", "/v1/truths"), ("POST", "/v1/artists:batch"), ("PUT", "/v1/artists/a001")):
        (answer,) = asked(home, path, method=method, headers={"content-type": "text/plain"}, content=b"x")
        problem_of(answer, 401, "key needed")


async def test_an_artist_of_any_id_can_be_put_fetched_patched_merged_and_deleted(home: Home) -> None:
    headers = key_headers(home)
    async with running(home) as (_, client):
        paths = {id: f"/v1/artists/{quote(id, safe='')}" for id in ODD}
        for id, path in paths.items():
            put = await client.put(path, json={"name": f"Called {id}"}, headers=headers)
            assert (put.status_code, put.json().get("id")) == (201, id), put.text
            assert put.headers["location"] == path
        async with asyncio.timeout(20):
            while (await client.get(path)).status_code == 404:
                await asyncio.sleep(0.01)
        for id, path in paths.items():
            assert (await client.get(path)).json()["artist"]["name"] == f"Called {id}"
            similar = problem_of(await client.get(f"{path}/similar"), 409, "nothing known yet")
            assert f"Called {id} ({id})" in similar["detail"]
        for id, path in paths.items():
            patched = await client.patch(path, json={"mbid": "m"}, headers=headers)
            assert (patched.status_code, patched.json()["id"]) == (200, id), patched.text
            deleted = await client.delete(path, headers=headers)
            assert (deleted.status_code, deleted.json()["id"]) == (200, id), deleted.text
            merged = await client.post(f"{path}:merge", json={"into": "a001"}, headers=headers)
            assert (merged.status_code, merged.json()["id"]) == (200, id), merged.text


def test_what_is_spelled_as_the_address_of_similar_artists_is_not_changed(home: Home) -> None:
    (answer,) = asked(home, "/v1/artists/a001/similar", method="DELETE", headers=key_headers(home))
    assert "%2Fsimilar" in problem_of(answer, 422, "invalid request")["detail"]


def test_a_line_break_means_no_other_artist(home: Home) -> None:
    paths = ("/v1/artists/a001%0A", "/v1/artists/a001/similar%0A", "/v1/artists/a0%0A01/similar")
    for answer in asked(home, *paths):
        problem_of(answer, 404, "not found")

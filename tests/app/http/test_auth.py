"""Permissions of roles, checked for every operation of the OpenAPI document: a route without a key check fails here."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from riyl.app.http.media_types import JSON_KINDS
from riyl.core.db.keys import Role, all_keys, revoke_key
from riyl.core.settings import Home, Settings
from tests.app.conftest import asked, database, key_headers, problem_of, running
from tests.app.routes.embeddings import IDS, VECTORS, npy

READING = {"get", "head"}
ASKING = {"/v1/similar", "/v1/similar:batch"}
"""Paths with a POST that changes nothing."""
SECRET = {"/v1/rules", "/v1/changes"}
"""Paths that need an admin key even for reading."""
UNKNOWN = {"authorization": f"Bearer riyl_00000000_{'x' * 43}"}
MALFORMED = [
    "",
    "Bearer",
    "Bearer ",
    "Basic cmlsOnJpeWw=",
    "Bearer riyl",
    "Bearer riyl_0_0",
    "riyl_00000000_x",
    "Bearer é",
]


PAIRS, ALIASES = b"artist_id,similar_id\na000,a001\n", b"external_id,artist_id\nn0,a000\n"
"""Contents of uploads."""


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Yield method, address and description of every operation, and its example body as httpx takes it."""
    entries = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            address = path
            for parameter in operation.get("parameters", []):
                address = address.replace("{" + parameter["name"] + "}", str(parameter.get("example")))
            body = {}
            for media, content in operation.get("requestBody", {}).get("content", {}).items():
                if media in JSON_KINDS:
                    body = {"json": content["example"]}
                elif address == "/v1/embeddings":
                    address = f"{address}?name=gnn"
                    body = {"files": {"file": ("gnn.npy", npy(VECTORS)), "ids": IDS}}
                elif address.startswith("/v1/aliases"):
                    body = {"files": {"file": ("navidrome.csv", ALIASES)}}
                elif media == "multipart/form-data":
                    body = {"files": {"file": ("editorial.csv", PAIRS)}}
            entries.append((method, address, operation, body))
    return entries


def with_headers(body: dict[str, Any], headers: Any) -> dict[str, Any]:
    return {**body, "headers": {**body.get("headers", {}), **headers}}


def changes(method: str, address: str) -> bool:
    return method not in READING and address not in ASKING


def is_secret(address: str) -> bool:
    """Return whether even reading needs a key."""
    return address in SECRET or address.startswith("/v1/jobs")


def role_for(method: str, address: str) -> Role:
    """Return the role that an operation needs: write to change artists and their ids, read to see jobs, else admin."""
    if address.startswith("/v1/jobs") and not changes(method, address):
        return Role.READ
    return Role.WRITE if changes(method, address) and address.startswith(("/v1/artists", "/v1/aliases")) else Role.ADMIN


async def test_every_operation_that_changes_anything_needs_a_key_of_its_role_and_no_other_does(home: Home) -> None:
    revoked = key_headers(home)
    revoke_key(database(home), all_keys(database(home))[0].id)
    strangers = [{}, UNKNOWN, revoked, *({"authorization": authorization.encode()} for authorization in MALFORMED)]
    keys = {role: key_headers(home, role) for role in Role}
    async with running(home) as (app, client):
        document = app.openapi()
        assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
        changing = [each for each in operations(document) if changes(*each[:2]) or is_secret(each[1])]
        assert len(changing) >= 5
        for method, address, operation, body in changing:
            assert operation["security"] == [{"key": []}]
            assert {"401", "403"} <= set(operation["responses"])
            for headers in strangers:
                answer = await client.request(method, address, **with_headers(body, headers))
                problem_of(answer, 401, "key needed")
                assert answer.headers["www-authenticate"] == "Bearer"
            role = role_for(method, address)
            for lesser in [each for each in Role if not each.may(role)]:
                answer = await client.request(method, address, **with_headers(body, keys[lesser]))
                assert f"wanted one with the role {role}" in problem_of(answer, 403, "not allowed")["detail"]
        for method, address, operation, _ in operations(document):
            if not changes(method, address) and not is_secret(address):
                assert "security" not in operation
                assert not {"401", "403"} & set(operation["responses"])
        assert (await client.get("/v1/jobs", headers=keys[Role.READ])).json() == {"jobs": []}


async def test_an_admin_key_opens_every_operation(home: Home, headers: dict[str, str]) -> None:
    async with running(home) as (app, client):
        for method, address, operation, body in operations(app.openapi()):
            if changes(method, address):
                answer = await client.request(method, address, **with_headers(body, headers))
                assert answer.status_code in (200, 201, 202, 204, 404), (address, answer.text)
                assert str(answer.status_code) in operation["responses"]


def test_a_home_has_no_key_unless_one_is_made(home: Home) -> None:
    assert all_keys(database(home)) == []


def test_a_token_is_never_logged(
    home: Home, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    headers = key_headers(home)
    secret = headers["authorization"].split("_", 2)[2][-30:]
    with caplog.at_level("DEBUG"):
        (accepted,) = asked(home, "/v1/jobs", method="POST", headers=headers, json={"kind": "reindex"})
        wrong = {"authorization": headers["authorization"] + "x"}
        (refused,) = asked(home, "/v1/jobs", method="POST", headers=wrong, json={"kind": "reindex"})
    assert (accepted.status_code, refused.status_code) == (202, 401)
    captured = capfd.readouterr()
    for text in (caplog.text, captured.out, captured.err, accepted.text, refused.text):
        assert secret not in text
        assert not re.search("riyl_[0-9a-f]{8}_", text)


def test_who_asked_is_told_by_the_name_of_the_key(home: Home) -> None:
    (answer,) = asked(home, "/v1/jobs", method="POST", headers=key_headers(home), json={"kind": "reindex"})
    assert answer.json()["by"] == "key:tester"


async def test_without_the_database_nobody_is_let_in_and_queries_go_on(home: Home) -> None:
    away = Settings(home=home.root, database_url=SecretStr("postgresql://riyl@127.0.0.1:1/riyl"))
    async with running(home, away) as (_, client):
        assert (await client.get("/v1/artists/a001/similar")).status_code == 200
        asking = [
            ("POST", "/v1/jobs"),
            ("GET", "/v1/jobs"),
            ("GET", "/v1/index/versions"),
            ("GET", "/v1/evaluations/a"),
        ]
        for method, path in asking:
            answer = await client.request(method, path, json={"kind": "reindex"}, headers=UNKNOWN)
            body = problem_of(answer, 503, "database down")
            assert body["detail"] == "the database cannot be reached; retry in 5 seconds"
            assert answer.headers["retry-after"] == "5"


async def test_a_request_that_may_not_ask_takes_no_room_for_its_body(home: Home) -> None:
    """Read no byte of the body: neither without a key, nor with an invented key or a key of a lower role."""
    reader = key_headers(home, Role.READ)

    async def untouched() -> AsyncIterator[bytes]:
        pytest.fail("the body was read")
        yield b""

    async with running(home) as (_, client):
        for method, path in [("PUT", "/v1/artists/a001"), ("POST", "/v1/artists:batch"), ("POST", "/v1/truths")]:
            for headers, status, title in [
                ({}, 401, "key needed"),
                (UNKNOWN, 401, "key needed"),
                (reader, 403, "not allowed"),
            ]:
                answer = await client.request(method, path, headers=headers, content=untouched())
                problem_of(answer, status, title)

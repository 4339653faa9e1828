"""Helpers for tests of changes over HTTP: they send changes, and check responses and stored values."""

from __future__ import annotations

import json
from typing import Any

import httpx

from riyl.core.changes.effective import EffectiveChanges
from riyl.core.db.effective import effective_of
from riyl.core.db.keys import Role
from riyl.core.settings import Home
from tests.app.conftest import asked, database, key_headers

SAID = {
    "name": "Hildur Guðnadóttir",
    "mbid": None,
    "aliases": ["Lost in Hildurness"],
    "attributes": {"country": "IS", "begun": 2006, "live": True},
    "tags": {"drone": 3, "Modern Classical": 0.5},
    "plays": {"u001": 4},
    "vectors": {"audio": [[0.5, 1.0], [2.0, -1.0]]},
}


def stands(home: Home, artist: str) -> EffectiveChanges | None:
    with database(home).read() as connection:
        return effective_of(connection, artist)


def writer(home: Home) -> dict[str, str]:
    return key_headers(home, Role.WRITE)


def put(home: Home, artist: str, payload: Any, status: int, method: str = "PUT") -> dict[str, Any]:
    (answer,) = asked(home, f"/v1/artists/{artist}", method=method, headers=writer(home), json=payload)
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    return body


def sent(
    home: Home, body: str, key: str | None = None, owner: dict[str, str] | None = None, **headers: str
) -> httpx.Response:
    request_headers = {**(owner or writer(home)), "content-type": "application/x-ndjson", **headers}
    if key is not None:
        request_headers["idempotency-key"] = key
    (answer,) = asked(home, "/v1/artists:batch", method="POST", headers=request_headers, content=body.encode())
    return answer


def verdicts(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].split(";")[0] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def lines(*changes: dict[str, Any] | str) -> str:
    return "\n".join(each if isinstance(each, str) else json.dumps(each) for each in changes)


def done(artist: str, number: int, changed: bool = True, visible_after: str = "within_1s") -> dict[str, Any]:
    """Return the response to a change whose values are all known; a home without models encodes nothing."""
    nothing = {"unknown_tags": [], "unknown_plays": 0, "unused": []}
    return {"id": artist, "number": number, "changed": changed, "visible_after": visible_after, **nothing}

"""Tests of merges of artists over HTTP."""

from __future__ import annotations

from typing import Any

from riyl.core.changes.effective import EffectiveChanges
from riyl.core.db.keys import Role
from riyl.core.settings import Home
from tests.app.conftest import asked, key_headers, problem_of
from tests.app.routes.changes import done, put, stands
from tests.index.conftest import MBID


def merge(home: Home, artist: str, into: Any, status: int) -> dict[str, Any]:
    return put(home, f"{artist}:merge", into if isinstance(into, dict) else {"into": into}, status, "POST")


def test_an_artist_is_merged_into_another_one(home: Home) -> None:
    body = merge(home, MBID.upper(), "a002", 200)
    assert body == done("a001", 1)
    assert stands(home, "a001") == EffectiveChanges("a001", True, {}, "a002", MBID.upper())  # as the catalog spells it
    assert merge(home, "a001", "a002", 200) == {**body, "changed": False}
    assert "'a001' is merged into 'a002'; PUT" in put(home, "a001", {"mbid": "m"}, 404, "PATCH")["detail"]
    assert merge(home, "old/id ö:merge", "a002", 200)["id"] == "old/id ö:merge"
    put(home, "a001", {"name": "Back"}, 201)
    merge(home, "a003", MBID, 200)
    assert stands(home, "a003") == EffectiveChanges("a003", True, {}, "a001")
    (answer,) = asked(home, "/v1/changes", headers=key_headers(home))
    assert [(each["kind"], each["payload"], each["into"]) for each in answer.json()["changes"]] == [
        ("merge", {"into": 1, "mbid": 1}, "a002"),
        ("merge", {"into": 1}, "a002"),
        ("put", {"name": 1}, None),
        ("merge", {"into": 1}, "a001"),
    ]


def test_nobody_is_merged_into_whom_nobody_finds(home: Home) -> None:
    assert merge(home, "a001", "nobody", 404)["detail"] == "artist 'nobody' is in no version, and no PUT created it"
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

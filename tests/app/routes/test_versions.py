from __future__ import annotations

from typing import Any

import pytest

from riyl.core.db.promotions import last_verdicts
from riyl.core.settings import Home, Settings
from riyl.index.artifact.version import Version
from riyl.index.versions.lifecycle import CURRENT, current, history
from tests.app.conftest import asked, database, flip_a_byte, key_headers, problem_of, running, until

WHY = {"why": "better on the editorial truth"}


def strict(home: Home) -> Settings:
    """Return settings that refuse a version whose lists differ at all from the current one's."""
    return Settings(home=home.root, quality_min_overlap=1.0)


def lax(home: Home) -> Settings:
    return Settings(home=home.root, quality_min_overlap=0.0)


def promote_path(version: Version) -> str:
    return f"/v1/index/versions/{version.id}:promote"


def listed(home: Home) -> dict[str, Any]:
    (answer,) = asked(home, "/v1/index/versions")
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


def test_versions_are_listed_the_newest_first_as_the_index_tells_them(
    home: Home, version: Version, other_version: Version
) -> None:
    (index,) = asked(home, "/v1/index")
    listing = listed(home)
    assert [v["version"] for v in listing["versions"]] == [other_version.id, version.id]
    facts = index.json()
    assert listing["versions"][1] == {**facts, "current": True, "serving": True, "verdict": None}
    assert (listing["versions"][0]["current"], listing["versions"][0]["serving"]) == (False, False)
    assert listing["damaged"] == []
    (only,) = listing["promotions"]
    assert only.pop("at").endswith("Z")
    assert only == {
        "number": 1,
        "version": version.id,
        "act": "promote",
        "by": "command",
        "why": "test",
        "forced": False,
        "job": None,
    }


async def test_a_promotion_serves_before_it_is_answered_and_a_rollback_too(
    home: Home, version: Version, other_version: Version
) -> None:
    headers = key_headers(home)
    async with running(home, lax(home)) as (_, client):
        answer = await client.post(promote_path(other_version), json=WHY, headers=headers)
        assert answer.status_code == 200, answer.text
        entry = answer.json()
        assert (entry["number"], entry["version"], entry["act"]) == (2, other_version.id, "promote")
        assert (entry["by"], entry["why"], entry["forced"]) == ("key:tester", WHY["why"], False)
        assert (await client.get("/v1/index")).json()["version"] == other_version.id

        back = await client.post("/v1/index:rollback", json={"why": "worse"}, headers=headers)
        assert (back.status_code, back.json()["act"], back.json()["version"]) == (200, "rollback", version.id)
        assert (await client.get("/v1/index")).json()["version"] == version.id
        nothing = await client.post("/v1/index:rollback", json={"why": "worse"}, headers=headers)
        assert "nothing to go back to" in problem_of(nothing, 404, "not found")["detail"]

        listing = (await client.get("/v1/index/versions")).json()
        assert [entry["number"] for entry in listing["promotions"]] == [3, 2, 1]
        verdict = listing["versions"][0]["verdict"]
        assert (verdict["passed"], verdict["compared_to"]) == (True, version.id)
        assert all(check["passed"] for check in verdict["checks"])


async def test_another_replica_takes_a_promotion_up_by_itself(home: Home, other_version: Version) -> None:
    headers = key_headers(home)
    async with running(home, lax(home)) as (_, client), running(home) as (replica, _):
        await client.post(promote_path(other_version), json=WHY, headers=headers)
        await until(lambda: replica.state.reloader.searcher.version_id == other_version.id, 2)


def test_a_version_that_the_gate_refuses_is_promoted_by_force_alone(
    home: Home, version: Version, other_version: Version
) -> None:
    headers, path = key_headers(home), promote_path(other_version)
    (refused,) = asked(home, path, method="POST", headers=headers, json=WHY, settings=strict(home))
    body = problem_of(refused, 409, "failed quality checks")
    (failed,) = [check for check in body["checks"] if not check["passed"]]
    assert failed["name"].startswith("mean overlap@50")
    assert failed["wanted"] == "at least 1 (RIYL_QUALITY_MIN_OVERLAP)"
    assert 0 <= failed["found"] < 1
    assert current(home.versions) == version.id
    listing = listed(home)
    assert len(listing["promotions"]) == 1
    assert (listing["versions"][0]["verdict"]["passed"], listing["versions"][0]["verdict"]["checks"]) == (
        False,
        body["checks"],
    )

    forced = {**WHY, "force": True}
    (answer,) = asked(home, path, method="POST", headers=headers, json=forced, settings=strict(home))
    assert (answer.status_code, answer.json()["forced"]) == (200, True)
    assert current(home.versions) == other_version.id
    assert listed(home)["promotions"][0]["forced"]


def test_a_damaged_version_is_a_conflict_and_not_promoted_even_by_force(
    home: Home, version: Version, other_version: Version
) -> None:
    flip_a_byte(home.versions / other_version.id / "scores.npy")
    body = {**WHY, "force": True}
    (answer,) = asked(home, promote_path(other_version), method="POST", headers=key_headers(home), json=body)
    assert "scores.npy: damaged, found sha256" in problem_of(answer, 409, "damaged version")["detail"]
    assert current(home.versions) == version.id
    assert len(history(database(home))) == 1


def test_a_version_is_promoted_in_the_place_of_one_that_is_damaged(
    home: Home, version: Version, other_version: Version
) -> None:
    flip_a_byte(home.versions / version.id / "scores.npy")
    settings = strict(home)
    (answer,) = asked(
        home, promote_path(other_version), method="POST", headers=key_headers(home), json=WHY, settings=settings
    )
    assert answer.status_code == 200, answer.text
    with database(home).read() as connection:
        assert last_verdicts(connection)[other_version.id].compared_to is None


@pytest.mark.parametrize("file", ["manifest.json", "manifest.sha256", "plays.npy"])
def test_a_damaged_version_is_listed_as_such_beside_the_others(
    home: Home, version: Version, other_version: Version, file: str
) -> None:
    path = home.versions / other_version.id / file
    if file == "plays.npy":
        path.unlink()
    else:
        flip_a_byte(path)
    listing = listed(home)
    assert [v["version"] for v in listing["versions"]] == [version.id]
    (damaged,) = listing["damaged"]
    assert damaged["version"] == other_version.id
    assert "damaged" in damaged["reason"]


def test_versions_are_listed_where_none_is_served(home: Home, version: Version) -> None:
    (home.versions / CURRENT).unlink()
    flip_a_byte(home.versions / version.id / "scores.npy")
    listing = listed(home)
    assert [v["serving"] for v in listing["versions"]] == [False, False]


def test_unknown_version_is_404_and_what_is_no_id_is_422(home: Home, headers: dict[str, str]) -> None:
    (unknown,) = asked(home, "/v1/index/versions/0123456789abcdef:promote", method="POST", headers=headers, json=WHY)
    assert "version '0123456789abcdef' does not exist" in problem_of(unknown, 404, "not found")["detail"]
    for odd in ("..", "abc", "%2e%2e", "a%00b", "0123456789abcdefg"):
        path = f"/v1/index/versions/{odd}:promote"
        (answer,) = asked(home, path, method="POST", headers=headers, json=WHY)
        problem_of(answer, 422, "invalid request")


@pytest.mark.parametrize("body", [{}, {"why": "a\x00b"}, {"why": "a" * 1001}, {"why": "", "forced": True}, {"why": 1}])
def test_a_reason_is_asked_for_and_has_its_limits(home: Home, version: Version, body: dict[str, object]) -> None:
    headers = key_headers(home)
    for answer in asked(home, promote_path(version), "/v1/index:rollback", method="POST", headers=headers, json=body):
        problem_of(answer, 422, "invalid request")

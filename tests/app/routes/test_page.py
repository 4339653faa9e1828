"""Tests of every route and every error, over the small world."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import quote

import pytest

from riyl.app.http.request_context import CONTENT_SECURITY_POLICY
from riyl.core.settings import Home
from riyl.index.artifact.version import Version
from riyl.index.search.searcher import Searcher
from riyl.index.versions.lifecycle import promote
from tests.app.conftest import asked, database, problem_of
from tests.index.conftest import MBID


def test_search_finds_by_the_beginning_without_accents_and_with_a_typo(home: Home, version: Version) -> None:
    begun, typo, nothing = asked(home, "/v1/artists?q=bjo", "/v1/artists?q=radiohed&limit=1", "/v1/artists?q=")
    assert begun.json()["artists"][0]["name"] == "Björk"
    assert typo.json() == {
        "version": version.id,
        "artists": [
            {
                "id": "a001",
                "name": "Radiohead",
                "mbid": MBID.upper(),
                "modalities": ["audio", "cf", "tags"],
                "listeners": int(version.listeners[1]),
            }
        ],
    }
    assert nothing.json()["artists"] == []


@pytest.mark.parametrize("query", ["", "?q=a&limit=0", "?q=a&limit=51", "?q=a&limit=x", f"?q={'a' * 1001}"])
def test_a_search_out_of_range_is_422(home: Home, query: str) -> None:
    (answer,) = asked(home, f"/v1/artists{query}")
    body = problem_of(answer, 422, "invalid request")
    assert isinstance(body["errors"], list)
    assert body["errors"][0]["where"] == ("query.limit" if "limit" in query else "query.q")


def test_a_name_of_one_artist_resolves_to_it(home: Home, version: Version) -> None:
    (answer,) = asked(home, "/v1/artists:resolve?name=bj%C3%B6rk")
    assert answer.status_code == 200
    assert (answer.json()["version"], answer.json()["artist"]["id"]) == (version.id, "a000")


@pytest.mark.parametrize(
    ("typed", "artist"),
    [
        ("AC/DC", "a002"),
        ("ac dc", "a002"),
        ("acdc", "a002"),
        ("sigur ros", "a003"),
        ("guns n’ roses", "a004"),
        ("Guns and Roses", "a004"),
        ("!!!", "a008"),
        ("beatles", "a009"),
        ("Beatles, The", "a009"),
        ("ام كلثوم", "a010"),
        ("mo", "a011"),
    ],
)
def test_a_name_as_people_type_it_resolves_to_the_artist(home: Home, typed: str, artist: str) -> None:
    (answer,) = asked(home, f"/v1/artists:resolve?name={quote(typed)}")
    assert (answer.status_code, answer.json()["artist"]["id"]) == (200, artist)


def test_guests_are_cut_off_in_the_search_alone(home: Home) -> None:
    searched, resolved = asked(home, "/v1/artists?q=ac-dc+feat.+bjork", "/v1/artists:resolve?name=ac-dc+feat.+bjork")
    assert [artist["id"] for artist in searched.json()["artists"]] == ["a002"]
    body = problem_of(resolved, 404, "unknown artist")
    assert isinstance(body["near"], list)
    assert [artist["id"] for artist in body["near"]] == ["a002"]


def test_a_name_of_several_artists_is_409_with_all_of_them(home: Home) -> None:
    (answer,) = asked(home, "/v1/artists:resolve?name=aurora")
    body = problem_of(answer, 409, "several artists have this name")
    assert isinstance(body["candidates"], list)
    assert {c["id"] for c in body["candidates"]} >= {"a005", "a006"}


def test_a_name_of_nobody_is_404_with_near_names(home: Home) -> None:
    (answer,) = asked(home, "/v1/artists:resolve?name=Radiohed")
    body = problem_of(answer, 404, "unknown artist")
    assert isinstance(body["near"], list)
    assert body["near"][0]["name"] == "Radiohead"


def test_an_artist_is_found_by_id_and_by_mbid_in_any_case(home: Home, version: Version) -> None:
    answers = asked(home, "/v1/artists/a001", f"/v1/artists/{MBID}", f"/v1/artists/{MBID.upper()}")
    assert [a.json() for a in answers] == [answers[0].json()] * 3
    assert answers[0].json() == {
        "version": version.id,
        "artist": {
            "id": "a001",
            "name": "Radiohead",
            "mbid": MBID.upper(),
            "modalities": ["audio", "cf", "tags"],
            "listeners": int(version.listeners[1]),
            "aliases": ["On a Friday"],
            "attributes": {"country": "GB", "year": 1986},
            "plays": float(version.plays[1]),
        },
    }


@pytest.mark.parametrize(
    "path", ["/v1/artists/Radiohed", "/v1/artists/Radiohed/similar", "/v1/artists/Radiohed/similar?k=5"]
)
def test_unknown_artist_is_404_with_near_names(home: Home, version: Version, path: str) -> None:
    (answer,) = asked(home, path)
    body = problem_of(answer, 404, "unknown artist")
    assert isinstance(body["near"], list)
    assert body["near"][0]["id"] == "a001"
    assert body["version"] == version.id == answer.headers["riyl-version"]


def test_ids_may_hold_slashes_and_none_is_empty(home: Home) -> None:
    for answer in asked(home, "/v1/artists/a%2Fb", "/v1/artists/a%2Fb/similar", "/v1/artists/", "/v1/artists//similar"):
        problem_of(answer, 404, "unknown artist")


def test_similar_gives_ten_unless_asked_for_k(home: Home, version: Version) -> None:
    ten, two = asked(home, "/v1/artists/a001/similar", "/v1/artists/a001/similar?k=2")
    assert len(ten.json()["similar"]) == 10
    rows = version.neighbours[1, :2].tolist()
    body = two.json()
    assert body["artist"]["id"] == "a001"
    assert [s["id"] for s in body["similar"]] == [version.artist_ids[row] for row in rows]
    assert [s["score"] for s in body["similar"]] == pytest.approx(version.scores[1, :2].tolist(), rel=1e-7)


def test_raw_leaves_the_corrections_out(home: Home, corrected: Version) -> None:
    shutil.copytree(corrected.folder, home.versions / corrected.id)
    promote(home.versions, database(home), corrected.id, by="test", why="test")
    path = "/v1/artists/a001/similar"
    uncorrected, ready = (
        a.json()["similar"] for a in asked(home, f"{path}?k=5&uncorrected=true", f"{path}?k=5&uncorrected=false")
    )
    searcher = Searcher.open(corrected.folder)
    for answer, expected in ((uncorrected, searcher.similar(1, 5, uncorrected=True)), (ready, searcher.similar(1, 5))):
        assert [s["id"] for s in answer] == searcher.ids_of(expected.rows)
        assert [s["score"] for s in answer] == pytest.approx(expected.scores.tolist(), rel=1e-7)
    assert [s["score"] for s in uncorrected] != [s["score"] for s in ready]


def test_similar_gives_what_there_is_when_k_is_more(home: Home) -> None:
    (answer,) = asked(home, "/v1/artists/a001/similar?k=200")
    assert len(answer.json()["similar"]) == 58


@pytest.mark.parametrize("k", ["0", "-1", "201", "ten", "", "1.5", "99999999999999999999"])
def test_k_out_of_range_is_422(home: Home, k: str) -> None:
    (answer,) = asked(home, f"/v1/artists/a001/similar?k={k}")
    body = problem_of(answer, 422, "invalid request")
    assert isinstance(body["errors"], list)
    assert body["errors"][0]["where"] == "query.k"


def test_an_artist_of_whom_nothing_is_known_is_409(home: Home) -> None:
    (answer,) = asked(home, "/v1/artists/a059/similar")
    body = problem_of(answer, 409, "nothing known yet")
    assert "Nobody Knows" in str(body["detail"])


def test_the_index_says_what_it_is_made_of(home: Home, version: Version) -> None:
    (answer,) = asked(home, "/v1/index")
    body = answer.json()
    assert (body["version"], body["model"], body["snapshot"]) == (
        version.id,
        version.manifest["model"],
        version.manifest["snapshot"],
    )
    assert (body["artists"], body["embedded"], body["not_embedded"], body["format"]) == (60, 59, {"no input": 1}, 4)
    # by the rule of the small world: no tags if i % 5 == 4, no plays if i % 7 == 6, no data for the last artist
    assert body["modalities"] == {"audio": 59, "cf": 51, "tags": 48}
    assert sum(p["artists"] for p in body["patterns"]) == 60
    assert body["quality_checks"]["passed"]


def test_health_readiness_and_metrics(home: Home, version: Version) -> None:
    alive, ready, _, _, metrics = asked(
        home, "/healthz", "/readyz", "/v1/artists/a001/similar?k=3", "/v1/artists/nobody", "/metrics"
    )
    assert alive.json() == {"status": "alive"}
    assert ready.json() == {"status": "ready", "version": version.id, "refused": None, "database": None}
    assert metrics.headers["content-type"].startswith("text/plain")
    lines = metrics.text.splitlines()
    path = "/v1/artists/{id}"
    assert f'riyl_http_request_seconds_count{{method="GET",path="{path}/similar",status="200"}} 1.0' in lines
    assert f'riyl_http_request_seconds_count{{method="GET",path="{path}",status="404"}} 1.0' in lines
    assert "riyl_artists 60.0" in lines
    assert any(line.startswith("riyl_version_info{") and f'version="{version.id}"' in line for line in lines)


def test_a_home_without_a_version_is_alive_and_says_what_to_run(tmp_path: Path) -> None:
    alive, ready, *others = asked(
        Home(tmp_path), "/healthz", "/readyz", "/v1/artists/a/similar", "/v1/artists?q=a", "/v1/index", "/v1/artists/a"
    )
    assert alive.status_code == 200
    for answer in (ready, *others):
        body = problem_of(answer, 503, "not ready")
        assert "riyl index build --promote" in str(body["detail"])


@pytest.mark.parametrize(
    "path",
    ["/v1/artists?q=bjork", "/v1/artists:resolve?name=MØ", "/v1/artists/a001", "/v1/artists/a001/similar", "/v1/index"],
)
def test_an_answer_names_its_version_and_is_304_to_who_has_it(home: Home, version: Version, path: str) -> None:
    (fresh,) = asked(home, path)
    assert fresh.json()["version"] == fresh.headers["riyl-version"] == version.id
    assert fresh.headers["etag"] == f'"{version.id}"'
    assert fresh.headers["cache-control"] == "no-cache"
    for have in (f'"{version.id}"', f'W/"{version.id}"', f'"x", "{version.id}"', "*"):
        (same,) = asked(home, path, headers={"if-none-match": have})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", fresh.headers["etag"])
        assert same.headers["riyl-version"] == version.id
    (other,) = asked(home, path, headers={"if-none-match": '"another"'})
    assert other.status_code == 200


def test_an_error_is_not_304(home: Home) -> None:
    for answer in asked(home, "/v1/artists/nobody", "/v1/artists/nobody/similar", headers={"if-none-match": "*"}):
        assert answer.status_code == 404


def test_an_unknown_path_and_another_method_are_problems(home: Home) -> None:
    for answer in asked(home, "/nothing", "/v1", "/v1/artists:other", "/web/nothing.js", "/web/%00", "/web/../main.py"):
        problem_of(answer, 404, "not found")
    for answer in asked(
        home,
        "/v1/index",
        "/v1/artists/a001/similar",
        "/healthz",
        "/",
        "/evaluations",
        "/docs",
        "/openapi.json",
        "/web/app.js",
        method="POST",
    ):
        problem_of(answer, 405, "method not allowed")
        assert answer.headers["allow"] == "GET, HEAD"
    for path, methods in (("/v1/jobs", "GET, HEAD, POST"), ("/v1/index:rollback", "POST"), ("/v1/jobs/x", "GET, HEAD")):
        (answer,) = asked(home, path, method="DELETE")
        problem_of(answer, 405, "method not allowed")
        assert answer.headers["allow"] == methods


def test_head_is_get_without_the_body(home: Home) -> None:
    paths = ("/v1/artists/a001/similar?k=5", "/v1/index", "/docs", "/", "/healthz")
    for got, head in zip(asked(home, *paths), asked(home, *paths, method="HEAD"), strict=True):
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == got.headers["content-length"]


def test_a_sane_request_id_is_taken_over_and_another_is_not(home: Home) -> None:
    (response,) = asked(home, "/healthz", headers={"x-request-id": "abc-1.2:3_4"})
    assert response.headers["x-request-id"] == "abc-1.2:3_4"
    for odd in ("", " ", "a b", "a" * 65, '"', "x\ty"):
        (other,) = asked(home, "/healthz", headers={"x-request-id": odd})
        assert other.headers["x-request-id"] not in ("", odd)
    first, second = asked(home, "/healthz", "/healthz")
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


def test_an_address_that_is_too_long_is_414(home: Home) -> None:
    for answer in asked(home, "/v1/artists?q=" + "a" * 20_000, "/v1/artists/" + "a" * 20_000):
        problem_of(answer, 414, "address too long")


def test_the_page_and_its_files_come_with_a_strict_policy(home: Home) -> None:
    paths = ("/", "/evaluations", "/evaluations?id=x", "/docs", "/web/app.js", "/web/evaluations.js", "/web/style.css")
    kinds = ["text/html"] * 4 + ["text/javascript"] * 2 + ["text/css"]
    for answer, kind in zip(asked(home, *paths), kinds, strict=True):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "path", ["/web/__init__.py", "/web/__pycache__/__init__.cpython-311.pyc", "/web/", "/web/../main.py"]
)
def test_nothing_but_pages_scripts_and_styles_is_served(home: Home, path: str) -> None:
    (answer,) = asked(home, path)
    assert answer.status_code == 404

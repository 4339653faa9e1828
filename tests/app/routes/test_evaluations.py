from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text, update

from riyl.app.evaluations.store import store
from riyl.app.routes.evaluations import REPORT_POLICY
from riyl.core.db.tables import evaluations
from riyl.core.settings import Home, Settings
from tests.app.conftest import asked, database, flip_a_byte, key_headers, problem_of, running
from tests.app.routes.embeddings import IDS, VECTORS, bring, npy
from tests.app.routes.evaluations import SCORES, kept
from tests.conftest import made_up_run

ASKED = {"truth": "editorial", "systems": ["pca"], "conditions": ["raw"], "k": 10, "rounds": 100, "seed": 1}
FILLED = {
    **ASKED,
    "model": None,
    "version": None,
    "snapshot": None,
    "catalogs": [],
    "embeddings": [],
    "bias": [],
    "seeds": 1,
}
"""Parameters of the request, with defaults for the omitted ones."""


async def test_an_evaluation_is_its_job_until_it_has_figures(home: Home, headers: dict[str, str]) -> None:
    async with running(home) as (_, client):
        answer = await client.post("/v1/evaluations", json=ASKED, headers=headers)
        assert answer.status_code == 202
        id = answer.json()["id"]
        assert answer.headers["location"] == f"/v1/evaluations/{id}"
        waiting = {
            "id": id,
            "state": "waiting",
            "request": FILLED,
            "error": None,
            "at": None,
            "by": "key:tester",
            "files": False,
            "figures": None,
        }
        assert answer.json() == waiting
        assert (await client.get(f"/v1/evaluations/{id}", headers=headers)).json() == waiting
        assert (await client.get(f"/v1/evaluations/{id}")).json() == {**waiting, "by": "key"}
        job = (await client.get(f"/v1/jobs/{id}", headers=headers)).json()
        assert (job["kind"], job["params"]) == ("evaluate", FILLED)

        run_ = made_up_run(SCORES)
        store(home, database(home), id, waiting["request"], by="worker", **run_)
        done = (await client.get(f"/v1/evaluations/{id}")).json()
        assert done.pop("at").endswith("Z")
        assert done == {
            "id": id,
            "state": "done",
            "request": waiting["request"],
            "error": None,
            "by": "command",
            "files": True,
            "figures": run_["figures"],
        }


async def test_a_cancelled_evaluation_says_so(home: Home, headers: dict[str, str]) -> None:
    async with running(home) as (_, client):
        id = (await client.post("/v1/evaluations", json=ASKED, headers=headers)).json()["id"]
        await client.post(f"/v1/jobs/{id}/cancel", headers=headers)
        assert (await client.get(f"/v1/evaluations/{id}")).json()["state"] == "cancelled"


async def test_unknown_evaluation_is_404_and_so_is_a_job_of_another_kind(home: Home, headers: dict[str, str]) -> None:
    async with running(home) as (_, client):
        id = (await client.post("/v1/jobs", json={"kind": "reindex"}, headers=headers)).json()["id"]
        body = problem_of(await client.get(f"/v1/evaluations/{id}"), 404, "not found")
        assert body["detail"] == f"job '{id}' is not an evaluation: found the kind reindex"
        body = problem_of(await client.get("/v1/evaluations/nobody"), 404, "not found")
        assert body["detail"] == "there is no evaluation 'nobody'"


def test_an_evaluation_of_embeddings_that_are_not_stored_is_refused_at_once(home: Home) -> None:
    """Names are looked up among stored embeddings alone: the path of a file is no name."""
    uploaded = bring(home, file=("gnn.npy", npy(VECTORS)), ids=IDS).json()["id"]
    vectors = home.embeddings / uploaded / "vectors.npy"
    headers = key_headers(home)
    for name in ("walks", f"{uploaded}/vectors.npy", f"stored:{uploaded}"):
        params = {"embeddings": ["gnn", name]}
        for path, body in (("/v1/evaluations", params), ("/v1/jobs", {"kind": "evaluate", "params": params})):
            (answer,) = asked(home, path, method="POST", headers=headers, json=body)
            detail = problem_of(answer, 404, "not found")["detail"]
            assert detail.startswith("there are no embeddings ")
            assert detail.endswith(" in embeddings; there are: gnn")
    for name in ("gnn", uploaded):
        (answer,) = asked(home, "/v1/evaluations", method="POST", headers=headers, json={"embeddings": [name]})
        assert (answer.status_code, answer.json()["request"]["embeddings"]) == (202, [name])
    vectors.write_bytes(b"")
    (answer,) = asked(home, "/v1/evaluations", method="POST", headers=headers, json={"embeddings": [uploaded]})
    assert "found 0 bytes" in problem_of(answer, 409, "damaged embeddings")["detail"]


@pytest.mark.parametrize(
    "params",
    [
        {"conditions": ["raw", "groups:/etc/passwd"]},
        {"conditions": ["/etc/passwd"]},
        {"bias": ["hubs"]},
        {"seeds": 0},
        {"seeds": 21},
        {"embeddings": [""]},
        {"embeddings": {"gnn": "/etc/passwd"}},
        {"runs": {"a": "/etc/passwd"}},
        {"queries": "/etc/passwd"},
        {"candidates": "/etc/passwd"},
        {"ids": {"": "/etc/passwd"}},
        {"seen": {"gnn": "/etc/passwd"}},
    ],
)
def test_an_evaluation_over_http_names_no_file(home: Home, params: dict[str, Any]) -> None:
    (answer,) = asked(home, "/v1/evaluations", method="POST", headers=key_headers(home), json=params)
    problem_of(answer, 422, "invalid request")


def test_an_evaluation_out_of_range_is_422(home: Home) -> None:
    (answer,) = asked(home, "/v1/evaluations", method="POST", headers=key_headers(home), json={"k": 0, "more": 1})
    errors = problem_of(answer, 422, "invalid request")["errors"]
    assert [error["where"] for error in errors] == ["body.k", "body.more"]


def test_stored_evaluations_are_listed_the_newest_first(home: Home) -> None:
    for identity, options in (("e1", {"truth": "11" * 8}), ("e2", {"version": "5f2a9c0e41d7b386"}), ("e3", {})):
        kept(home, identity, **options)
    opened = database(home)
    with opened.write() as connection:  # e2 and e3 have equal times, and e1 is older
        for identity, day in (("e1", 1), ("e2", 2), ("e3", 2)):
            at = datetime(2026, 3, day, tzinfo=UTC)
            connection.execute(update(evaluations).where(evaluations.c.id == identity).values(at=at))
    paths = ("", "?limit=2", "?before=e2", "?truth=editorial", f"?truth={'11' * 8}", "?version=5f2a", "?truth=none")
    answers = [answer.json() for answer in asked(home, *(f"/v1/evaluations{path}" for path in paths))]
    ids = [[each["id"] for each in answer["evaluations"]] for answer in answers]
    assert ids == [["e3", "e2", "e1"], ["e3", "e2"], ["e1"], ["e3", "e2", "e1"], ["e1"], ["e2"], []]
    first = answers[0]["evaluations"][1]
    assert {name: first[name] for name in first if name != "summary"} == {
        "id": "e2",
        "at": "2026-03-02T00:00:00Z",
        "by": "command",
        "truth": "0123456789abcdef",
        "truth_name": "editorial",
        "snapshot": "5e1f5e1f5e1f5e1f",
        "version": "5f2a9c0e41d7b386",
        "model": "a0de1a0de1a0de1a",
        "k": 10,
    }
    # (0.5 + 0 + 1 + 0 + 0.75) / 5, and the other figures of made_up_run
    raw = {"ndcg": 0.45, "ndcg_low": 0.325, "ndcg_high": 0.575, "gini": 0.225, "coverage": 0.75}
    assert first["summary"][0] == pytest.approx({"condition": "raw", "system": "mine", "queries": 5, **raw})
    assert [row["condition"] for row in first["summary"]] == ["raw", "fmc"]


async def test_jobs_that_have_stored_nothing_are_listed_too_on_the_first_page(home: Home) -> None:
    headers = key_headers(home)
    async with running(home) as (_, client):
        ids = [(await client.post("/v1/evaluations", json=ASKED, headers=headers)).json()["id"] for _ in range(2)]
        await client.post("/v1/jobs", json={"kind": "reindex"}, headers=headers)
        await client.post(f"/v1/jobs/{ids[0]}/cancel", headers=headers)
        kept(home, "e1")
        body = (await client.get("/v1/evaluations")).json()
        assert [(job["id"], job["state"], job["kind"]) for job in body["jobs"]] == [(ids[1], "waiting", "evaluate")]
        assert [each["id"] for each in body["evaluations"]] == ["e1"]
        for query in ("truth=editorial", "version=5f", "before=e1"):
            assert (await client.get(f"/v1/evaluations?{query}")).json()["jobs"] == []


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("?limit=0", "query.limit"),
        ("?limit=201", "query.limit"),
        ("?version=xyz", "query.version"),
        ("?truth=%00", "query.truth"),
        ("?before=A", "query.before"),
        ("/e1/artists?sort=other", "query.sort"),
        ("/e1/artists?limit=101", "query.limit"),
        ("/e1/artists?offset=-1", "query.offset"),
        ("/E1", "path.id"),
        ("/E1/report", "path.id"),
        ("/compare", "query.a"),
        ("/compare?a=e1&b=E", "query.b"),
    ],
)
def test_what_is_asked_wrongly_is_422(home: Home, path: str, where: str) -> None:
    (answer,) = asked(home, f"/v1/evaluations{path}")
    assert problem_of(answer, 422, "invalid request")["errors"][0]["where"] == where


def test_what_is_not_stored_is_404(home: Home) -> None:
    kept(home, "e1")
    for path in ("?before=nobody", "/nobody/report", "/nobody/artists", "/compare?a=e1&b=nobody", "/compare?a=no&b=e1"):
        (answer,) = asked(home, f"/v1/evaluations{path}")
        assert "there is no stored evaluation 'no" in problem_of(answer, 404, "not found")["detail"]


def test_a_report_may_do_nothing_but_be_seen(home: Home) -> None:
    kept(home, "e1")
    (answer,) = asked(home, "/v1/evaluations/e1/report")
    assert answer.content == made_up_run(SCORES)["report"]
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    wanted = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
    assert answer.headers.get_list("content-security-policy") == [REPORT_POLICY] == [wanted]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


FILED = ["/e1/report", "/e1/artists", "/compare?a=e1&b=e2", "/compare?a=e2&b=e1"]
"""Requests that need the files of e1."""


def test_a_row_without_its_files_says_so_and_shows_its_figures(home: Home) -> None:
    for identity in ("e1", "e2"):
        kept(home, identity)
    shutil.rmtree(home.evaluations / "e1")
    for answer in asked(home, *(f"/v1/evaluations{path}" for path in FILED)):
        detail = problem_of(answer, 404, "not found")["detail"]
        assert detail.startswith("evaluation 'e1' has only figures here: found no folder evaluations/e1 in this home")
    complete, without_files, listing = asked(home, "/v1/evaluations/e2", "/v1/evaluations/e1", "/v1/evaluations")
    assert (complete.json()["files"], without_files.json()["files"]) == (True, False)
    assert without_files.json()["figures"] == complete.json()["figures"]
    assert len(listing.json()["evaluations"]) == 2


def test_a_row_of_the_release_before_is_shown(home: Home) -> None:
    opened = database(home)
    figures = made_up_run(SCORES)["figures"]
    before = {name: each for name, each in figures.items() if name not in ("format", "k", "groups")}
    for identity, stored_figures in (("e1", before), ("odd", {"k": 200})):
        with opened.write() as connection:
            row = {"id": identity, "figures": json.dumps(stored_figures)}
            connection.execute(
                text("INSERT INTO evaluations (id, request, figures, at) VALUES (:id, '{}', :figures, '2026-03-01')"),
                row,
            )
    kept(home, "e2")
    old, odd, listing = asked(home, "/v1/evaluations/e1", "/v1/evaluations/odd", "/v1/evaluations")
    assert (old.json()["state"], old.json()["figures"], old.json()["by"]) == ("done", before, None)
    assert odd.json()["figures"] == {"k": 200}
    assert [each["id"] for each in listing.json()["evaluations"]] == ["e2", "odd", "e1"]
    for answer in asked(home, *(f"/v1/evaluations{path}" for path in FILED)):
        problem_of(answer, 404, "not found")
    (answer,) = asked(home, "/v1/evaluations/odd/artists")
    assert "condition: found ''; wanted one of none" in problem_of(answer, 404, "not found")["detail"]


@pytest.mark.parametrize(
    ("file", "paths"),
    [("report.html", FILED[:1]), ("queries.parquet", FILED[1:]), ("expected.parquet", FILED[1:2])],
)
def test_a_damaged_file_is_409_and_named(home: Home, file: str, paths: list[str]) -> None:
    for identity in ("e1", "e2"):
        kept(home, identity)
    flip_a_byte(home.evaluations / "e1" / file)
    for answer in asked(home, *(f"/v1/evaluations{path}" for path in paths)):
        detail = problem_of(answer, 409, "damaged evaluation")["detail"]
        assert f"evaluations/e1/{file}: damaged, found sha256" in detail


def test_a_database_that_is_away_is_503(home: Home) -> None:
    away = Settings(home=home.root, database_url="postgresql://riyl@127.0.0.1:1/riyl")  # type: ignore[arg-type]
    for path in ("", "/e1", "/e1/report", "/e1/artists", "/compare?a=e1&b=e2"):
        (answer,) = asked(home, f"/v1/evaluations{path}", settings=away)
        problem_of(answer, 503, "database down")

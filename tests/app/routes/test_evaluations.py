from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import text, update

from app.evaluations import store
from app.routes.evaluations import REPORT_POLICY
from core.db.tables import evaluations
from core.settings import Home, Settings
from core.truth import Truth, save_truth
from tests.app.conftest import asked, database, flip_a_byte, key_headers, problem_of, run, running
from tests.conftest import made_up_run

SCORES = {
    ("raw", "mine"): {"a000": 0.5, "a001": 0.0, "a002": 1.0, "a003": 0.0, "gone": 0.75},
    ("raw", "pca"): {"a000": 0.25, "a001": 0.75, "a002": 1.0, "a003": 0.25, "gone": 0.0},
    ("fmc", "mine"): {"a000": 0.5},
    ("fmc", "pca"): {"a000": 0.0},
}
"""The first four artists of the small world, and one that the version has not."""

ASKED = {"truth": "editorial", "systems": ["pca"], "conditions": ["raw"], "k": 10, "rounds": 100, "seed": 1}
FILLED = {**ASKED, "model": None, "version": None, "snapshot": None}
"""What was asked, with what was left open."""


def test_an_evaluation_is_its_job_until_it_has_figures(home: Home) -> None:
    headers = key_headers(home)

    async def scenario() -> None:
        async with running(home) as (_, client):
            answer = await client.post("/v1/evaluations", json=ASKED, headers=headers)
            assert answer.status_code == 202
            id = answer.json()["id"]
            assert answer.headers["location"] == f"/v1/evaluations/{id}"
            waiting = {
                "id": id,
                "state": "waiting",
                "asked": FILLED,
                "error": None,
                "at": None,
                "by": "key:tester",
                "files": False,
                "figures": None,
            }
            assert answer.json() == waiting
            assert (await client.get(f"/v1/evaluations/{id}")).json() == waiting
            job = (await client.get(f"/v1/jobs/{id}")).json()
            assert (job["kind"], job["params"]) == ("evaluate", FILLED)

            run_ = made_up_run(SCORES)
            store(home, database(home), id, waiting["asked"], by="worker", **run_)
            done = (await client.get(f"/v1/evaluations/{id}")).json()
            assert done.pop("at").endswith("Z")
            assert done == {
                "id": id,
                "state": "done",
                "asked": waiting["asked"],
                "error": None,
                "by": "worker",
                "files": True,
                "figures": run_["figures"],
            }

    run(scenario())


def test_a_cancelled_evaluation_says_so(home: Home) -> None:
    headers = key_headers(home)

    async def scenario() -> None:
        async with running(home) as (_, client):
            id = (await client.post("/v1/evaluations", json=ASKED, headers=headers)).json()["id"]
            await client.post(f"/v1/jobs/{id}/cancel", headers=headers)
            assert (await client.get(f"/v1/evaluations/{id}")).json()["state"] == "cancelled"

    run(scenario())


def test_unknown_evaluation_is_404_and_so_is_a_job_of_another_kind(home: Home) -> None:
    headers = key_headers(home)

    async def scenario() -> None:
        async with running(home) as (_, client):
            id = (await client.post("/v1/jobs", json={"kind": "reindex"}, headers=headers)).json()["id"]
            body = problem_of(await client.get(f"/v1/evaluations/{id}"), 404, "not found")
            assert body["detail"] == f"the job '{id}' is no evaluation: found the kind reindex"
            body = problem_of(await client.get("/v1/evaluations/nobody"), 404, "not found")
            assert body["detail"] == "there is no evaluation 'nobody'"

    run(scenario())


def test_an_evaluation_out_of_range_is_422(home: Home) -> None:
    (answer,) = asked(home, "/v1/evaluations", method="POST", headers=key_headers(home), json={"k": 0, "more": 1})
    errors = problem_of(answer, 422, "invalid request")["errors"]
    assert [error["where"] for error in errors] == ["body.k", "body.more"]


def kept(home: Home, identity: str, scores: dict[tuple[str, str], dict[str, float]] = SCORES, **options: Any) -> None:
    """Store a made-up run."""
    opened = database(home)
    store(home, opened, identity, {"k": 10}, by="ann", **made_up_run(scores, **options))
    opened.close()


def truth_of(home: Home, *pairs: tuple[str, str]) -> Truth:
    columns = {"artist_id": [a for a, _ in pairs], "similar_id": [b for _, b in pairs]}
    return save_truth(home.truths, "editorial", pa.table(columns), directed=False, source="test")


def test_stored_evaluations_are_listed_the_newest_first(home: Home) -> None:
    for identity, options in (("e1", {"truth": "11" * 8}), ("e2", {"version": "5f2a9c0e41d7b386"}), ("e3", {})):
        kept(home, identity, **options)
    opened = database(home)
    with opened.write() as connection:  # e2 and e3 are of one instant, and e1 is older
        for identity, day in (("e1", 1), ("e2", 2), ("e3", 2)):
            at = datetime(2026, 3, day, tzinfo=UTC)
            connection.execute(update(evaluations).where(evaluations.c.id == identity).values(at=at))
    paths = ("", "?limit=2", "?before=e2", "?truth=editorial", f"?truth={'11' * 8}", "?version=5f2a", "?truth=none")
    answers = [answer.json() for answer in asked(home, *(f"/v1/evaluations{path}" for path in paths))]
    found = [[each["id"] for each in answer["evaluations"]] for answer in answers]
    assert found == [["e3", "e2", "e1"], ["e3", "e2"], ["e1"], ["e3", "e2", "e1"], ["e1"], ["e2"], []]
    first = answers[0]["evaluations"][1]
    assert {name: first[name] for name in first if name != "summary"} == {
        "id": "e2",
        "at": "2026-03-02T00:00:00Z",
        "by": "ann",
        "truth": "0123456789abcdef",
        "truth_name": "editorial",
        "snapshot": "5e1f5e1f5e1f5e1f",
        "version": "5f2a9c0e41d7b386",
        "model": "a0de1a0de1a0de1a",
        "k": 10,
    }
    # (0.5 + 0 + 1 + 0 + 0.75) / 5, and what made_up_run puts beside it
    raw = {"ndcg": 0.45, "ndcg_low": 0.325, "ndcg_high": 0.575, "gini": 0.225, "coverage": 0.75}
    assert first["summary"][0] == pytest.approx({"condition": "raw", "system": "mine", "queries": 5, **raw})
    assert [row["condition"] for row in first["summary"]] == ["raw", "fmc"]


def test_jobs_that_have_stored_nothing_are_listed_too_on_the_first_page(home: Home) -> None:
    headers = key_headers(home)

    async def scenario() -> None:
        async with running(home) as (_, client):
            ids = [(await client.post("/v1/evaluations", json=ASKED, headers=headers)).json()["id"] for _ in range(2)]
            await client.post("/v1/jobs", json={"kind": "reindex"}, headers=headers)
            await client.post(f"/v1/jobs/{ids[0]}/cancel", headers=headers)
            kept(home, "e1")
            whole = (await client.get("/v1/evaluations")).json()
            assert [(job["id"], job["state"], job["kind"]) for job in whole["jobs"]] == [
                (ids[1], "waiting", "evaluate")
            ]
            assert [each["id"] for each in whole["evaluations"]] == ["e1"]
            for query in ("truth=editorial", "version=5f", "before=e1"):
                assert (await client.get(f"/v1/evaluations?{query}")).json()["jobs"] == []

    run(scenario())


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
"""What needs the files of e1."""


def test_a_row_without_its_files_says_so_and_shows_its_figures(home: Home) -> None:
    for identity in ("e1", "e2"):
        kept(home, identity)
    shutil.rmtree(home.evaluations / "e1")
    for answer in asked(home, *(f"/v1/evaluations{path}" for path in FILED)):
        detail = problem_of(answer, 404, "not found")["detail"]
        assert detail.startswith(
            "of evaluation 'e1' only the figures are here: found no folder evaluations/e1 in this home"
        )
    there, gone, whole = asked(home, "/v1/evaluations/e2", "/v1/evaluations/e1", "/v1/evaluations")
    assert (there.json()["files"], gone.json()["files"]) == (True, False)
    assert gone.json()["figures"] == there.json()["figures"]
    assert len(whole.json()["evaluations"]) == 2


def test_a_row_of_the_release_before_is_shown(home: Home) -> None:
    opened = database(home)
    figures = made_up_run(SCORES)["figures"]
    before = {name: each for name, each in figures.items() if name not in ("format", "k", "groups")}
    for identity, found in (("e1", before), ("odd", {"k": 200})):
        with opened.write() as connection:
            row = {"id": identity, "figures": json.dumps(found)}
            connection.execute(
                text("INSERT INTO evaluations (id, asked, figures, at) VALUES (:id, '{}', :figures, '2026-03-01')"), row
            )
    kept(home, "e2")
    one, odd, whole = asked(home, "/v1/evaluations/e1", "/v1/evaluations/odd", "/v1/evaluations")
    assert (one.json()["state"], one.json()["figures"], one.json()["by"]) == ("done", before, None)
    assert odd.json()["figures"] == {"k": 200}
    assert [each["id"] for each in whole.json()["evaluations"]] == ["e2", "odd", "e1"]
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


def test_the_worst_queries_come_with_what_was_expected_and_what_came(home: Home) -> None:
    truth = truth_of(home, ("a001", "a002"), ("a001", "gone"), ("a005", "a001"), ("a000", "a003"))
    kept(
        home,
        "e1",
        truth=truth.id,
        expected={"a001": ["a002", "gone"]},
        retrieved={"a001": ["a003", "a002", "a005"]},
        n_relevant=3,
    )
    (answer,) = asked(home, "/v1/evaluations/e1/artists?limit=2")
    body = answer.json()
    assert (body["id"], body["condition"], body["system"], body["total"]) == ("e1", "raw", "mine", 5)
    assert [(artist["id"], artist["ndcg"]) for artist in body["artists"]] == [("a001", 0), ("a003", 0)]
    assert body["artists"][0] == {
        "id": "a001",
        "name": "Radiohead",
        "ndcg": 0.0,
        "relevant": 3,
        "expected": [
            {"id": "a002", "name": "AC/DC", "found": 2},
            {"id": "gone", "name": None, "found": None},
        ],
        # the third is relevant by the truth, though it is not among those stored
        "retrieved": [
            {"id": "a003", "name": "Sigur Rós", "right": False},
            {"id": "a002", "name": "AC/DC", "right": True},
            {"id": "a005", "name": "Aurora", "right": True},
        ],
    }
    assert (body["artists"][1]["expected"], body["artists"][1]["retrieved"]) == ([], [])


def test_queries_are_paged_by_ndcg_and_equal_ones_by_id(home: Home) -> None:
    kept(home, "e1")
    wanted = {
        "": ["a001", "a003", "a000", "gone", "a002"],
        "?sort=best": ["a002", "gone", "a000", "a001", "a003"],
        "?sort=best&limit=2&offset=1": ["gone", "a000"],
        "?offset=4": ["a002"],
        "?offset=5": [],
        "?system=pca&limit=3": ["gone", "a000", "a003"],
        "?condition=fmc&system=pca": ["a000"],
    }
    answers = asked(home, *(f"/v1/evaluations/e1/artists{query}" for query in wanted))
    assert [[artist["id"] for artist in answer.json()["artists"]] for answer in answers] == list(wanted.values())


@pytest.mark.parametrize(
    ("n_relevant", "right"), [(3, [None, True]), (2, [False, True])], ids=["more are relevant", "all are stored"]
)
def test_without_the_truth_it_says_what_it_can(home: Home, n_relevant: int, right: list[bool | None]) -> None:
    expected, retrieved = {"a001": ["a002", "gone"]}, {"a001": ["a003", "a002"]}
    kept(home, "e1", expected=expected, retrieved=retrieved, n_relevant=n_relevant)
    (answer,) = asked(home, "/v1/evaluations/e1/artists?limit=1")
    assert [artist["right"] for artist in answer.json()["artists"][0]["retrieved"]] == right


def test_an_unknown_condition_or_system_is_404(home: Home) -> None:
    kept(home, "e1")
    first, second = asked(home, "/v1/evaluations/e1/artists?condition=x", "/v1/evaluations/e1/artists?system=x")
    assert problem_of(first, 404, "not found")["detail"] == "condition: found 'x'; wanted one of raw, fmc"
    assert problem_of(second, 404, "not found")["detail"] == "system: found 'x'; wanted one of mine, pca"


def test_a_condition_without_a_query_has_no_artists(home: Home) -> None:
    run_ = made_up_run(SCORES)
    for table in ("queries", "expected"):
        run_[table] = run_[table].slice(0, 0)
    store(home, database(home), "e1", {}, by="ann", **run_)
    (answer,) = asked(home, "/v1/evaluations/e1/artists")
    assert (answer.json()["total"], answer.json()["artists"]) == (0, [])


def test_without_a_version_artists_are_ids(tmp_path: Path) -> None:
    home = Home(tmp_path)
    kept(home, "e1")
    (answer,) = asked(home, "/v1/evaluations/e1/artists?sort=best&limit=1")
    assert [(artist["id"], artist["name"]) for artist in answer.json()["artists"]] == [("a002", None)]


def test_two_are_compared_on_the_queries_that_both_asked(home: Home) -> None:
    kept(home, "e1", version="5f2a9c0e41d7b386")
    kept(home, "e2", {("raw", "other"): {"a000": 0.25, "a001": 0.5, "a002": 1.0, "new": 1.0}, ("x", "other"): {"a": 1}})
    (answer,) = asked(home, "/v1/evaluations/compare?a=e1&b=e2")
    body = answer.json()
    assert (body["truth"], body["truth_name"], body["k"]) == ("0123456789abcdef", "editorial", 10)
    assert (body["a"]["id"], body["a"]["system"], body["a"]["version"]) == ("e1", "mine", "5f2a9c0e41d7b386")
    assert (body["b"]["id"], body["b"]["system"], body["b"]["version"]) == ("e2", "other", None)
    (raw,) = body["conditions"]
    # a000 0.5 - 0.25, a001 0 - 0.5, a002 1 - 1
    assert (raw["condition"], raw["common"], raw["only_a"], raw["only_b"]) == ("raw", 3, 2, 1)
    assert (raw["ndcg_a"], raw["ndcg_b"]) == pytest.approx((1.5 / 3, 1.75 / 3))
    assert raw["difference"] == pytest.approx(-0.25 / 3)
    # of 3 queries drawn 27 ways a mean is -0.5 in 1 and 0.25 in 1, each 3.7 %: beyond 2.5 % on either side
    assert (raw["low"], raw["high"]) == (-0.5, 0.25)
    assert raw["p"] > 0.5
    assert (raw["gini_a"], raw["gini_b"]) == pytest.approx((0.45 / 2, 2.75 / 4 / 2))
    gained = {"id": "a000", "name": "Björk", "a": 0.5, "b": 0.25, "difference": 0.25}
    lost = {"id": "a001", "name": "Radiohead", "a": 0.0, "b": 0.5, "difference": -0.5}
    assert (raw["gained"], raw["lost"]) == ([gained], [lost])


def test_systems_of_one_evaluation_are_compared_too(home: Home) -> None:
    kept(home, "e1")
    (answer,) = asked(home, "/v1/evaluations/compare?a=e1&b=e1&system_b=pca&system_a=mine")
    raw, fmc = answer.json()["conditions"]
    assert [change["id"] for change in raw["gained"]] == ["gone", "a000"]
    assert [change["id"] for change in raw["lost"]] == ["a001", "a003"]
    assert (fmc["common"], fmc["difference"], fmc["low"], fmc["high"]) == (1, 0.5, 0.5, 0.5)
    assert fmc["p"] == pytest.approx(2 / 1001)
    (same,) = asked(home, "/v1/evaluations/compare?a=e1&b=e1")
    assert [(each["difference"], each["p"]) for each in same.json()["conditions"]] == [(0, 1), (0, 1)]


def test_queries_that_changed_most_are_ten_at_most(home: Home) -> None:
    scores = {f"q{i:02d}": i / 32 for i in range(14)}
    kept(home, "e1", {("raw", "mine"): scores, ("raw", "zero"): dict.fromkeys(scores, 0.0)})
    (answer,) = asked(home, "/v1/evaluations/compare?a=e1&b=e1&system_a=zero&system_b=mine")
    (raw,) = answer.json()["conditions"]
    assert raw["gained"] == []
    assert [change["id"] for change in raw["lost"]] == [f"q{i:02d}" for i in range(13, 3, -1)]


def test_evaluations_without_a_common_query_have_no_difference(home: Home) -> None:
    kept(home, "e1", {("raw", "mine"): {"a": 1.0}})
    kept(home, "e2", {("raw", "mine"): {"b": 1.0}})
    (answer,) = asked(home, "/v1/evaluations/compare?a=e1&b=e2")
    (raw,) = answer.json()["conditions"]
    assert [raw[name] for name in ("common", "only_a", "only_b")] == [0, 1, 1]
    assert [raw[name] for name in ("ndcg_a", "ndcg_b", "difference", "low", "high", "p")] == [None] * 6


def test_what_cannot_be_compared_is_409(home: Home) -> None:
    kept(home, "e1")
    kept(home, "e2", truth="ff" * 8)
    kept(home, "e3", k=20)
    kept(home, "e4", {("fmc", "mine"): {"a": 1.0}, ("raw", "pca"): {"a": 1.0}})
    kept(home, "e5", {})
    for query, detail in (
        ("a=e1&b=e2", f"'e1' and 'e2': found truth 0123456789abcdef and {'ff' * 8}; wanted the same"),
        ("a=e1&b=e3", "'e1' and 'e3': found k 10 and 20; wanted the same"),
        ("a=e4&b=e4&system_b=pca", "found 'mine' in fmc and 'pca' in raw; wanted a condition in both"),
        ("a=e5&b=e1", "evaluation 'e5' has no figures of a system; wanted one to compare"),
    ):
        (answer,) = asked(home, f"/v1/evaluations/compare?{query}")
        assert problem_of(answer, 409, "not comparable")["detail"] == detail
    (answer,) = asked(home, "/v1/evaluations/compare?a=e1&b=e1&system_b=x")
    detail = problem_of(answer, 404, "not found")["detail"]
    assert detail == "evaluation 'e1': found no system 'x'; wanted one of mine, pca"


def test_a_database_that_is_away_is_503(home: Home) -> None:
    away = Settings(home=home.root, database_url="postgresql://riyl@127.0.0.1:1/riyl")  # type: ignore[arg-type]
    for path in ("", "/e1", "/e1/report", "/e1/artists", "/compare?a=e1&b=e2"):
        (answer,) = asked(home, f"/v1/evaluations{path}", settings=away)
        problem_of(answer, 503, "database down")

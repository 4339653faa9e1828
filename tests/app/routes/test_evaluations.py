from __future__ import annotations

from core.db.evaluations import add_evaluation
from core.settings import Home
from tests.app.conftest import asked, database, key_headers, problem_of, run, running

ASKED = {"truth": "editorial", "systems": ["pca"], "conditions": ["raw"], "k": 10, "rounds": 100, "seed": 1}


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
                "asked": {**ASKED, "version": None},
                "error": None,
                "at": None,
                "figures": None,
            }
            assert answer.json() == waiting
            assert (await client.get(f"/v1/evaluations/{id}")).json() == waiting
            job = (await client.get(f"/v1/jobs/{id}")).json()
            assert (job["kind"], job["params"]) == ("evaluate", {**ASKED, "version": None})

            add_evaluation(database(home), id, {**ASKED, "version": None}, {"k": 10, "raw": {"ndcg": 0.25}})
            done = (await client.get(f"/v1/evaluations/{id}")).json()
            assert done.pop("at").endswith("Z")
            figures = {"k": 10, "raw": {"ndcg": 0.25}}
            assert done == {
                "id": id,
                "state": "done",
                "asked": waiting["asked"],
                "error": None,
                "figures": figures,
            }

    run(scenario())


def test_an_evaluation_is_found_without_its_job(home: Home) -> None:
    add_evaluation(database(home), "old", {"truth": "editorial"}, {"k": 200})
    (answer,) = asked(home, "/v1/evaluations/old")
    assert (answer.json()["state"], answer.json()["figures"]) == ("done", {"k": 200})


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
            problem_of(await client.get("/v1/evaluations/nobody"), 404, "not found")

    run(scenario())


def test_an_evaluation_out_of_range_is_422(home: Home) -> None:
    (answer,) = asked(home, "/v1/evaluations", method="POST", headers=key_headers(home), json={"k": 0, "more": 1})
    errors = problem_of(answer, 422, "invalid request")["errors"]
    assert [error["where"] for error in errors] == ["body.k", "body.more"]

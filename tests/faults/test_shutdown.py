"""`riyl serve` is stopped or killed while it answers requests and its worker runs a job."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from riyl.app.jobs.types import JobState, TrainParams
from riyl.core.db.keys import Role, create_key
from tests.app.readers import reader_of
from tests.faults.conftest import TRAINING
from tests.faults.load import Query, load
from tests.faults.processes import DEADLINE_S, Site, serving, until

pytestmark = pytest.mark.slow

EXIT_S = 10
QUERY = "/v1/artists/a001/similar?k=200"
LARGE, MANY = "/openapi.json", 150
"""A request, and how often it is sent at once on one connection: too often for buffers to hold all responses unread."""


def test_sigterm_under_load_ends_what_runs_and_leaves_the_job_to_the_next_start(sqlite_site: Site) -> None:
    site = sqlite_site
    job_id = site.ask(TrainParams(tables=str(site.world.tables), config=TRAINING))
    _, token = create_key(site.database, "listener", Role.READ)
    headers = {"authorization": f"Bearer {token}"}
    with serving(site, "--worker") as (process, client):
        worker = own_worker_in_training(process.pid, site, job_id)

        async def scenario() -> tuple[float, list[Query], bytes]:
            async with (
                load(str(client.base_url), [QUERY]) as queries,
                httpx.AsyncClient(base_url=client.base_url, timeout=DEADLINE_S) as listener,
                listener.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as events,
            ):
                lines = events.aiter_lines()
                assert await anext(lines) == "event: job"
                with unread_answers(client.base_url) as slow:
                    signalled_at = asyncio.get_running_loop().time()
                    process.send_signal(signal.SIGTERM)
                    await asyncio.to_thread(until, lambda: refuses(client.base_url), "the end of listening")
                    answers, code = await asyncio.gather(
                        asyncio.to_thread(read_until_closed, slow), asyncio.to_thread(process.wait, EXIT_S)
                    )
                assert code == 0
                assert [line async for line in lines][-1] == ""
            return signalled_at, queries, answers

        signalled_at, queries, answers = asyncio.run(scenario())
        assert not psutil.pid_exists(worker.pid)
    assert {query.status for query in queries if query.error is None} == {200}
    failed = [query for query in queries if query.error is not None]
    # requests not yet read at the signal are refused as a whole; begun responses are complete
    assert [query for query in failed if query.ended < signalled_at] == []
    assert {type(query.error) for query in failed} <= {httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError}
    assert [query for query in failed if "incomplete" in str(query.error)] == []
    assert whole_answers(answers) > 0
    assert site.jobs.get(job_id).state is JobState.RUNNING
    with serving(site, "--worker"):
        job = site.ended(job_id)
    assert job.state is JobState.DONE, job


def test_a_client_that_never_reads_does_not_hold_the_end_up(sqlite_site: Site) -> None:
    with serving(sqlite_site, "--no-worker") as (process, client), unread_answers(client.base_url):
        process.send_signal(signal.SIGTERM)
        assert process.wait(EXIT_S) == 0


@pytest.mark.parametrize("goes_on", [True, False])
def test_sigterm_waits_for_an_upload_that_is_read_and_then_ends_its_process(
    sqlite_site: Site, tmp_path: Path, goes_on: bool
) -> None:
    token = create_key(sqlite_site.database, "test", Role.ADMIN)[1]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with serving(sqlite_site, "--no-worker", TMPDIR=str(temporary)) as (process, client), ThreadPoolExecutor(1) as pool:
        files = {"file": ("t.csv", "artist_id,similar_id\na,b\n")}
        headers = {"authorization": f"Bearer {token}"}
        posting = pool.submit(client.post, "/v1/truths", files=files, headers=headers, timeout=DEADLINE_S)
        reader = asyncio.run(reader_of(process.pid))
        reader.suspend()
        process.send_signal(signal.SIGTERM)
        until(lambda: refuses(client.base_url), "the end of listening")
        if goes_on:
            reader.resume()
            assert posting.result().status_code == 201
        assert process.wait(EXIT_S) == 0
        assert not reader.is_running()
        assert list(temporary.iterdir()) == []
        assert posting.exception() is None or isinstance(posting.exception(), httpx.HTTPError)


def test_a_killed_service_leaves_no_worker_behind(sqlite_site: Site) -> None:
    job_id = sqlite_site.ask(TrainParams(tables=str(sqlite_site.world.tables), config=TRAINING))
    with serving(sqlite_site, "--worker") as (process, _):
        worker = own_worker_in_training(process.pid, sqlite_site, job_id)
        process.kill()
        worker.wait(DEADLINE_S)
    assert sqlite_site.jobs.get(job_id).state is JobState.RUNNING


def own_worker_in_training(service: int, site: Site, job: str) -> psutil.Process:
    """Return the worker that the service started, once it trains."""

    def trains() -> bool:
        progress = site.jobs.get(job).progress
        return progress is not None and progress.step == "train"

    until(trains, "training")
    (worker,) = psutil.Process(service).children()
    return worker


@contextmanager
def unread_answers(address: httpx.URL) -> Iterator[socket.socket]:
    """Open a connection whose responses have begun to arrive, and wait to be read."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
        connection.settimeout(DEADLINE_S)
        connection.connect((address.host, address.port))
        connection.sendall(f"GET {LARGE} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode() * MANY)
        assert connection.recv(1, socket.MSG_PEEK) == b"H"
        yield connection


def refuses(address: httpx.URL) -> bool:
    """Return whether the address refuses connections."""
    with socket.socket() as connection:
        return connection.connect_ex((address.host, address.port)) != 0


def read_until_closed(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)


def whole_answers(stream: bytes) -> int:
    """Count the complete responses; the last one must be as complete as the others."""
    count = 0
    while stream:
        head, _, rest = stream.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        length = int(re.search(rb"content-length: (\d+)", head)[1])
        assert len(rest) >= length
        stream, count = rest[length:], count + 1
    return count

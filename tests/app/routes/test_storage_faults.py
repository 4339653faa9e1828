"""Tests of damaged databases, full and read-only disks: clear problems, and queries that still work."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from riyl.app.jobs.client import Jobs
from riyl.app.jobs.types import JobKind, ReindexParams
from riyl.core.db import session
from riyl.core.db.session import FILE, JOBS_FILE
from riyl.core.settings import Home, Settings
from riyl.index.artifact.version import Version
from riyl.index.versions.lifecycle import promote
from tests.app.conftest import database, key_headers, problem_of, running
from tests.app.routes.evaluations import kept
from tests.app.routes.truths import CSV
from tests.storage_faults import DAMAGES, copied, damage, fill_up, read_only, small_disk

DISK_BYTES = 24 << 20
RUN = "5e1f5e1f"

Call = dict[str, Any]
Ids = dict[str, str]
"""Values of path parameters, by name."""


@dataclass(frozen=True)
class Route:
    """Request that needs storage.

    Attributes:
        writes: whether it writes; its key is looked up in any case.
        jobs: whether it needs the database of the jobs.
    """

    method: str
    path: str
    writes: bool = False
    jobs: bool = False
    call: Call = field(default_factory=dict)


def write(method: str, path: str, payload: Any = None, **call: Any) -> Route:
    return Route(method, path, writes=True, call=call if payload is None else {"json": payload, **call})


LINES = {"content": b'{"kind": "put", "id": "new", "name": "New"}', "headers": {"content-type": "application/x-ndjson"}}
ROUTES = (
    write("PUT", "/v1/artists/new", {"name": "New"}),
    write("PATCH", "/v1/artists/a001", {"name": "Newer"}),
    write("DELETE", "/v1/artists/a001"),
    write("POST", "/v1/artists/a001:merge", {"into": "a002"}),
    write("POST", "/v1/artists:batch", **LINES),
    write("POST", "/v1/rules", {"kind": "block", "artist": "a001", "why": "letter"}),
    write("POST", "/v1/index/versions/OTHER:promote", {"why": "test", "force": True}),
    write("POST", "/v1/index:rollback", {"why": "test"}),
    Route("GET", "/v1/changes"),
    Route("GET", "/v1/rules"),
    Route("GET", "/v1/index/versions"),
    Route("GET", "/v1/evaluations?truth=x"),
    Route("GET", f"/v1/evaluations/{RUN}"),
    Route("GET", f"/v1/evaluations/{RUN}/report"),
    Route("GET", f"/v1/evaluations/{RUN}/artists"),
    Route("GET", f"/v1/evaluations/compare?a={RUN}&b={RUN}"),
    Route("POST", "/v1/truths", call={"files": {"file": ("mine.csv", CSV)}}),
)
JOB_ROUTES = (
    Route("GET", "/v1/jobs", jobs=True),
    Route("GET", "/v1/jobs/JOB", jobs=True),
    Route("GET", "/v1/jobs/JOB/events", jobs=True),
    Route("POST", "/v1/jobs/JOB/cancel", jobs=True),
    Route("POST", "/v1/jobs", writes=True, jobs=True, call={"json": {"kind": "train"}}),
    Route("POST", "/v1/evaluations", writes=True, jobs=True, call={"json": {"truth": "x"}}),
    Route("GET", "/v1/evaluations", jobs=True),
    Route("GET", "/v1/evaluations/none", jobs=True),
)
QUERIES = ("/v1/artists/a002", "/v1/artists/a002/similar?k=3", "/v1/artists?q=Artist", "/v1/index")


@pytest.fixture
def ids(home: Home, version: Version, other_version: Version) -> Ids:
    """Create a home with a waiting job, and a row in every table that is read."""
    opened = database(home)
    kept(home, RUN)
    jobs = Jobs(Settings(home=home.root), opened)
    waiting, _ = jobs.submit(JobKind.REINDEX, ReindexParams(), by="test")
    jobs.close()
    for each in (other_version, version):
        promote(home.versions, opened, each.id, by="test", why="test")
    opened.close()
    return {"JOB": waiting.id, "OTHER": other_version.id}


async def ask(client: httpx.AsyncClient, route: Route, ids: Ids, headers: dict[str, str]) -> httpx.Response:
    call = {**route.call, "headers": {**headers, **route.call.get("headers", {})}}
    path = route.path
    for name, id in ids.items():
        path = path.replace(name, id)
    return await client.request(route.method, path, **call)


async def answers_queries(client: httpx.AsyncClient) -> None:
    for path in QUERIES:
        assert (await client.get(path)).status_code == 200, path
    answer = await client.post("/v1/similar", json={"seeds": [{"id": "a002"}], "k": 3})
    assert answer.status_code == 200, answer.text


def told(answer: httpx.Response, status: int, title: str, *, file: str, home: Home, again: bool = False) -> str:
    """Return the detail of a storage fault, which names the file but not its folder."""
    detail = str(problem_of(answer, status, title)["detail"])
    assert ("retry-after" in answer.headers) == again, answer.request.url
    assert str(home.root) not in answer.text
    if not again:
        assert file in detail, (answer.request.url, detail)
    return detail


async def is_degraded(client: httpx.AsyncClient, words: str, home: Home) -> None:
    ready = await client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["status"] == "degraded"
    assert words in ready.json()["database"]
    assert str(home.root) not in ready.text
    metrics = (await client.get("/metrics")).text
    assert "riyl_storage_faults 0.0" not in metrics
    assert "riyl_storage_faults " in metrics


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("file", [FILE, JOBS_FILE])
async def test_a_database_that_is_damaged_under_a_service(
    file: str, how: str, home: Home, ids: Ids, headers: dict[str, str]
) -> None:
    async with running(home) as (_, client):
        for route in (*ROUTES[-2:], *JOB_ROUTES[:2]):
            assert (await ask(client, route, ids, headers)).status_code < 300
        damage(home.root / file, DAMAGES[how])
        for route in (*ROUTES, *JOB_ROUTES) if file == FILE else JOB_ROUTES:
            told(await ask(client, route, ids, headers), 503, "database damaged", file=file, home=home)
        await answers_queries(client)
        await is_degraded(client, f"{file} is damaged", home)


@pytest.mark.parametrize("how", DAMAGES)
async def test_a_service_starts_over_a_damaged_database_and_answers_queries(
    how: str, home: Home, ids: Ids, headers: dict[str, str]
) -> None:
    for file in (FILE, JOBS_FILE):
        damage(home.root / file, DAMAGES[how])
    async with running(home) as (_, client):
        await answers_queries(client)
        for route in (*ROUTES, *JOB_ROUTES):
            told(await ask(client, route, ids, headers), 503, "database damaged", file="sqlite", home=home)
        await is_degraded(client, f"{FILE} is damaged", home)


async def test_a_database_that_is_emptied_under_a_service_is_damaged(
    home: Home, ids: Ids, headers: dict[str, str]
) -> None:
    async with running(home) as (_, client):
        assert (await client.get("/v1/jobs", headers=headers)).status_code == 200
        for file in (FILE, JOBS_FILE):
            damage(home.root / file, lambda path: path.write_bytes(b""))
        for route in (*ROUTES, *JOB_ROUTES):
            told(await ask(client, route, ids, headers), 503, "database damaged", file="sqlite", home=home)
        await answers_queries(client)


async def test_bytes_of_rows_that_are_none_are_damage(home: Home, headers: dict[str, str]) -> None:
    """Check a page with invalid text, in which SQLite finds no fault."""
    async with running(home) as (_, client):
        assert (await client.get("/v1/index/versions")).status_code == 200

        def spoil(path: Path) -> None:
            path.write_bytes(path.read_bytes().replace(b"promote", b"\xff\xfe\xfd\xfc\xff\xfe\xfd"))

        damage(home.root / FILE, spoil)
        told(await client.get("/v1/index/versions"), 503, "database damaged", file=FILE, home=home)


async def test_keys_in_use_read_on_while_the_database_is_damaged(home: Home, headers: dict[str, str]) -> None:
    async with running(home, Settings(home=home.root, require_key=True)) as (_, client):
        assert (await client.get("/v1/artists/a002", headers=headers)).status_code == 200
        damage(home.root / FILE, DAMAGES["random_header"])
        assert (await client.get("/v1/artists/a002", headers=headers)).status_code == 200
        unknown = {"authorization": f"Bearer riyl_{'0' * 8}_{'a' * 43}"}
        answer = await client.get("/v1/artists/a002", headers=unknown)
        told(answer, 503, "database damaged", file=FILE, home=home)


@pytest.fixture
def disk(home: Home, ids: Ids, tmp_path: Path) -> Iterator[Home]:
    """Mount the home on a small disk of its own."""
    with small_disk(tmp_path / "disk", DISK_BYTES) as folder:
        copied(home.root, folder)
        yield Home(folder)


def bulk(number: int) -> Route:
    """Return a change that fills many pages, a different one for each number."""
    plays = {f"{number:03d}-{i:0180d}": 1 for i in range(1000)}
    return write("PUT", "/v1/artists/bulk", {"name": "Bulk", "plays": plays})


async def test_a_disk_that_is_full(disk: Home, ids: Ids) -> None:
    home, headers = disk, key_headers(disk)
    async with running(home) as (_, client):
        assert (await client.get("/v1/jobs", headers=headers)).status_code == 200
        fill_up(home.root)
        # SQLite's log may have free pages from earlier writes
        statuses = [(await ask(client, bulk(number), ids, headers)).status_code for number in range(100)]
        assert set(statuses[50:]) == {507}
        for route in (bulk(100), *(each for each in (*ROUTES, *JOB_ROUTES) if each.writes), ROUTES[-1]):
            answer = await ask(client, route, ids, headers)
            file = "" if route is ROUTES[-1] else JOBS_FILE if route.jobs else FILE
            told(answer, 507, "insufficient storage", file=file, home=home)
        assert (await client.get("/v1/rules", headers=headers)).status_code == 200
        await answers_queries(client)
        await is_degraded(client, f"{FILE} cannot be written: no space is left", home)
        (home.root / "filler").unlink()
        assert (await ask(client, bulk(100), ids, headers)).status_code < 300


async def test_an_upload_on_a_full_disk_names_what_cannot_be_written(disk: Home) -> None:
    headers = key_headers(disk)
    async with running(disk) as (_, client):
        fill_up(disk.root)
        answer = await ask(client, ROUTES[-1], {}, headers)
        told(answer, 507, "insufficient storage", file="no space is left", home=disk)
    assert not list(disk.truths.glob("*"))


async def test_an_upload_names_the_folder_where_its_parts_find_no_room(
    home: Home, headers: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(home) as (_, client):
        with small_disk(tmp_path / "parts", DISK_BYTES) as folder:
            monkeypatch.setattr(tempfile, "tempdir", str(folder))
            fill_up(folder, 4096)
            for content in (CSV, "a,b\n" * 1_000_000):  # the larger one fails already while it is received
                answer = await client.post("/v1/truths", files={"file": ("mine.csv", content)}, headers=headers)
                told(answer, 507, "insufficient storage", file="parts cannot be written", home=home)
            assert [path.name for path in folder.iterdir()] == ["filler"]


async def test_a_disk_that_takes_no_writes(home: Home, ids: Ids, headers: dict[str, str]) -> None:
    async with running(home) as (app, client):
        assert (await client.get("/v1/jobs", headers=headers)).status_code == 200
        with read_only(home.root):
            # files that were opened earlier are still written through the mount beneath
            app.state.database.engine.dispose()
            app.state.jobs.close()
            for route in (*(each for each in (*ROUTES, *JOB_ROUTES) if each.writes), ROUTES[-1]):
                answer = await ask(client, route, ids, headers)
                told(answer, 503, "storage read-only", file="", home=home)
            await answers_queries(client)
            await is_degraded(client, f"{FILE} cannot be written", home)
        assert (await ask(client, ROUTES[0], ids, headers)).status_code < 300


@pytest.mark.parametrize("file", [FILE, JOBS_FILE])
async def test_a_database_that_another_process_keeps_locked(
    file: str, home: Home, ids: Ids, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "BUSY_MS", 50)
    async with running(home) as (_, client):
        assert (await client.get("/v1/jobs", headers=headers)).status_code == 200
        with closing(sqlite3.connect(home.root / file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for route in (*ROUTES, *JOB_ROUTES):
                if route.writes and (route.jobs or file == FILE):
                    answer = await ask(client, route, ids, headers)
                    told(answer, 503, "database busy", file=file, home=home, again=True)
            await answers_queries(client)
            other.execute("ROLLBACK")
        assert (await client.get("/readyz")).json()["status"] == "ready"
        assert (await ask(client, JOB_ROUTES[4], ids, headers)).status_code == 202

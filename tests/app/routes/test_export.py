"""The export has what GET similar answers for every artist, of one moment, part by part."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from fastapi import FastAPI
from starlette.types import Message

from riyl.app.http.dependencies import held
from riyl.app.http.media_types import NDJSON, PARQUET
from riyl.app.http.overload import MAX_EXPORTS
from riyl.app.routes.export import FORMATS
from riyl.app.services import neighbour_export
from riyl.app.serving.reloader import VersionReloader
from riyl.app.serving.state import ServingState
from riyl.core.db.keys import Role
from riyl.core.rules import NO_RULES
from riyl.core.settings import Home, Settings
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.index.artifact.version import Version
from riyl.index.export import export_neighbours
from riyl.index.search.searcher import Searcher
from riyl.index.versions.lifecycle import promote
from tests.app.conftest import asked, database, key_headers, problem_of, running, until
from tests.app.rules import BLOCK, NEVER, PIN, make

PATH = "/v1/export/neighbours"


def home_of(version: Version, root: Path) -> Home:
    home = Home(root / "home")
    shutil.copytree(version.folder, home.versions / version.id)
    promote(home.versions, database(home), version.id, by="test", why="test", force=True)
    return home


@pytest.fixture(scope="module")
def changed(
    version: Version, named_model: Model, named_snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory
) -> Home:
    """Make a home with rules, and with artists that are new, renamed, deleted and merged."""
    home = home_of(version, tmp_path_factory.mktemp("changed"))
    for name, folder in {"models": named_model.folder, "snapshots": named_snapshot.folder}.items():
        (home.root / name).symlink_to(folder.parent)
    make(home, (BLOCK, "a031", None), (NEVER, "a003", "a032"), (PIN, "a003", "a040"), (PIN, "a004", "n/1"))
    changes = [
        {"kind": "put", "id": "n/1", "name": "New", "tags": {"ska": 3, "dub": 1}},
        {"kind": "put", "id": "n2", "name": "Without anything known"},
        {"kind": "patch", "id": "a005", "name": "Renamed", "tags": {"ska": 2}},
        {"kind": "delete", "id": "a006"},
        {"kind": "merge", "id": "a007", "into": "a008"},
    ]
    headers = key_headers(home)
    (answer,) = asked(home, "/v1/artists:batch", method="POST", headers=headers, json={"items": changes})
    assert [verdict["status"] for verdict in answer.json()["items"]] == [201, 201, 200, 200, 200], answer.text
    return home


@pytest.fixture(scope="module")
def blocked(crowd: Version, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Make a home of 400 artists, of which so many are blocked that the ready lists are too short."""
    home = home_of(crowd, tmp_path_factory.mktemp("blocked"))
    make(home, *((BLOCK, f"a{row:03d}", None) for row in range(0, 400, 2)), (PIN, "a003", "a301"))
    return home


@pytest.fixture(params=["changed", "blocked"])
def either(request: pytest.FixtureRequest) -> tuple[Home, int]:
    """Return a home, and how many artists of it have a list."""
    n_lists = {"changed": 60 - 4 + 1, "blocked": 200 - 1}  # the last artist has no embedding
    return request.getfixturevalue(request.param), n_lists[request.param]


@pytest.mark.parametrize("k", [1, 50, 200])
async def test_each_line_is_what_get_similar_answers(either: tuple[Home, int], k: int) -> None:
    home, n_lists = either
    async with running(home) as (app, client):
        answer = await client.get(f"{PATH}?k={k}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, NDJSON)
        lines = answer.content.splitlines()
        searcher = held(app, "reloader", VersionReloader).state.searcher  # type: ignore[union-attr]
        ids = dict.fromkeys([*searcher.version.artist_ids, *searcher.artist_ids.to_pylist()])
        expected = []
        for artist in ids:
            similar = await client.get(f"/v1/artists/{artist.replace('/', '%2F')}/similar?k={k}")
            assert similar.status_code in (200, 301, 404, 409), similar.text
            if similar.status_code == 200:
                expected.append(similar.content)
        # a changed artist is behind those of the version
        assert sorted(lines) == sorted(expected)
        assert answer.headers["riyl-version"] == searcher.version_id
        assert answer.headers["vary"] == "Accept"
    assert len(lines) == n_lists


async def test_the_parquet_file_has_the_same_entries(either: tuple[Home, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbour_export, "PART_ENTRIES", 200)
    async with running(either[0]) as (_, client):
        lines = (await client.get(f"{PATH}?k=20")).text.splitlines()
        answer = await client.get(f"{PATH}?k=20", headers={"accept": PARQUET})
    assert (answer.status_code, answer.headers["content-type"]) == (200, PARQUET)
    file = pq.ParquetFile(io.BytesIO(answer.content))
    expected = [
        {"artist_id": body["artist"]["id"], "rank": rank, "similar_id": other["id"], "score": other["score"]}
        for body in map(json.loads, lines)
        for rank, other in enumerate(body["similar"], 1)
    ]
    rows = file.read().to_pylist()
    assert rows == [{**each, "score": pytest.approx(each["score"], rel=1e-6)} for each in expected]
    assert file.num_row_groups == -(-len(lines) // 10)
    assert file.schema_arrow.metadata[b"version"].decode() == answer.headers["riyl-version"]


def test_without_changes_the_file_is_the_one_of_the_command(crowd: Version, tmp_path: Path) -> None:
    state = ServingState.of(Searcher(crowd), NO_RULES, Home(tmp_path))
    parts = list(neighbour_export.export_parquet(state, 30))
    export_neighbours(crowd, tmp_path / "lists.parquet", 30)
    table = pq.read_table(io.BytesIO(b"".join(parts)))
    assert table.equals(pq.read_table(tmp_path / "lists.parquet"), check_metadata=True)


def test_lines_are_handed_out_in_parts(crowd: Version, tmp_path: Path) -> None:
    state = ServingState.of(Searcher(crowd), NO_RULES, Home(tmp_path))
    parts = list(neighbour_export.export_lines(state, 200))
    assert len(parts) > 50
    longest_line = max(len(line) for line in b"".join(parts).splitlines())
    assert all(len(part) < neighbour_export.PART_BYTES + longest_line + 1 for part in parts)
    assert all(part.endswith(b"}\n") for part in parts)


class Export:
    """An export by the ASGI interface, whose client reads a part when it is told to."""

    def __init__(self, app: FastAPI, query: bytes = b"k=200", client: str = "127.0.0.1") -> None:
        self.status, self.parts, self.ended = 0, list[bytes](), False
        self._may_read, self._reads, self._left = asyncio.Semaphore(0), asyncio.Event(), asyncio.Event()
        scope = {
            **{"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1"},
            **{"method": "GET", "path": PATH, "raw_path": PATH.encode(), "root_path": "", "scheme": "http"},
            **{"query_string": query, "headers": [(b"host", b"localhost")], "client": (client, 1)},
        }
        self.task = asyncio.create_task(app(scope, self._receive, self._send))

    async def read(self, n_parts: int) -> None:
        """Let the client read n parts, and wait until it has them or the response has ended."""
        wanted = len(self.parts) + n_parts
        for _ in range(n_parts):
            self._may_read.release()
        await until(lambda: len(self.parts) >= wanted or self.ended)

    async def leave(self) -> None:
        """Let the client disconnect, and wait until the service has noticed."""
        self._left.set()
        self._may_read.release()
        await asyncio.wait_for(self.task, 20)

    async def _receive(self) -> Message:
        if not self._reads.is_set():
            self._reads.set()
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        await self._may_read.acquire()
        if message.get("body"):
            self.parts.append(message["body"])
        self.ended = not message.get("more_body", False)


@asynccontextmanager
async def service(home: Home) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient, list[int]]]:
    """Run a service, and yield it with the threads that made parts of lines, in order."""
    threads: list[int] = []
    make_lines = neighbour_export.export_lines

    def observed(state: ServingState, k: int) -> Iterator[bytes]:
        for part in make_lines(state, k):
            threads.append(threading.get_ident())
            yield part

    settings = Settings(home=home.root, queue_timeout_s=0.1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FORMATS, NDJSON, observed)
        async with running(home, settings) as (app, client):
            yield app, client, threads


async def test_parts_are_made_in_other_threads_and_only_as_the_client_reads(crowd: Version, tmp_path: Path) -> None:
    async with service(home_of(crowd, tmp_path)) as (app, client, threads):
        export = Export(app)
        await export.read(3)
        assert (await client.get("/v1/index")).status_code == 200
        await asyncio.sleep(0.05)
        assert (export.status, len(export.parts), len(threads)) == (200, 3, 4)  # one waits to be sent
        assert threading.get_ident() not in threads
        await export.read(10_000)
        await export.task
        assert export.ended
        assert b"".join(export.parts) == (await client.get(f"{PATH}?k=200")).content


async def test_a_client_that_leaves_ends_its_export(crowd: Version, tmp_path: Path) -> None:
    async with service(home_of(crowd, tmp_path)) as (app, client, threads):
        for _ in range(MAX_EXPORTS + 1):  # each place is free again
            n_before, export = len(threads), Export(app)
            await export.read(2)
            await export.leave()
            assert len(threads) - n_before <= 4
            assert not export.ended
        assert (await client.get(f"{PATH}?k=1")).status_code == 200


async def test_only_a_few_exports_run_at_once(crowd: Version, tmp_path: Path) -> None:
    async with service(home_of(crowd, tmp_path)) as (app, client, _):
        exports = [Export(app, client=f"192.0.2.{n // 2}") for n in range(MAX_EXPORTS)]
        for export in exports:
            await export.read(1)
        refused = await client.get(PATH)
        problem_of(refused, 503, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        assert (await client.get("/v1/artists/a001/similar")).status_code == 200
        assert (await client.get("/v1/artists?q=a")).status_code == 200
        await exports[0].leave()
        assert (await client.get(f"{PATH}?k=1")).status_code == 200
        for export in exports[1:]:
            await export.leave()


async def test_a_client_has_half_of_the_exports(crowd: Version, tmp_path: Path) -> None:
    async with service(home_of(crowd, tmp_path)) as (app, client, _):
        exports = [Export(app) for _ in range(MAX_EXPORTS // 2)]
        for export in exports:
            await export.read(1)
        refused = await client.get(PATH)
        detail = problem_of(refused, 429, "too many requests")["detail"]
        assert detail == f"found {MAX_EXPORTS // 2} exports of this client; wanted fewer: close some"
        other = Export(app, client="192.0.2.1")
        await other.read(1)
        assert other.status == 200
        for export in (*exports, other):
            await export.leave()


async def test_an_export_is_of_the_moment_at_which_it_began(crowd: Version, tmp_path: Path) -> None:
    home = home_of(crowd, tmp_path)
    async with service(home) as (app, client, _):
        before = (await client.get(f"{PATH}?k=200")).content
        export, reloader = Export(app), held(app, "reloader", VersionReloader)
        await export.read(1)
        state, headers = reloader.state, key_headers(home)
        assert (await client.delete("/v1/artists/a397", headers=headers)).status_code == 200
        rule: dict[str, Any] = {"kind": "block", "artist": "a398"}
        assert (await client.post("/v1/rules", json=rule, headers=headers)).status_code == 201
        await until(lambda: reloader.state is not state and bool(reloader.state and reloader.state.rules))
        await until(lambda: bool(reloader.state and reloader.state.searcher.overlay))
        await export.read(10_000)
        await export.task
        assert b"".join(export.parts) == before
        after = (await client.get(f"{PATH}?k=200")).content
        assert (len(before.splitlines()), len(after.splitlines())) == (399, 397)
        assert b'"a397"' not in after


async def test_head_and_the_tag_save_the_export(changed: Home) -> None:
    async with service(changed) as (_, client, threads):
        head = await client.head(PATH)
        assert (head.status_code, head.content, threads) == (200, b"", [])
        assert head.headers["content-type"] == NDJSON
        parquet = await client.head(PATH, headers={"accept": PARQUET})
        assert parquet.headers["etag"] != head.headers["etag"]
        for accept, etag, status in (
            (NDJSON, head.headers["etag"], 304),
            (PARQUET, parquet.headers["etag"], 304),
            (NDJSON, parquet.headers["etag"], 200),
            (PARQUET, head.headers["etag"], 200),
        ):
            headers = {"accept": accept, "if-none-match": f'"x", W/{etag}'}
            assert (await client.get(f"{PATH}?k=1", headers=headers)).status_code == status


async def test_another_media_type_is_406_and_another_k_422(changed: Home) -> None:
    async with running(changed) as (_, client):
        for accept in ("application/json", "text/html", f"{NDJSON};q=0", "nonsense"):
            body = problem_of(await client.get(PATH, headers={"accept": accept}), 406, "not acceptable")
            assert body["detail"] == f"Accept: found {accept!r}; wanted {NDJSON} or {PARQUET}"
        for query in ("k=0", "k=201", "k=x", "offset=1"):
            problem_of(await client.get(f"{PATH}?{query}"), 422, "invalid request")


async def test_reading_needs_a_key_where_the_settings_say_so(changed: Home) -> None:
    async with running(changed, Settings(home=changed.root, require_key=True)) as (_, client):
        problem_of(await client.get(PATH), 401, "key needed")
        answer = await client.get(f"{PATH}?k=1", headers=key_headers(changed, Role.READ))
        assert answer.status_code == 200

"""Two artists with one mbid: a request by the mbid gets an error with both, and neither is returned or changed."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.db.keys import Role
from riyl.core.errors import InputError
from riyl.core.settings import Home
from riyl.index.build.build import build_version
from riyl.index.versions.lifecycle import promote
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot
from riyl.training.train import train
from tests.app.conftest import database, key_headers, problem_of, riyl, running
from tests.conftest import SMALL_RECIPE
from tests.index.conftest import MBID, write_world

SHARED = "several artists have this mbid"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a home whose artists a003 and a007 share an mbid in two spellings."""
    root = tmp_path_factory.mktemp("shared")
    folder = write_world(root / "given")
    artists = pq.read_table(folder / "artists.parquet")
    mbids = [MBID if row == 3 else MBID.upper() if row == 7 else None for row in range(60)]
    pq.write_table(
        artists.set_column(artists.column_names.index("mbid"), "mbid", pa.array(mbids)), folder / "artists.parquet"
    )
    home = Home(root / "home")
    snapshot = build_snapshot(Tables.open(folder), SMALL_RECIPE, home.snapshots)
    model = train(*load_config("random-projection"), snapshot, home.models)
    version = build_version(model, snapshot, home.versions)
    promote(home.versions, database(home), version.id, by="test", why="test")
    return home.root


@pytest.fixture
def sharing(made: Path, tmp_path: Path) -> Home:
    shutil.copytree(made, tmp_path / "home")
    return Home(tmp_path / "home")


async def test_a_lookup_by_it_is_409_with_both(sharing: Home) -> None:
    async with running(sharing) as (_, client):
        question = {"seeds": [{"mbid": MBID}]}
        answers = [
            await client.get(f"/v1/artists/{MBID}"),
            await client.get(f"/v1/artists/{MBID.upper()}/similar"),
            await client.get(f"/v1/artists/{MBID}/similar?k=3&explain=true"),
            await client.post("/v1/similar", json=question),
            await client.post("/v1/similar", json={"seeds": [{"id": "a001"}], "avoid": [{"id": MBID}]}),
        ]
        for answer in answers:
            body = problem_of(answer, 409, SHARED)
            assert [candidate["id"] for candidate in body["candidates"]] == ["a003", "a007"]
            assert "a003, a007; choose one of them by its id" in body["detail"]
        (entry,) = (await client.post("/v1/similar:batch", json={"queries": [question]})).json()["answers"]
        assert (entry["answer"], entry["problem"]["status"], entry["problem"]["title"]) == (None, 409, SHARED)
        assert (await client.get("/v1/artists/a003/similar")).status_code == 200


async def test_both_are_excluded_by_it_and_a_listeners_play_of_it_is_told_of(sharing: Home) -> None:
    async with running(sharing) as (_, client):
        question = {"seeds": [{"id": "a001"}], "k": 100, "exclude": [MBID]}
        similar = (await client.post("/v1/similar", json=question)).json()["similar"]
        assert {"a003", "a007"}.isdisjoint(artist["id"] for artist in similar)
        assert len(similar) == 59 - 3
        played = (await client.post("/v1/similar", json={"plays": {"a001": 3, MBID: 5}})).json()["asked"]
        assert (played["plays"], played["unknown_plays"]) == (1, [MBID])


async def test_neither_is_changed_by_it(sharing: Home) -> None:
    headers = key_headers(sharing, Role.WRITE)
    address = f"/v1/artists/{MBID}"
    changes: list[tuple[str, str, Any]] = [
        ("PUT", address, {"name": "N"}),
        ("PATCH", address, {"name": "N"}),
        ("DELETE", address, None),
        ("POST", f"{address}:merge", {"into": "a001"}),
        ("POST", "/v1/artists/a001:merge", {"into": MBID}),
    ]
    async with running(sharing) as (app, client):
        for method, path, body in changes:
            answer: httpx.Response = await client.request(method, path, json=body, headers=headers)
            candidates = problem_of(answer, 409, SHARED)["candidates"]
            template = "/v1/artists/{id}" + (":merge" if method == "POST" else "")
            assert "409" in app.openapi()["paths"][template][method.lower()]["responses"]
            assert [candidate["id"] for candidate in candidates] == ["a003", "a007"]
        lines = json.dumps({"kind": "delete", "id": MBID})
        sent = {**headers, "content-type": "application/x-ndjson"}
        verdict = (await client.post("/v1/artists:batch", content=lines, headers=sent)).json()
        assert (verdict["status"], verdict["problem"]["title"]) == (409, SHARED)
        assert (await client.get("/v1/changes", headers=key_headers(sharing))).json()["head"] == 0


async def test_one_of_them_is_meant_once_the_other_is_blocked_or_deleted(sharing: Home) -> None:
    headers = key_headers(sharing)
    async with running(sharing) as (_, client):
        rule = {"kind": "block", "artist": "a003"}
        number = (await client.post("/v1/rules", json=rule, headers=headers)).json()["number"]
        assert (await client.get(f"/v1/artists/{MBID}")).json()["artist"]["id"] == "a007"
        await client.delete(f"/v1/rules/{number}", headers=headers)
        problem_of(await client.get(f"/v1/artists/{MBID}"), 409, SHARED)
        await client.delete("/v1/artists/a007", headers=headers)
        async with asyncio.timeout(20):
            while (response := await client.get(f"/v1/artists/{MBID}")).status_code == 409:
                await asyncio.sleep(0.01)
        assert response.json()["artist"]["id"] == "a003"
        patched = await client.patch(f"/v1/artists/{MBID}", json={"name": "N"}, headers=headers)
        assert patched.json()["id"] == "a003"


def test_the_command_line_names_both(sharing: Home) -> None:
    with pytest.raises(InputError, match=r"several artists have the mbid .*\(a003, .*\(a007, "):
        riyl(sharing, "similar", MBID)

"""Promotions take effect while requests run; a damaged version is never served."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from riyl.app.http.metrics import Metrics
from riyl.app.serving.reloader import VersionReloader
from riyl.core.db.session import FILE, Database
from riyl.core.settings import Home, Settings
from riyl.core.storage.current import read_current
from riyl.index.artifact.version import Version
from riyl.index.versions.lifecycle import CURRENT, promote
from tests.app.conftest import database, flip_a_byte, record, running, until

AWAY = Settings(database_url=SecretStr("postgresql://riyl@127.0.0.1:1/riyl"))
"""Settings of an unreachable database."""


def expected_ids(version: Version, row: int, k: int) -> list[str]:
    return [version.artist_ids[other] for other in version.neighbours[row, :k].tolist()]


def serving_id(app: FastAPI) -> str | None:
    searcher = app.state.reloader.searcher
    return None if searcher is None else searcher.version_id


async def test_promotions_under_load_fail_no_request(home: Home, version: Version, other_version: Version) -> None:
    versions = {v.id: v for v in (version, other_version)}

    async def ask(client: httpx.AsyncClient, seen: list[str], stop: asyncio.Event, path: str) -> None:
        while not stop.is_set():
            answer = await client.get(path)
            assert answer.status_code == 200
            body = answer.json()
            assert body["version"] == answer.headers["riyl-version"] == answer.headers["etag"].strip('"')
            assert [s["id"] for s in body["similar"]] == expected_ids(versions[body["version"]], 1, 20)
            seen.append(body["version"])
            await asyncio.sleep(0)

    async with running(home) as (app, client):
        reloader, seen, stop = app.state.reloader, list[str](), asyncio.Event()
        path = "/v1/artists/a001/similar?k=20"
        async with asyncio.TaskGroup() as group:
            for each in (path, path + "&uncorrected=false", path):
                group.create_task(ask(client, seen, stop, each))
            for _ in range(4):
                for wanted in (other_version.id, version.id):
                    await asyncio.to_thread(promote, home.versions, database(home), wanted, by="test", why="test")
                    await until(lambda wanted=wanted: reloader.searcher.version_id == wanted)  # type: ignore[misc]
                    before = len(seen)
                    await until(lambda before=before: len(seen) > before + 30)  # type: ignore[misc]
            stop.set()
        assert len(seen) > 240
        assert set(seen) == set(versions)


def test_a_version_that_failed_of_something_else_is_tried_again(
    home: Home, version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("riyl.app.serving.reloader.OPEN_RETRY_S", 0.0)
    scratch = tmp_path / "scratch"
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    reloader = VersionReloader(home, database(home), Metrics())
    reloader.poll()
    assert reloader.searcher is None
    assert reloader.refused is not None
    assert str(scratch) in reloader.refused.reason
    scratch.mkdir()
    reloader.poll()
    assert reloader.searcher is not None
    assert (reloader.searcher.version_id, reloader.refused) == (version.id, None)


async def test_a_version_with_a_flipped_byte_is_not_served(
    home: Home, version: Version, other_version: Version, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with running(home) as (app, client):
        reloader = app.state.reloader
        promote(home.versions, Database.of(Settings(home=home.root)), other_version.id, by="test", why="test")
        await until(lambda: reloader.searcher.version_id == other_version.id)
        promote(home.versions, Database.of(Settings(home=home.root)), version.id, by="test", why="test")
        await until(lambda: reloader.searcher.version_id == version.id)

        # damaged after its first promotion, and promoted again without a check
        flip_a_byte(home.versions / other_version.id / "scores.npy")
        record(home, other_version.id)
        await until(lambda: reloader.refused is not None)
        ready = (await client.get("/readyz")).json()
        assert (ready["status"], ready["version"]) == ("ready", version.id)
        assert ready["refused"]["version"] == other_version.id
        assert "scores.npy: damaged, found sha256" in ready["refused"]["reason"]
        assert (await client.get("/v1/artists/a001/similar")).json()["version"] == version.id

        # tried once, not at every poll
        refusals = [r for r in caplog.records if r.getMessage() == "version_refused"]
        assert len(refusals) == 1
        assert refusals[0].levelno == logging.ERROR
        for _ in range(5):
            reloader.poll()
        assert len([r for r in caplog.records if r.getMessage() == "version_refused"]) == 1

        # and tried again as soon as its files change
        shutil.copy(other_version.folder / "scores.npy", home.versions / other_version.id / "scores.npy")
        await until(lambda: reloader.searcher.version_id == other_version.id)
        assert (await client.get("/readyz")).json()["refused"] is None


@pytest.mark.parametrize("change", [{"format": 99}, {"kind": "riyl-model"}])
async def test_a_newer_or_foreign_version_is_refused_naming_found_and_wanted(
    home: Home, version: Version, other_version: Version, change: dict[str, object]
) -> None:
    manifest = home.versions / other_version.id / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **change}))
    async with running(home) as (app, client):
        record(home, other_version.id)
        await until(lambda: app.state.reloader.refused is not None)
        ready = (await client.get("/readyz")).json()
        assert ready["version"] == version.id
        assert repr(next(iter(change.values()))) in ready["refused"]["reason"]


@pytest.mark.parametrize(
    "current",
    [b"nothing-of-that-name", b"../../etc", b"\xff\xfe\x00", b"a\x00b", b"x" * 5000],
    ids=lambda c: repr(c[:20]),
)
async def test_a_damaged_current_is_mended_from_the_database(
    home: Home, version: Version, other_version: Version, current: bytes
) -> None:
    promote(home.versions, Database.of(Settings(home=home.root)), other_version.id, by="test", why="test")
    (home.versions / CURRENT).write_bytes(current)
    async with running(home) as (_, client):
        ready = (await client.get("/readyz")).json()
        assert (ready["version"], ready["refused"]) == (other_version.id, None)
        assert read_current(home.versions) == other_version.id


async def test_without_the_database_a_service_serves_what_its_home_says(home: Home, version: Version) -> None:
    async with running(home, AWAY.model_copy(update={"home": home.root})) as (_, client):
        assert (await client.get("/readyz")).json()["version"] == version.id
        assert (await client.get("/v1/artists/a001/similar")).status_code == 200


@pytest.mark.parametrize(
    "current", [b"nothing-of-that-name", b"../../etc", b"\xff\xfe\x00", b"a\x00b"], ids=lambda c: repr(c[:20])
)
async def test_without_the_database_a_damaged_current_is_not_served(home: Home, current: bytes) -> None:
    (home.versions / CURRENT).write_bytes(current)
    async with running(home, AWAY.model_copy(update={"home": home.root})) as (_, client):
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/healthz")).status_code == 200


async def test_a_promoted_version_that_is_in_another_home_is_looked_for_and_the_old_one_serves(
    home: Home, version: Version, other_version: Version, caplog: pytest.LogCaptureFixture
) -> None:
    other_version_elsewhere = home.root / "elsewhere"
    (home.versions / other_version.id).rename(other_version_elsewhere)
    async with running(home) as (app, client):
        record(home, other_version.id)
        await until(lambda: "promotions_unknown" in caplog.messages)
        assert (await client.get("/readyz")).json()["version"] == version.id
        other_version_elsewhere.rename(home.versions / other_version.id)
        await until(lambda: app.state.reloader.searcher.version_id == other_version.id)


async def test_a_service_that_starts_on_a_damaged_version_serves_the_one_before(
    home: Home, version: Version, other_version: Version
) -> None:
    promote(home.versions, Database.of(Settings(home=home.root)), other_version.id, by="test", why="test")
    flip_a_byte(home.versions / other_version.id / "neighbours.npy")
    async with running(home) as (_, client):
        ready = (await client.get("/readyz")).json()
        assert (ready["version"], ready["refused"]["version"]) == (version.id, other_version.id)


async def test_where_no_version_is_good_nothing_is_served_until_one_is(
    home: Home, version: Version, other_version: Version
) -> None:
    flip_a_byte(home.versions / version.id / "neighbours.npy")
    async with running(home) as (app, client):
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["title"]) == (503, "not ready")
        assert "neighbours.npy: damaged" in ready.json()["detail"]
        assert (await client.get("/v1/artists/a001/similar")).status_code == 503
        record(home, other_version.id)
        await until(lambda: app.state.reloader.searcher is not None)
        assert (await client.get("/v1/artists/a001/similar")).json()["version"] == other_version.id


async def test_a_home_that_gets_its_first_version_while_it_is_served(home: Home, version: Version) -> None:
    (home.versions / CURRENT).unlink()
    (home.root / FILE).unlink()
    async with running(home) as (app, client):
        assert (await client.get("/readyz")).status_code == 503
        promote(home.versions, Database.of(Settings(home=home.root)), version.id, by="test", why="test")
        await until(lambda: app.state.reloader.searcher is not None)
        assert (await client.get("/readyz")).json()["version"] == version.id


async def test_a_version_serves_on_when_its_folder_is_gone(home: Home, version: Version) -> None:
    async with running(home) as (_, client):
        shutil.rmtree(home.versions)
        for path in ("/v1/artists/a001/similar", "/v1/artists?q=bjork", "/v1/artists/a002"):
            assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize("name", ["neighbours.npy", "embeddings.npy", "artists.arrow", "parts/tags.npy"])
async def test_a_version_whose_mapped_file_is_cut_off_while_it_serves_is_let_go(
    home: Home, version: Version, other_version: Version, name: str
) -> None:
    promote(home.versions, database(home), other_version.id, by="test", why="test")
    promote(home.versions, database(home), version.id, by="test", why="test")
    async with running(home) as (app, client):
        assert app.state.reloader.searcher.version_id == version.id
        os.truncate(home.versions / version.id / name, 40)
        await until(lambda: serving_id(app) == other_version.id)
        ready = (await client.get("/readyz")).json()
        assert ready["version"] == other_version.id
        assert f"{name}: damaged, found 40 bytes" in ready["refused"]["reason"]
        answer = await client.get("/v1/artists/a001/similar?k=20")
        assert [each["id"] for each in answer.json()["similar"]] == expected_ids(other_version, 1, 20)


async def test_without_another_version_one_that_is_cut_off_is_told_and_taken_up_again_once_it_is_whole(
    home: Home, version: Version
) -> None:
    path = home.versions / version.id / "neighbours.npy"
    whole = path.read_bytes()
    async with running(home) as (app, client):
        os.truncate(path, 40)
        await until(lambda: app.state.reloader.searcher is None)
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/v1/artists/a001/similar?k=20")).status_code == 503
        path.write_bytes(whole)
        await until(lambda: app.state.reloader.searcher is not None)
        assert (await client.get("/v1/artists/a001/similar?k=20")).status_code == 200


async def test_a_version_whose_files_are_touched_serves_on(
    home: Home, caplog: pytest.LogCaptureFixture, version: Version
) -> None:
    async with running(home) as (app, _):
        state = app.state.reloader.state
        for path in (home.versions / version.id).rglob("*"):
            path.touch()
        await asyncio.sleep(0.2)
        assert app.state.reloader.state is state
    assert "version_damaged" not in caplog.text

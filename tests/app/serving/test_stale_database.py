"""A service whose database lacks records that its home has seen: it still hides artists, says so, refuses changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest
from pydantic import SecretStr

from riyl.core.changes.effective import ChangeKind
from riyl.core.db.changes import ChangeRequest, write_change
from riyl.core.db.keys import Role, create_key
from riyl.core.db.rules import add_rule
from riyl.core.db.session import FILE, Database
from riyl.core.rules import RuleKind
from riyl.core.settings import Home, Settings
from riyl.core.storage.current import read_current
from riyl.core.storage.rules_copy import read_copy
from riyl.core.storage.tombstones import read_tombstones
from riyl.index.artifact.version import Version
from riyl.index.versions.lifecycle import promote
from tests.app.conftest import asked, database, key_headers, problem_of, run, running, until
from tests.app.serving.stale_database import BLOCKED, DELETED, accept
from tests.conftest import Backup, forget_database

pytestmark = pytest.mark.usefixtures("soon")

AFTER = "a003"
BLOCK = {"kind": "block", "artist": BLOCKED, "why": "letter"}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def settings(request: pytest.FixtureRequest, home: Home, version: Version) -> Settings:
    """Return settings of a service over the home, with its SQLite or with PostgreSQL."""
    if request.param == "sqlite":
        return Settings(home=home.root)
    forget_database(home)
    postgres_settings = Settings(home=home.root, database_url=SecretStr(request.getfixturevalue("postgres_url")))
    opened = Database.of(postgres_settings)
    opened.upgrade()
    promote(home.versions, opened, version.id, by="test", why="test")
    opened.close()
    return postgres_settings


@pytest.fixture
def headers(settings: Settings) -> dict[str, str]:
    """Return the headers of an admin whose key is in every backup."""
    opened = Database.of(settings)
    _, token = create_key(opened, "tester", Role.ADMIN)
    opened.close()
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
def backup(settings: Settings, headers: dict[str, str]) -> Backup:
    """Back up the database with the admin's key, before any artist is hidden."""
    return Backup(settings)


async def take_down(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    """Block one artist and delete another, and wait until the service hides both."""
    assert (await client.post("/v1/rules", json=BLOCK, headers=headers)).status_code == 201
    assert (await client.delete(f"/v1/artists/{DELETED}", headers=headers)).status_code == 200
    async with asyncio.timeout(30):
        for artist in (BLOCKED, DELETED):
            while (await client.get(f"/v1/artists/{artist}")).status_code != 404:
                await asyncio.sleep(0.02)


async def hides(client: httpx.AsyncClient) -> None:
    """Check that a service hides both."""
    for artist in (BLOCKED, DELETED):
        problem_of(await client.get(f"/v1/artists/{artist}"), 404, "unknown artist")
    for query in ("/v1/artists/a004/similar?k=200", "/v1/artists/a004/similar?k=200&explain=false"):
        similar_ids = {each["id"] for each in (await client.get(query)).json()["similar"]}
        assert len(similar_ids) > 50
        assert not {BLOCKED, DELETED} & similar_ids


async def disbelieves(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    """Check that a service reports the database as not believed, and refuses everything that would be stored."""
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert "riyl db accept --why REASON" in ready.json()["database"]
    assert "riyl_database_believed 0.0" in (await client.get("/metrics")).text
    for method, path, payload in (
        ("POST", "/v1/rules", BLOCK | {"artist": AFTER}),
        ("DELETE", "/v1/rules/1", None),
        ("PUT", "/v1/artists/a001", {"name": "Back"}),
        ("DELETE", f"/v1/artists/{AFTER}", None),
        ("POST", f"/v1/artists/{AFTER}:merge", {"into": "a004"}),
        ("POST", "/v1/index:rollback", {"why": ""}),
    ):
        refused = problem_of(
            await client.request(method, path, json=payload, headers=headers), 503, "database not believed"
        )
        assert "riyl db accept --why REASON" in refused["detail"]
    assert (await client.get(f"/v1/artists/{AFTER}")).status_code == 200


def copies(home: Home) -> list[bytes]:
    return [path.read_bytes() for path in (home.rules, home.tombstones, home.versions / "CURRENT")]


def test_a_restored_database_is_settled_without_showing_what_was_taken_down(
    home: Home, settings: Settings, headers: dict[str, str], backup: Backup, other_version: Version
) -> None:
    async def before() -> None:
        async with running(home, settings) as (_, client):
            await take_down(client, headers)
            # both are in the home when the responses arrive: the process may be killed now
            copied = read_copy(home.rules)
            assert copied is not None
            assert [rule.artist for rule in copied.rules] == [BLOCKED]
            assert read_tombstones(home.tombstones).artists.keys() == {DELETED}
            promoted = await client.post(
                f"/v1/index/versions/{other_version.id}:promote", json={"why": "", "force": True}, headers=headers
            )
            assert promoted.status_code == 200

    async def after() -> None:
        async with running(home, settings) as (app, client):
            await hides(client)
            await disbelieves(client, headers)
            assert copies(home) == copies_before
            assert app.state.reloader.searcher.version_id == read_current(home.versions) == other_version.id
            versions = (await client.get("/v1/index/versions")).json()["versions"]
            assert {each["version"] for each in versions if each["current"]} == {other_version.id}
            accept(settings)
            await until(lambda: app.state.reloader.unbelieved is None)
            ready = (await client.get("/readyz")).json()
            assert (ready["status"], ready["database"], ready["version"]) == ("ready", None, other_version.id)
            assert "riyl_database_believed 1.0" in (await client.get("/metrics")).text
            await hides(client)
            rules = (await client.get("/v1/rules", headers=headers)).json()["rules"]
            assert [(each["artist"], each["by"], each["why"]) for each in rules] == [
                (BLOCKED, "ann", "accept: disk died")
            ]
            assert (await client.delete(f"/v1/artists/{AFTER}", headers=headers)).status_code == 200

    run(before())
    copies_before = copies(home)
    backup.restore()
    run(after())
    # and every service keeps it: without the database, and with it
    away = settings.model_copy(update={"database_url": SecretStr("postgresql://riyl@127.0.0.1:1/riyl")})
    for each in (away, settings):
        answers = asked(home, *(f"/v1/artists/{artist}" for artist in (BLOCKED, DELETED, AFTER)), settings=each)
        assert [answer.status_code for answer in answers] == [404] * 3


async def test_a_database_that_is_replaced_under_a_running_service(
    home: Home, settings: Settings, headers: dict[str, str], backup: Backup
) -> None:
    async with running(home, settings) as (app, client):
        await take_down(client, headers)
        put = await client.put("/v1/artists/n1", json={"name": "New One"}, headers=headers)
        assert put.status_code == 201
        await until(lambda: app.state.reloader.searcher.row_of("n1") is not None)
        copies_before = copies(home)
        backup.restore()
        await until(lambda: app.state.reloader.unbelieved is not None)
        await hides(client)
        await disbelieves(client, headers)
        assert copies(home) == copies_before
        assert (await client.get("/v1/artists/n1")).status_code == 200
        accept(settings)
        await until(lambda: app.state.reloader.unbelieved is None)
        await hides(client)
        # a rule that hides no artist is not in the home's copies, and is lost with the database
        await until(lambda: app.state.reloader.searcher.row_of("n1") is None)
        assert (await client.get("/readyz")).json()["status"] == "ready"


async def test_as_it_is_shows_what_the_database_does_not_hide(
    home: Home, settings: Settings, headers: dict[str, str], backup: Backup
) -> None:
    async with running(home, settings) as (app, client):
        await take_down(client, headers)
        backup.restore()
        await until(lambda: app.state.reloader.unbelieved is not None)
        accept(settings, as_it_is=True)
        await until(lambda: app.state.reloader.unbelieved is None)
        await until(lambda: not app.state.reloader.state.rules)
        await until(lambda: app.state.reloader.searcher.row_of(DELETED) is not None)
        for artist in (BLOCKED, DELETED):
            assert (await client.get(f"/v1/artists/{artist}")).status_code == 200


def lose(home: Home) -> None:
    for path in home.root.glob(f"{FILE}*"):
        path.unlink()


def replace_by_another(home: Home) -> None:
    lose(home)
    other = Database.of(Settings(home=home.root / "elsewhere"))
    for artist in ("a010", "a011", "a012"):
        add_rule(other, RuleKind.BLOCK, artist, None, by="t", why="")
        write_change(other, ChangeRequest(artist, ChangeKind.DELETE, {}, None), by="t")
    other.close()
    (home.root / "elsewhere" / FILE).rename(home.root / FILE)


def empty(home: Home) -> None:
    lose(home)
    (home.root / FILE).touch()


@pytest.mark.parametrize("become", [lose, replace_by_another, empty])
async def test_a_lost_database_and_another_one_are_not_believed(
    home: Home, version: Version, become: Callable[[Home], None]
) -> None:
    async with running(home) as (_, client):
        await take_down(client, key_headers(home))
    become(home)
    async with running(home) as (app, client):
        await hides(client)
        await disbelieves(client, key_headers(home))  # a key of the present database
        # an artist that either hides is hidden
        status = 404 if become is replace_by_another else 200
        assert (await client.get("/v1/artists/a010")).status_code == status
        accept(Settings(home=home.root))
        await until(lambda: app.state.reloader.unbelieved is None)
        await hides(client)
        assert (await client.get("/readyz")).json()["version"] == version.id


async def test_a_file_that_is_taken_away_from_a_running_service(home: Home) -> None:
    headers = key_headers(home)
    async with running(home) as (app, client):
        await take_down(client, headers)
        opened = database(home)
        backup = Backup(Settings(home=home.root))
        opened.close()
        lose(home)
        await until(lambda: app.state.reloader.unbelieved is not None)
        await hides(client)
        ready = (await client.get("/readyz")).json()
        assert ready["status"] == "degraded"
        assert ready["database"] == f"{FILE} is damaged: restore it from a backup"
        backup.restore()  # a backup that lacks nothing
        await until(lambda: app.state.reloader.unbelieved is None)
        assert (await client.get("/readyz")).json()["status"] == "ready"
        assert (await client.delete(f"/v1/artists/{AFTER}", headers=headers)).status_code == 200
        await hides(client)

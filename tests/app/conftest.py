"""What service tests share: two versions of the small world, homes that promote them, and a client of the app."""

from __future__ import annotations

import asyncio
import inspect
import json
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner, Result

from riyl.app.cli import app as command_line
from riyl.app.http.openapi import build_openapi
from riyl.app.main import create_app
from riyl.core.db.keys import Role, create_key
from riyl.core.db.promotions import add_promotion
from riyl.core.db.session import Database
from riyl.core.settings import Home, Settings
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.index.artifact.version import Version
from riyl.index.build.build import build_version
from riyl.index.versions.lifecycle import promote
from riyl.training.config import load_config
from riyl.training.train import train
from tests.index.conftest import corrected, crowd, crowd_snapshot, named_model, named_snapshot, version  # noqa: F401

POLL_S = 0.02


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """Run a test that is a coroutine function, in an event loop of its own."""
    test = pyfuncitem.obj
    if inspect.iscoroutinefunction(test):
        pyfuncitem.obj = lambda **arguments: asyncio.run(test(**arguments))


@pytest.fixture(scope="session")
def other_version(
    named_snapshot: Snapshot,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Version:
    """Another version of the same artists. No test may change it; copy it first."""
    model: Model = train(*load_config("random-projection"), named_snapshot, tmp_path_factory.mktemp("other-models"))
    return build_version(model, named_snapshot, tmp_path_factory.mktemp("other-versions"))


@pytest.fixture(scope="session", autouse=True)
def documents() -> Iterator[None]:
    """Build the OpenAPI document once for all services of equal settings: that takes most of the start of a service."""
    built: dict[str, bytes] = {}

    def build_once(app: FastAPI, settings: Settings) -> dict[str, Any]:
        key = settings.model_dump_json(exclude={"home", "tables", "database_url"})
        if key not in built:
            built[key] = json.dumps(build_openapi(app, settings)).encode()
        document: dict[str, Any] = json.loads(built[key])
        return document

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("riyl.app.main.build_openapi", build_once)
        yield


@pytest.fixture(scope="session")
def promoted_home(
    version: Version,  # noqa: F811
    other_version: Version,
    tmp_path_factory: pytest.TempPathFactory,
) -> Home:
    """Make a home with both versions; `version` is promoted. No test may change it; `home` is a copy."""
    home = Home(tmp_path_factory.mktemp("promoted") / "home")
    for each in (version, other_version):
        shutil.copytree(each.folder, home.versions / each.id)
    opened = database(home)
    promote(home.versions, opened, version.id, by="test", why="test")
    opened.close()
    return home


@pytest.fixture
def home(promoted_home: Home, tmp_path: Path) -> Home:
    """Return a home of its own with both versions; `version` is promoted."""
    shutil.copytree(promoted_home.root, tmp_path / "home")
    return Home(tmp_path / "home")


def database(home: Home) -> Database:
    """Return the database of a home."""
    return Database.of(Settings(home=home.root))


def record(home: Home, identity: str) -> None:
    """Say in the database alone that a version was promoted, as another home of the same database would."""
    with database(home).write() as connection:
        add_promotion(connection, identity, "promote", by="test", why="test")


def key_headers(home: Home, role: Role = Role.ADMIN) -> dict[str, str]:
    """Make a key of this role, and return the headers of a request with it."""
    opened = database(home)
    _, token = create_key(opened, "tester", role)
    opened.close()
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
def headers(home: Home) -> dict[str, str]:
    """Return the headers of a request with an admin's key."""
    return key_headers(home)


@asynccontextmanager
async def running(
    home: Home, settings: Settings | None = None, **options: Any
) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """Return the app of a home between its start and its end, and a client of it."""
    app = create_app(settings or Settings(home=home.root), poll_s=POLL_S, events_s=POLL_S, **options)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield app, client


def asked(
    home: Home,
    *paths: str,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    settings: Settings | None = None,
    **body: Any,
) -> list[httpx.Response]:
    """Return the answers of a freshly started service, one a path; `body` as httpx takes it: json, content, files."""

    async def ask() -> list[httpx.Response]:
        async with running(home, settings) as (_, client):
            return [await client.request(method, path, headers=headers, **body) for path in paths]

    return asyncio.run(ask())


def problem_of(response: httpx.Response, status: int, title: str) -> dict[str, Any]:
    """Return the body of an error, after it was held to what all of them share."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (body["status"], body["title"]) == (status, title)
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["type"] == "urn:riyl:problem:" + title.replace(" ", "-")
    assert body["detail"]
    return body


def riyl(home: Home | Path, *arguments: str) -> Result:
    """Run the command line in a home; an exit with an error is returned, a fault is raised."""
    root = home.root if isinstance(home, Home) else home
    done = CliRunner().invoke(command_line, ["--home", str(root), *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def as_json(home: Home | Path, *arguments: str) -> Any:
    """Run a command with --json, and return what it prints."""
    return json.loads(riyl(home, "--json", *arguments).stdout)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine."""
    asyncio.run(work)


async def until(holds: Callable[[], bool], deadline_s: float = 20) -> None:
    """Wait until something holds.

    Raises:
        TimeoutError: it does not in time.
    """
    async with asyncio.timeout(deadline_s):
        while not holds():
            await asyncio.sleep(0.005)


def flip_a_byte(path: Path) -> None:
    """Change one bit in the middle of a file, and nothing else that a directory listing shows."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))

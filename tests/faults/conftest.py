"""Fixtures of fault tests: a small home to copy, both databases, and workers to kill."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, create_engine, make_url

from riyl.app.jobs.client import Jobs
from riyl.app.jobs.store import upgrade_jobs
from riyl.app.jobs.types import JobState, ReindexParams, TrainParams
from riyl.core.catalog.tables import Tables
from riyl.core.db.session import Database
from riyl.core.settings import Home, Settings
from riyl.index.artifact.version import MANIFEST
from riyl.index.build.build import build_version
from riyl.index.versions.lifecycle import promote
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot
from riyl.training.train import train
from tests.conftest import SMALL_RECIPE, forget_database, small_world
from tests.faults.processes import HeldWorkers, Site, World, opened, started

TRAINING = "paper-msd"


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Make two versions of the small world, and tables of a world that has grown since."""
    base = tmp_path_factory.mktemp("faults")
    home = Home(base / "home")
    snapshot = build_snapshot(Tables.open(small_world(base / "before")), SMALL_RECIPE, home.snapshots)
    models = [
        train(name, config, snapshot, home.models) for name, config in map(load_config, ("random-projection", "pca"))
    ]
    first, second = (build_version(model, snapshot, home.versions).id for model in models)
    new_world = World(home.root, small_world(base / "tables", n=66), (first, second))
    fill(new_world, Settings(home=home.root))
    return new_world


@dataclass(frozen=True)
class Template:
    """A PostgreSQL database of the world, to be copied."""

    server: Engine
    name: str

    def copy(self) -> str:
        """Copy the database, and return the address of the copy."""
        name = f"faults_{secrets.token_hex(4)}"
        with self.server.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {self.name}")
        return self.server.url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def template(postgres: str, world: World) -> Iterator[Template]:
    url = make_url(postgres).set(drivername="postgresql+psycopg")
    server = create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE faults")
    address = url.set(drivername="postgresql", database="faults").render_as_string(hide_password=False)
    fill(world, Settings(home=world.home, database_url=SecretStr(address)))
    yield Template(server, "faults")
    server.dispose()


Sites = Callable[[str], Site]
"""Function that makes a home of its own with its database, by the name of its folder."""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def sites(request: pytest.FixtureRequest, world: World, tmp_path: Path) -> Iterator[Sites]:
    """Make homes for this test, with a database of either kind."""
    template = request.getfixturevalue("template") if request.param == "postgres" else None
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(opened(world, tmp_path / name, template.copy() if template else None))


@pytest.fixture
def site(sites: Sites) -> Site:
    """Make a home with a database of either kind."""
    return sites("site")


@pytest.fixture
def sqlite_site(world: World, tmp_path: Path) -> Iterator[Site]:
    with opened(world, tmp_path, None) as site:
        yield site


@pytest.fixture
def postgres_site(template: Template, world: World, tmp_path: Path) -> Iterator[Site]:
    with opened(world, tmp_path, template.copy()) as site:
        yield site


@pytest.fixture(scope="session")
def nurseries() -> Iterator[list[HeldWorkers]]:
    workers = [HeldWorkers() for _ in range(3)]
    yield workers
    for each in workers:
        each.close()


@pytest.fixture
def held_workers(nurseries: list[HeldWorkers]) -> Iterator[list[HeldWorkers]]:
    """Start three groups of workers, which are held and killed in parallel."""
    yield nurseries
    for each in nurseries:
        each.end()


@pytest.fixture
def held_worker(held_workers: list[HeldWorkers]) -> HeldWorkers:
    return held_workers[0]


@dataclass(frozen=True)
class Undisturbed:
    """Manifests, which have the sha256 of every file, of the versions that undisturbed jobs make."""

    reindex: bytes
    train: bytes


@pytest.fixture(scope="session")
def undisturbed(world: World, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    def manifest(params: ReindexParams | TrainParams) -> bytes:
        job = site.ended(site.ask(params))
        assert job.state is JobState.DONE, job
        return (site.home.versions / job.result["version"] / MANIFEST).read_bytes()

    with opened(world, tmp_path_factory.mktemp("undisturbed"), None) as site, started(site, "worker"):
        tables = str(world.tables)
        return Undisturbed(
            reindex=manifest(ReindexParams(tables=tables)), train=manifest(TrainParams(tables=tables, config=TRAINING))
        )


def fill(world: World, settings: Settings) -> None:
    """Make the databases of a home, and record the promoted versions."""
    if settings.database_url is not None:  # the world's home records its own database as seen
        settings = settings.model_copy(update={"home": settings.home.with_name(f"filling-{secrets.token_hex(4)}")})
        shutil.copytree(world.home / "versions", settings.home / "versions")
        forget_database(Home(settings.home))
    database = Database.of(settings)
    if not database.is_sqlite:
        database.upgrade()
        upgrade_jobs(settings, database)
    Jobs(settings, database).close()
    for version in world.versions:
        promote(Home(settings.home).versions, database, version, by="test", why="test")
    database.close()

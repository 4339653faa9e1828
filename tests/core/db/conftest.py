"""Fixtures for tests of the database; each test runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from riyl.core.db.session import Database
from riyl.core.settings import Home, Settings


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Return settings that name an empty database."""
    if request.param == "sqlite":
        return Settings(home=tmp_path, database_url=None)
    return Settings(home=tmp_path, database_url=SecretStr(request.getfixturevalue("postgres_url")))


@pytest.fixture
def home(settings: Settings) -> Home:
    return Home(settings.home)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """Return a database of this release, without rows."""
    database = Database.of(settings)
    database.upgrade()
    yield database
    database.close()


Closing = Callable[[Database], Database]


@pytest.fixture
def closing() -> Iterator[Closing]:
    """Return a function that registers databases, which are closed when the test ends."""
    opened: list[Database] = []

    def close_later(database: Database) -> Database:
        opened.append(database)
        return database

    yield close_later
    for database in opened:
        database.close()

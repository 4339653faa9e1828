from __future__ import annotations

from pathlib import Path

import pytest
from dbos._utils import retriable_postgres_exception
from pydantic import SecretStr
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from riyl.app.jobs.store import jobs_engine, jobs_file, wait_for_storage
from riyl.core.db.session import JOBS_FILE
from riyl.core.errors import DatabaseDamagedError
from riyl.core.settings import Settings
from tests.storage_faults import DAMAGES, damage, fill_up, read_only, small_disk


@pytest.mark.parametrize("host", ["riyl.invalid", "127.0.0.1:1"])
def test_dbos_waits_for_a_database_whose_host_is_gone(tmp_path: Path, host: str) -> None:
    engine = jobs_engine(Settings(home=tmp_path, database_url=SecretStr(f"postgresql://riyl@{host}/riyl")))
    with pytest.raises(OperationalError) as caught:
        engine.connect()
    assert retriable_postgres_exception(caught.value)


def test_dbos_waits_for_a_disk_that_is_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        damages = list[DatabaseDamagedError]()
        engine = watched_engine(disk, damages)
        filler = fill_up(disk)
        with pytest.raises(OperationalError) as caught:
            write(engine)
        assert retriable_postgres_exception(caught.value)
        filler.unlink()
        write(engine)
        engine.dispose()
    assert damages == []


def test_dbos_waits_for_a_disk_that_takes_no_writes(tmp_path: Path) -> None:
    home, damages = tmp_path / "home", list[DatabaseDamagedError]()
    home.mkdir()
    engine = watched_engine(home, damages)
    engine.dispose()
    with read_only(home), pytest.raises(OperationalError) as caught:
        write(engine)
    assert retriable_postgres_exception(caught.value)
    write(engine)
    engine.dispose()
    assert damages == []


@pytest.mark.parametrize("how", DAMAGES)
def test_dbos_waits_for_no_damaged_file_which_is_told_of(tmp_path: Path, how: str) -> None:
    damages = list[DatabaseDamagedError]()
    engine = watched_engine(tmp_path, damages)
    damage(tmp_path / JOBS_FILE, DAMAGES[how])
    with pytest.raises(DBAPIError) as caught:
        write(engine)
    assert not retriable_postgres_exception(caught.value)
    assert damages[0].public == f"{JOBS_FILE} is damaged: restore it from a backup"
    engine.dispose()


def watched_engine(home: Path, damages: list[DatabaseDamagedError]) -> Engine:
    """Make an engine like a worker's, and a table of many pages."""
    settings = Settings(home=home)
    engine = jobs_engine(settings)
    wait_for_storage(engine, jobs_file(settings), damages.append)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE jobs (a)"))
    write(engine)
    return engine


def write(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("SELECT max(a) FROM jobs"))
        connection.execute(text("INSERT INTO jobs VALUES (randomblob(200000))"))

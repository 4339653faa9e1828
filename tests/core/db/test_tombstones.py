from __future__ import annotations

from riyl.core.changes.effective import ChangeKind, EffectiveChanges
from riyl.core.db.changes import drop_changes
from riyl.core.db.effective import read_all_tombstones
from riyl.core.db.session import Database
from riyl.core.db.tombstones import copy_tombstones
from riyl.core.settings import Home
from riyl.core.storage.tombstones import last_stamp, read_tombstones
from tests.core.db.streams import change


def test_the_copy_says_what_the_database_says_after_every_act(database: Database, home: Home) -> None:
    def agrees() -> bool:
        with database.read() as connection:
            wanted = {each.artist: each for each in read_all_tombstones(connection)}
        return read_tombstones(home.tombstones).artists == wanted

    copy_tombstones(database, home)
    assert read_tombstones(home.tombstones).artists == {}
    change(database, "c", ChangeKind.PUT, name="C")
    change(database, "a", ChangeKind.DELETE)
    change(database, "b", ChangeKind.MERGE, into="c", mbid="m")
    copy_tombstones(database, home)
    assert read_tombstones(home.tombstones).artists == {
        "a": EffectiveChanges("a", True, {}),
        "b": EffectiveChanges("b", True, {}, "c", "m"),
    }
    for each in (
        lambda: change(database, "a", ChangeKind.PUT, name="A"),
        lambda: change(database, "a", ChangeKind.DELETE),
        lambda: drop_changes(database, by="t", artist="b"),
        lambda: drop_changes(database, by="t", artist="a"),
    ):
        each()
        assert not agrees()
        copy_tombstones(database, home)
        assert agrees()


def test_one_more_is_added_behind_what_is_there_and_writing_anew_takes_out_what_is_untrue(
    database: Database, home: Home
) -> None:
    for artist in ("a", "b"):
        change(database, artist, ChangeKind.DELETE)
    copy_tombstones(database, home)
    before = home.tombstones.read_bytes()
    copy_tombstones(database, home)
    assert home.tombstones.read_bytes() == before
    change(database, "a", ChangeKind.PUT, name="A")
    copy_tombstones(database, home)
    assert home.tombstones.read_bytes().startswith(before)
    copy_tombstones(database, home, anew=True)
    assert len(home.tombstones.read_bytes().splitlines()) == 2
    assert read_tombstones(home.tombstones).artists.keys() == {"b"}


def test_a_copy_that_a_crash_cut_off_is_written_anew(database: Database, home: Home) -> None:
    for artist in ("a", "b"):
        change(database, artist, ChangeKind.DELETE)
        copy_tombstones(database, home)
    home.tombstones.write_bytes(home.tombstones.read_bytes()[:-3])
    assert last_stamp(home.tombstones) is None
    copy_tombstones(database, home)
    assert read_tombstones(home.tombstones).artists.keys() == {"a", "b"}
    assert last_stamp(home.tombstones) is not None

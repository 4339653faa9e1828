from __future__ import annotations

import pytest

from core.changes import ChangeKind, Standing
from core.db.changes import Wish, drop_changes, write_change
from core.db.session import Database
from core.db.standing import gone
from core.db.tombstones import copy_tombstones
from core.settings import Home, Settings
from core.tombstones import last_stamp, read_tombstones


@pytest.fixture
def home(settings: Settings) -> Home:
    return Home(settings.home)


def act(database: Database, artist: str, kind: ChangeKind, **said: object) -> None:
    write_change(database, Wish(artist, kind, said, None), by="t")


def test_the_copy_says_what_the_database_says_after_every_act(database: Database, home: Home) -> None:
    def agrees() -> bool:
        with database.read() as connection:
            wanted = {each.artist: each for each in gone(connection)}
        return read_tombstones(home.gone).artists == wanted

    copy_tombstones(database, home)
    assert read_tombstones(home.gone).artists == {}
    act(database, "c", ChangeKind.PUT, name="C")
    act(database, "a", ChangeKind.DELETE)
    act(database, "b", ChangeKind.MERGE, into="c", mbid="m")
    copy_tombstones(database, home)
    assert read_tombstones(home.gone).artists == {
        "a": Standing("a", True, {}),
        "b": Standing("b", True, {}, "c", "m"),
    }
    for each in (
        lambda: act(database, "a", ChangeKind.PUT, name="A"),
        lambda: act(database, "a", ChangeKind.DELETE),
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
        act(database, artist, ChangeKind.DELETE)
    copy_tombstones(database, home)
    before = home.gone.read_bytes()
    copy_tombstones(database, home)
    assert home.gone.read_bytes() == before
    act(database, "a", ChangeKind.PUT, name="A")
    copy_tombstones(database, home)
    assert home.gone.read_bytes().startswith(before)
    copy_tombstones(database, home, anew=True)
    assert len(home.gone.read_bytes().splitlines()) == 2
    assert read_tombstones(home.gone).artists.keys() == {"b"}


def test_a_copy_that_a_crash_cut_off_is_written_anew(database: Database, home: Home) -> None:
    for artist in ("a", "b"):
        act(database, artist, ChangeKind.DELETE)
        copy_tombstones(database, home)
    home.gone.write_bytes(home.gone.read_bytes()[:-3])
    assert last_stamp(home.gone) is None
    copy_tombstones(database, home)
    assert read_tombstones(home.gone).artists.keys() == {"a", "b"}
    assert last_stamp(home.gone) is not None

from __future__ import annotations

import json
from pathlib import Path

import pytest

from riyl.core.errors import FormatError, OutdatedError
from riyl.core.settings import Home
from riyl.core.storage.earlier_homes import check_home, upgrade_home
from riyl.core.storage.stamps import Stamp
from riyl.core.storage.tombstones import last_stamp, read_tombstones

LINES = [
    {"artist": "a", "deleted": True, "said": {}},
    {"artist": "b", "deleted": True, "said": {}, "into": "c", "mbid": "m"},
    {"kind": "riyl-tombstones", "format": 2, "database": "d", "number": 4, "mark": "t"},
]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Make a home of a release before the standard names."""
    (tmp_path / "fixed" / "0123").mkdir(parents=True)
    (tmp_path / "fixed" / "0123" / "artists.csv").write_text("artist_id,name\na,A\n")
    (tmp_path / "links").mkdir()
    (tmp_path / "gone.ndjson").write_text("".join(json.dumps(line) + "\n" for line in LINES) + '{"cut')
    return Home(tmp_path)


def test_a_home_of_an_earlier_release_is_refused_with_what_to_run(home: Home) -> None:
    with pytest.raises(OutdatedError) as refused:
        check_home(home)
    assert str(refused.value) == (
        f"{home.root}: found fixed, links, gone.ndjson, of an earlier release; wanted frozen_tables, supervision, "
        "tombstones.ndjson: rename with: riyl db upgrade"
    )


def test_a_home_of_this_release_and_an_empty_one_pass(tmp_path: Path) -> None:
    check_home(Home(tmp_path))
    check_home(Home(tmp_path / "none"))
    (tmp_path / "frozen_tables").mkdir()
    (tmp_path / "tombstones.ndjson").write_text("")
    check_home(Home(tmp_path))


def test_an_upgrade_renames_everything_and_loses_nothing(home: Home) -> None:
    assert upgrade_home(home) == ["frozen_tables", "supervision", "tombstones.ndjson"]
    check_home(home)
    assert (home.frozen_tables / "0123" / "artists.csv").read_text() == "artist_id,name\na,A\n"
    assert home.supervision.is_dir()
    copy = read_tombstones(home.tombstones)
    assert {artist: (each.deleted, each.into, each.mbid) for artist, each in copy.artists.items()} == {
        "a": (True, None, None),
        "b": (True, "c", "m"),
    }
    assert copy.stamp == last_stamp(home.tombstones) == Stamp("d", 4, "t")
    assert upgrade_home(home) == []


@pytest.mark.parametrize("crash", ["before anything", "after the folder", "before the old copy is removed"])
def test_a_killed_upgrade_goes_on_where_it_was(home: Home, crash: str) -> None:
    if crash == "after the folder":
        (home.root / "fixed").rename(home.frozen_tables)
    if crash == "before the old copy is removed":
        old = (home.root / "gone.ndjson").read_bytes()
        upgrade_home(home)
        (home.root / "gone.ndjson").write_bytes(old)
    upgrade_home(home)
    check_home(home)
    assert read_tombstones(home.tombstones).artists.keys() == {"a", "b"}


def test_both_names_of_a_folder_are_refused_and_nothing_is_lost(home: Home) -> None:
    home.frozen_tables.mkdir()
    with pytest.raises(FormatError, match="found both fixed and frozen_tables; wanted one"):
        upgrade_home(home)
    assert (home.root / "fixed" / "0123" / "artists.csv").exists()


def test_a_damaged_copy_of_the_tombstones_stays_as_it_is(home: Home) -> None:
    (home.root / "gone.ndjson").write_text('{"artist": "a"}\n')
    with pytest.raises(FormatError, match="gone.ndjson, line 1: damaged"):
        upgrade_home(home)
    assert (home.root / "gone.ndjson").read_text() == '{"artist": "a"}\n'
    assert not home.tombstones.exists()

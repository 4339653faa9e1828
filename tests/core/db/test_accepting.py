"""Acceptance of a stale database: the lacking records are restored or discarded, and every home follows."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from riyl.core.changes.effective import ChangeKind, EffectiveChanges
from riyl.core.db.accepting import Differences, accept, acceptances_of, differences
from riyl.core.db.effective import head, read_all_tombstones
from riyl.core.db.hidden import hidden
from riyl.core.db.promotions import all_promotions
from riyl.core.db.rules import add_rule, copy_rules, drop_rule, list_rules
from riyl.core.db.session import Database
from riyl.core.errors import StaleDatabaseError
from riyl.core.rules import RuleKind
from riyl.core.settings import Home, Settings
from riyl.core.storage.tombstones import read_tombstones
from tests.conftest import Backup
from tests.core.db.streams import change, copy_all, promote

BLOCK, NEVER, PIN = RuleKind


def settle(database: Database, home: Home, why: str = "disk died", **options: object) -> Differences | None:
    wanted = {"by": "ann", "keep_current": True, "as_it_is": False, "folded": 0, **options}
    return accept(database, home, why=why, **wanted)  # type: ignore[arg-type]


def rules_of(database: Database) -> set[tuple[str, str, str | None]]:
    return {(each.rule.kind.value, each.rule.artist, each.rule.other) for each in list_rules(database)}


def gone_of(database: Database) -> dict[str, EffectiveChanges]:
    with database.read() as connection:
        return {each.artist: each for each in read_all_tombstones(connection)}


@pytest.fixture
def stale(database: Database, settings: Settings, home: Home) -> Database:
    """Return a restored database: since the backup, the home has seen rules, deletions, merges and a promotion."""
    add_rule(database, BLOCK, "kept", None, by="t", why="")
    add_rule(database, BLOCK, "dropped since", None, by="t", why="")
    change(database, "n", ChangeKind.PUT, name="N")
    change(database, "back since", ChangeKind.DELETE)
    promote(database, home, "v1")
    backup = Backup(settings)
    drop_rule(database, 2)
    add_rule(database, BLOCK, "blocked", None, by="t", why="letter")
    add_rule(database, NEVER, "x", "y", by="t", why="")
    add_rule(database, PIN, "x", "z", by="t", why="")
    change(database, "back since", ChangeKind.PUT, name="B")
    change(database, "m1", ChangeKind.MERGE, into="m2", mbid="an mbid")
    change(database, "m2", ChangeKind.MERGE, into="n")
    change(database, "m3", ChangeKind.MERGE, into="deleted")
    change(database, "deleted", ChangeKind.DELETE)
    promote(database, home, "v2")
    copy_all(database, home)
    backup.restore()
    return database


def test_the_differences_are_what_either_says_alone(stale: Database, home: Home) -> None:
    diff = differences(stale, home)
    assert diff is not None
    assert [(rule.kind, rule.artist, rule.other) for rule in diff.rules] == [
        (BLOCK, "blocked", None),
        (NEVER, "x", "y"),
        (PIN, "x", "z"),
    ]
    assert {each.artist for each in diff.tombstones} == {"m1", "m2", "m3", "deleted"}
    assert (diff.current, diff.current_there) == ("v2", "v1")
    assert [rule.artist for rule in diff.more_rules] == ["dropped since"]
    assert [each.artist for each in diff.more_tombstones] == ["back since"]
    assert "rules" in diff.reason


def test_what_either_hides_is_hidden_before_it_is_accepted(stale: Database, home: Home) -> None:
    hidden_state = hidden(stale, home)
    assert not hidden_state.believed
    assert {(rule.kind, rule.artist) for rule in hidden_state.rules.rules} == {
        (BLOCK, "kept"),
        (BLOCK, "blocked"),
        (BLOCK, "dropped since"),
        (NEVER, "x"),
        (PIN, "x"),
    }
    assert hidden_state.tombstones.keys() == {"m1", "m2", "m3", "deleted", "back since"}


def test_what_is_hidden_stays_hidden_and_who_accepted_it_is_written_down(stale: Database, home: Home) -> None:
    assert settle(stale, home) is not None
    assert rules_of(stale) == {
        ("block", "kept", None),
        ("block", "dropped since", None),
        ("block", "blocked", None),
        ("never", "x", "y"),
        ("pin", "x", "z"),
    }
    assert gone_of(stale) == {
        "back since": EffectiveChanges("back since", True, {}),
        "deleted": EffectiveChanges("deleted", True, {}),
        "m1": EffectiveChanges("m1", True, {}, "m2", "an mbid"),
        "m2": EffectiveChanges("m2", True, {}, "n"),
        "m3": EffectiveChanges("m3", True, {}, "deleted"),
    }
    newest = list_rules(stale)[0]
    assert (newest.by, newest.why) == ("ann", "accept: disk died")
    with stale.read() as connection:
        assert [each.version for each in all_promotions(connection)] == ["v1", "v2"]
        (acceptance,) = acceptances_of(connection)
    assert (acceptance.by, acceptance.why) == ("ann", "disk died")
    assert acceptance.restored == {"rules": 3, "tombstones": 4, "promotions": 1}
    copy_all(stale, home)
    assert read_tombstones(home.tombstones).artists.keys() == gone_of(stale).keys()
    assert hidden(stale, home).believed


def test_as_it_is_brings_nothing_in(stale: Database, home: Home) -> None:
    assert settle(stale, home, as_it_is=True) is not None
    assert rules_of(stale) == {("block", "kept", None), ("block", "dropped since", None)}
    assert gone_of(stale).keys() == {"back since"}
    copy_all(stale, home)
    assert not read_tombstones(home.tombstones).artists.keys() - {"back since"}
    with stale.read() as connection:
        assert [each.version for each in all_promotions(connection)] == ["v1"]
        assert acceptances_of(connection)[0].restored == {}


def test_a_version_that_is_not_in_the_home_is_not_promoted(stale: Database, home: Home) -> None:
    settle(stale, home, keep_current=False)
    with stale.read() as connection:
        assert [each.version for each in all_promotions(connection)] == ["v1"]


def test_a_merge_that_cannot_be_made_again_deletes(database: Database, settings: Settings, home: Home) -> None:
    change(database, "b", ChangeKind.MERGE, into="a")
    backup = Backup(settings)
    change(database, "b", ChangeKind.PUT, name="B")
    change(database, "a", ChangeKind.MERGE, into="b")
    copy_all(database, home)
    backup.restore()
    settle(database, home)
    assert gone_of(database) == {"a": EffectiveChanges("a", True, {}), "b": EffectiveChanges("b", True, {}, "a")}


def test_a_database_that_is_believed_is_left_alone(database: Database, home: Home) -> None:
    add_rule(database, BLOCK, "a", None, by="t", why="")
    copy_all(database, home)
    assert differences(database, home) is None
    assert settle(database, home) is None
    with database.read() as connection:
        assert acceptances_of(connection) == []


def test_changes_to_come_are_numbered_behind_those_that_versions_have_folded_in(stale: Database, home: Home) -> None:
    settle(stale, home, as_it_is=True, folded=500)
    with stale.read() as connection:
        assert head(connection) == 500
    assert change(stale, "p", ChangeKind.PUT, name="P") == 501


def test_other_homes_follow_that_have_seen_no_more_and_those_that_have_do_not(
    database: Database, settings: Settings, home: Home, tmp_path: Path
) -> None:
    backup = Backup(settings)
    others = [Home(tmp_path / name) for name in ("less", "as much", "more")]
    opened = [Database(database.engine, each) for each in others]
    for artist, follows in (("a", opened), ("b", opened[1:]), ("c", opened[2:])):
        add_rule(database, BLOCK, artist, None, by="t", why="")
        for each in follows:
            copy_rules(each, others[opened.index(each)].rules)
        if artist == "b":
            copy_rules(database, home.rules)
    backup.restore()
    for each in (database, *opened):
        with pytest.raises(StaleDatabaseError), each.read() as connection:
            each.check(connection)
    settle(database, home)
    assert rules_of(database) == {("block", "a", None), ("block", "b", None)}
    for each, other in zip(opened[:2], others[:2], strict=True):
        assert {rule.artist for rule in copy_rules(each, other.rules).rules} == {"a", "b"}
    with pytest.raises(StaleDatabaseError):
        copy_rules(opened[2], others[2].rules)
    settle(opened[2], others[2], why="once more")
    for each, other in [(database, home), *zip(opened, others, strict=True)]:
        assert {rule.artist for rule in copy_rules(each, other.rules).rules} == {"a", "b", "c"}


def test_what_is_accepted_is_seen_and_losing_it_is_noticed_again(
    stale: Database, settings: Settings, home: Home
) -> None:
    before = Backup(settings)
    settle(stale, home)
    copy_all(stale, home)
    with stale.read() as connection:
        assert stale.check(connection)
    before.restore()
    with pytest.raises(StaleDatabaseError), stale.read() as connection:
        stale.check(connection)


def test_accepting_twice_at_once_settles_once(stale: Database, settings: Settings, home: Home, tmp_path: Path) -> None:
    other = replace(home, root=tmp_path / "other")
    shutil.copytree(home.versions, other.versions)
    shutil.copy(home.rules, other.rules)
    shutil.copy(home.tombstones, other.tombstones)
    opened = [Database.of(settings), Database(stale.engine, other)]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda each: settle(*each), zip(opened, (home, other), strict=True)))
    assert [each is None for each in results].count(True) == 1
    with stale.read() as connection:
        assert len(acceptances_of(connection)) == 1
        assert len(all_promotions(connection)) == 2
    opened[0].close()

"""Tests of `riyl db`, and of other commands if the database lacks data that the home has seen."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from riyl.app.commands.current import hidden_of
from riyl.app.commands.session import Session
from riyl.app.jobs.steps import Steps
from riyl.core.changes.effective import ChangeKind
from riyl.core.db.changes import ChangeRequest, write_change
from riyl.core.db.rules import copy_rules
from riyl.core.db.session import FILE
from riyl.core.db.tombstones import copy_tombstones
from riyl.core.errors import StaleDatabaseError
from riyl.core.settings import Home, Settings
from riyl.core.storage.current import read_current
from riyl.index.artifact.version import Version
from riyl.index.versions.lifecycle import history, promote, rollback
from riyl.index.versions.retention import tidy
from tests.app.conftest import as_json, database, riyl
from tests.conftest import Backup


@pytest.fixture
def stale(home: Home, other_version: Version) -> Home:
    """Create a home whose database was restored from before a block, a delete and a promotion."""
    backup = Backup(Settings(home=home.root))
    opened = database(home)
    assert riyl(home, "rules", "add", "block", "a001", "--why", "letter").exit_code == 0
    write_change(opened, ChangeRequest("a002", ChangeKind.DELETE, {}, None), by="t")
    copy_tombstones(opened, home)
    promote(home.versions, opened, other_version.id, by="t", why="")
    opened.close()
    backup.restore()
    return home


def test_check_says_what_the_database_lacks_and_accept_settles_it(
    stale: Home, version: Version, other_version: Version
) -> None:
    with pytest.raises(StaleDatabaseError, match="has seen revision 1 of its rules, but the database is at 0"):
        riyl(stale, "db", "check")
    output = as_json(stale, "db", "accept", "--why", "disk died")
    assert output["accepted"]
    assert [(rule["kind"], rule["artist"]) for rule in output["rules"]] == [("block", "a001")]
    assert [each["artist"] for each in output["tombstones"]] == ["a002"]
    assert (output["current"], output["current_there"]) == (other_version.id, version.id)
    after = as_json(stale, "db", "check")
    assert after["believed"]
    assert [(each["why"], each["restored"]) for each in after["accepted"]] == [
        ("disk died", {"rules": 1, "tombstones": 1, "promotions": 1})
    ]
    again = riyl(stale, "db", "accept", "--why", "twice")
    assert again.exit_code == 0
    assert "nothing to accept" in again.output
    assert [entry.version for entry in history(database(stale))] == [version.id, other_version.id]
    assert read_current(stale.versions) == other_version.id


def test_people_are_told_line_by_line(stale: Home, version: Version, other_version: Version) -> None:
    lines = [line.split() for line in riyl(stale, "db", "accept", "--why", "disk died").output.splitlines()]
    assert ["lacks", "block", "a001"] in lines
    assert ["lacks", "delete", "a002"] in lines
    assert ["current", f"{version.id};", "this", "home", "has", other_version.id] in lines


def test_a_reason_is_needed(stale: Home) -> None:
    assert riyl(stale, "db", "accept").exit_code == 2


def test_as_it_is_goes_back_to_the_version_of_the_database(stale: Home, version: Version) -> None:
    assert as_json(stale, "db", "accept", "--why", "meant so", "--as-it-is")["as_it_is"]
    assert read_current(stale.versions) == version.id
    assert riyl(stale, "similar", "a001").exit_code == 0
    assert riyl(stale, "similar", "a002").exit_code == 0


def test_no_command_shows_what_was_taken_down(stale: Home) -> None:
    for artist in ("a001", "a002"):
        with pytest.raises(Exception, match=f"there is no artist '{artist}'"):
            riyl(stale, "similar", artist)
    similar_ids = {each["id"] for each in as_json(stale, "similar", "a004", "-k", "200")["similar"]}
    assert len(similar_ids) > 50
    assert not {"a001", "a002"} & similar_ids
    out = stale.root / "neighbours.parquet"
    assert riyl(stale, "export", "neighbours", "--out", str(out)).exit_code == 0
    table = pq.read_table(out)
    assert not {"a001", "a002"} & {*table["artist_id"].to_pylist(), *table["similar_id"].to_pylist()}


def test_without_its_file_the_copies_hide(stale: Home) -> None:
    for path in stale.root.glob(f"{FILE}*"):
        path.unlink()
    hidden = hidden_of(Session(Settings(home=stale.root), json=False))
    assert [rule.artist for rule in hidden.rules.rules] == ["a001"]
    assert hidden.tombstones.keys() == {"a002"}
    assert not (stale.root / FILE).exists()
    with pytest.raises(Exception, match="there is no artist 'a002'"):
        riyl(stale, "similar", "a002")


def test_nothing_is_promoted_folded_in_or_removed(stale: Home, version: Version, other_version: Version) -> None:
    opened = database(stale)
    settings = Settings(home=stale.root)
    steps = Steps(settings, opened)
    (stale.root / "tables").mkdir()
    (stale.root / "tables" / "artists.csv").write_text("artist_id,name\na001,One\n")
    for act in (
        lambda: promote(stale.versions, opened, version.id, by="t", why=""),
        lambda: rollback(stale.versions, opened, by="t", why=""),
        lambda: tidy(stale, opened, keep=0),
        lambda: steps.freeze(str(stale.root / "tables"), "test"),
        lambda: copy_rules(opened, stale.rules),
        lambda: riyl(stale, "rules", "add", "block", "a003"),
        lambda: riyl(stale, "rules", "drop", "1"),
        lambda: riyl(stale, "changes", "drop", "1"),
        lambda: riyl(stale, "index", "promote", version.id, "--force"),
        lambda: riyl(stale, "index", "rollback"),
        lambda: riyl(stale, "index", "prune", "--keep", "0"),
        lambda: riyl(stale, "snapshot", "build", str(stale.root / "tables"), "--changes"),
    ):
        with pytest.raises(StaleDatabaseError, match="riyl db accept --why REASON"):
            act()
    assert [entry.version for entry in history(opened)] == [version.id]
    assert read_current(stale.versions) == other_version.id
    assert {path.parent.name for path in stale.versions.glob("*/manifest.json")} == {version.id, other_version.id}
    listed = as_json(stale, "index", "list")
    assert [each["id"] for each in listed if each["current"]] == [other_version.id]


def test_a_demo_that_is_made_once_is_not_made_again(stale: Home, other_version: Version) -> None:
    done = riyl(stale, "demo", "--once", "--no-serve")
    assert (done.exit_code, other_version.id in done.output) == (0, True)

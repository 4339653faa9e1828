from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from riyl.app.serving.current import CurrentState, hidden_now
from riyl.core.db.session import FILE, Database
from riyl.core.errors import NotFoundError
from riyl.core.rules import NO_RULES
from riyl.core.settings import Home, Settings
from riyl.index.artifact.version import Version
from riyl.index.versions.lifecycle import promote
from tests.app.conftest import asked, database, key_headers


def reader(home: Home) -> CurrentState:
    return CurrentState(Settings(home=home.root), lambda: database(home))


def test_the_same_state_is_returned_while_nothing_changes(home: Home) -> None:
    current = reader(home)
    assert current.read() is current.read()


def test_another_version_is_opened_when_it_is_promoted(home: Home, other_version: Version) -> None:
    current = reader(home)
    before = current.read()
    promote(home.versions, database(home), other_version.id, by="test", why="test")
    after = current.read()
    assert (before.searcher.version_id == other_version.id, after.searcher.version_id) == (False, other_version.id)


def test_changes_and_rules_are_read_again_and_the_version_is_not(home: Home) -> None:
    current, headers = reader(home), key_headers(home)
    before = current.read()
    rule = {"kind": "block", "artist": "a002", "why": "test"}
    asked(home, "/v1/rules", method="POST", headers=headers, json=rule)
    blocked = current.read()
    assert (blocked.rules.blocked, before.rules.blocked) == ({2}, set())
    asked(home, "/v1/artists/a003", method="DELETE", headers=headers)
    deleted = current.read()
    assert (deleted.searcher.row_of("a003"), blocked.searcher.row_of("a003")) == (None, 3)
    assert deleted.rules.blocked == {2}
    assert deleted.searcher.version is before.searcher.version


def test_reading_without_a_database_makes_none(version: Version, tmp_path: Path) -> None:
    home = Home(tmp_path)
    shutil.copytree(version.folder, home.versions / version.id)

    def refuse() -> Database:
        raise AssertionError

    current = CurrentState(Settings(home=home.root), refuse)
    with pytest.raises(NotFoundError, match="no version is promoted"):
        current.read()
    (home.versions / "CURRENT").write_text(f"{version.id}\n")
    state = current.read()
    assert (state.searcher.version_id, state.rules.rules) == (version.id, NO_RULES)
    assert hidden_now(Settings(home=home.root), refuse).rules == NO_RULES
    assert not (home.root / FILE).exists()
    assert current.read() is state

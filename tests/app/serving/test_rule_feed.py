"""Rules, and the copies of the hidden artists, where the database lacks records that its home has seen."""

from __future__ import annotations

from typing import Any

import pytest

from riyl.app.http.metrics import Metrics
from riyl.app.serving.reloader import VersionReloader
from riyl.core.changes.effective import ChangeKind
from riyl.core.db.changes import ChangeRequest, write_change
from riyl.core.db.rules import add_rule
from riyl.core.errors import StaleDatabaseError
from riyl.core.rules import RuleKind
from riyl.core.settings import Home, Settings
from riyl.core.storage.rules_copy import read_copy
from riyl.core.storage.tombstones import read_tombstones
from tests.app.conftest import database
from tests.app.serving.stale_database import BLOCKED, DELETED, accept
from tests.conftest import Backup

pytestmark = pytest.mark.usefixtures("soon")


@pytest.fixture
def backup(home: Home) -> Backup:
    """Back up a database without rules."""
    return Backup(Settings(home=home.root))


@pytest.fixture
def reloader(home: Home, backup: Backup) -> VersionReloader:
    """Make a reloader that has seen a rule which the backup lacks."""
    opened = database(home)
    add_rule(opened, RuleKind.BLOCK, BLOCKED, None, by="t", why="")
    reloader = VersionReloader(home, opened, Metrics())
    reloader.poll()
    return reloader


def test_a_process_killed_between_the_database_and_the_copies_has_lost_nothing(home: Home) -> None:
    opened = database(home)
    reloader = VersionReloader(home, opened, Metrics())
    reloader.poll()
    # stored by a process that was killed before it had copied them
    add_rule(opened, RuleKind.BLOCK, BLOCKED, None, by="t", why="")
    write_change(opened, ChangeRequest(DELETED, ChangeKind.DELETE, {}, None), by="t")
    again = VersionReloader(home, database(home), Metrics())
    again.poll()
    assert again.unbelieved is None
    copied = read_copy(home.rules)
    assert copied is not None
    assert [rule.artist for rule in copied.rules] == [BLOCKED]
    assert read_tombstones(home.tombstones).artists.keys() == {DELETED}


def test_a_service_that_cannot_read_its_copies_and_does_not_believe_its_database_shows_nobody(
    home: Home, backup: Backup, reloader: VersionReloader
) -> None:
    assert reloader.state is not None
    home.tombstones.write_text("{\n")
    backup.restore()
    again = VersionReloader(home, database(home), Metrics())
    again.poll()
    assert again.state is None
    assert again.refused is not None
    assert "tombstones.ndjson, line 1: damaged" in again.refused.reason


def test_a_rule_cannot_be_obeyed_of_a_database_that_is_not_believed(backup: Backup, reloader: VersionReloader) -> None:
    backup.restore()
    with pytest.raises(StaleDatabaseError):
        reloader.reload_rules()
    assert reloader.state is not None
    assert reloader.state.rules.blocked == {1}


def test_it_is_told_once_in_the_log_and_once_that_it_is_over(
    home: Home,
    backup: Backup,
    reloader: VersionReloader,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("riyl.app.serving.rule_feed.POLL_AGAIN_S", 0.0)
    backup.restore()
    for _ in range(4):
        reloader.poll()
    messages: Any = [record.getMessage() for record in caplog.records]
    assert messages.count("database_not_believed") == 1
    assert messages.count("promotions_unknown") == messages.count("changes_unknown") == 1
    accept(Settings(home=home.root))
    reloader.poll()
    assert [record.getMessage() for record in caplog.records].count("database_believed") == 1
    assert reloader.unbelieved is None

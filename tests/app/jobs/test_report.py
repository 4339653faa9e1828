from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from riyl.app.jobs import report
from riyl.app.jobs.report import Reporter
from riyl.core.db.progress import progress_of
from riyl.core.db.session import Database
from riyl.core.errors import JobCancelledError
from riyl.core.settings import Settings


class Clock:
    """A clock that the test advances."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(report, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database.of(Settings(home=tmp_path / "home"))


def said(database: Database) -> tuple[str, int, int, str, int, int, float | None]:
    with database.read() as connection:
        p = progress_of(connection, ["j"])["j"]
    return p.step, p.number, p.steps, p.what, p.done, p.total, p.seconds_left


def test_a_step_is_said_to_have_begun(database: Database) -> None:
    Reporter(database, "j", "embed", 4, 8, lambda: False)
    assert said(database) == ("embed", 4, 8, "embed", 0, 0, None)


def test_the_seconds_left_follow_from_the_pace_of_what_is_counted(database: Database, clock: Clock) -> None:
    progress = Reporter(database, "j", "build", 5, 8, lambda: False)
    clock.now += 10
    progress("lists", 0, 400)
    assert said(database) == ("build", 5, 8, "lists", 0, 400, None)
    clock.now += 6
    progress("lists", 100, 400)  # 100 in 6 s, so 300 in 18 s
    assert said(database) == ("build", 5, 8, "lists", 100, 400, 18.0)
    progress("lists", 200, 400)  # less than a second later: not written
    assert said(database) == ("build", 5, 8, "lists", 100, 400, 18.0)
    clock.now += 2
    progress("names", 3, 0)
    assert said(database) == ("build", 5, 8, "names", 3, 0, None)


def test_a_cancelled_job_ends_at_its_next_sign_of_progress(database: Database, clock: Clock) -> None:
    cancelled = False
    progress = Reporter(database, "j", "train", 3, 4, lambda: cancelled)
    clock.now += 2
    progress("train", 1, 9)
    cancelled = True
    progress("train", 2, 9)
    clock.now += 2
    with pytest.raises(JobCancelledError):
        progress("train", 3, 9)


def test_progress_that_cannot_be_written_ends_no_step(
    database: Database, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    progress = Reporter(database, "j", "train", 3, 4, lambda: False)
    database.close()
    shutil.rmtree(Path(str(database.engine.url.database)).parent)
    clock.now += 2
    progress("train", 1, 9)
    assert "progress_not_written job=j" in caplog.text

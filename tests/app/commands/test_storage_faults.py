"""Tests of commands over a damaged database, a full or a read-only disk: exit 1, and a line that names the file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from riyl.app.cli import main
from riyl.app.jobs.client import Jobs
from riyl.core.db.session import FILE, JOBS_FILE
from riyl.core.settings import Home, Settings
from tests.app.conftest import database, riyl
from tests.storage_faults import DAMAGES, copied, damage, fill_up, read_only, small_disk

ErrorOf = Callable[..., str]
COMMANDS = (
    ["keys", "list"],
    ["keys", "create", "a", "--role", "read"],
    ["rules", "list"],
    ["rules", "add", "block", "a001"],
    ["changes", "list"],
    ["evaluations", "list"],
    ["index", "rollback", "--why", "test"],
    ["db", "check"],
    ["db", "upgrade"],
)
JOB_COMMANDS = (["jobs", "list"], ["jobs", "run", "train", "--detach"], ["jobs", "cancel", "abc"])


@pytest.fixture
def error_of(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> ErrorOf:
    """Run a failing command, and return the only line that it writes to standard error."""
    for name in os.environ:
        if name.startswith("RIYL_"):
            monkeypatch.delenv(name)

    def run(home: Home, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["riyl", "--home", str(home.root), *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1, arguments
        (line,) = capfd.readouterr().err.splitlines()
        return line

    return run


@pytest.fixture
def home_with_jobs(home: Home) -> Home:
    opened = database(home)
    Jobs(Settings(home=home.root), opened).close()
    opened.close()
    return home


@pytest.mark.parametrize("file", [FILE, JOBS_FILE])
@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_database_is_named(file: str, how: str, home_with_jobs: Home, error_of: ErrorOf) -> None:
    home = home_with_jobs
    damage(home.root / file, DAMAGES[how])
    for command in (*COMMANDS, *JOB_COMMANDS[:2]) if file == FILE else JOB_COMMANDS:
        line = error_of(home, *command)
        assert line.startswith("error: the database is damaged; restore it from a backup: "), command
        assert str(home.root / file) in line, command


def test_similar_is_answered_by_what_the_home_has_copied(home: Home, error_of: ErrorOf) -> None:
    assert "a023" in riyl(home, "similar", "a002", "-k", "50").stdout
    assert riyl(home, "rules", "add", "block", "a023", "--why", "letter").exit_code == 0
    damage(home.root / FILE, DAMAGES["random_header"])
    done = riyl(home, "similar", "a002", "-k", "50")
    assert done.exit_code == 0, done.output
    assert "a058" in done.stdout
    assert "a023" not in done.stdout
    home.rules.unlink()
    assert f"{home.root / FILE}: file is not a database" in error_of(home, "similar", "a002")


def test_a_full_disk_is_named(home: Home, tmp_path: Path, error_of: ErrorOf) -> None:
    database(home).close()
    with small_disk(tmp_path / "disk", 24 << 20) as disk:
        copied(home.root, disk)
        fill_up(disk)
        for command in (COMMANDS[1], COMMANDS[3]):
            line = error_of(Home(disk), *command)
            assert line.startswith("error: no space is left on the disk of the database: "), command
            assert str(disk / FILE) in line, command


def test_a_disk_that_takes_no_writes_is_named(home_with_jobs: Home, error_of: ErrorOf) -> None:
    home = home_with_jobs
    with read_only(home.root):
        for command in (*COMMANDS[:7], *JOB_COMMANDS):
            line = error_of(home, *command)
            assert str(home.root) in line, command
            assert "Read-only file system" in line, command

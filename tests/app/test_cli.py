"""Tests of the command line: versions, wrong settings, and terminals that lack characters or close."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import scipy.sparse as sp
from typer.testing import CliRunner

from riyl.app.cli import app
from riyl.app.commands.serve import port_of
from riyl.core.errors import SettingsError
from riyl.core.settings import load_settings
from tests.conftest import REPOSITORY

ASCII = {"PYTHONIOENCODING": "ascii", "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

IMPORT_IN_LITTLE_MEMORY = """
import resource, riyl.app.cli
in_use = next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmData"))
resource.setrlimit(resource.RLIMIT_DATA, (in_use + (200 << 20), resource.RLIM_INFINITY))
riyl.app.cli.main()
"""

EVERY_HELP_AND_NAMES = """
import os, sys, typer, riyl.app.cli

def run(*arguments):
    sys.argv = ["riyl", *(os.fsdecode(each.encode()) for each in arguments)]  # as the interpreter gives them
    try:
        riyl.app.cli.main()
    except SystemExit as end:
        return end.code or 0
    return 0

def commands(command, names):
    yield names
    for name, each in getattr(command, "commands", {}).items():
        yield from commands(each, [*names, name])

assert {run(*names, "--help") for names in commands(typer.main.get_command(riyl.app.cli.app), [])} == {0}
print("NAMES")
name = "\\u5b87\\u591a\\u7530\\u30d2\\u30ab\\u30eb"
assert run("keys", "create", name, "--role", "read") == 0
assert run("keys", "list") == run("--json", "keys", "list") == 0
assert run("keys", "revoke", name) == 1
"""

STREAMS = """
import sys
from riyl.app.commands.streams import standard_streams
with standard_streams():
    sys.stdout.write("x" * int(sys.argv[1]))
"""


def python(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("RIYL_")}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=REPOSITORY, env={**bare, **environment}, capture_output=True
    )


def test_the_version_is_that_of_the_package() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.output) == (0, f"riyl {version('riyl')}\n")


def test_wrong_settings_are_misuse_and_no_traceback() -> None:
    main = "from riyl.app.cli import main; main()"
    done = python(main, "index", "list", RIYL_THREADS="many", RIYL_REINDEX_CRON="0 25 * * *")
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: 2 settings are wrong:\n  RIYL_THREADS: ")


@pytest.mark.parametrize("command", ["serve", "worker", "demo"])
def test_a_missing_folder_of_tables_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    monkeypatch.setenv("RIYL_TABLES", str(tmp_path / "nowhere"))
    done = CliRunner().invoke(app, ["--home", str(tmp_path / "home"), command])
    assert isinstance(done.exception, SettingsError)
    assert str(done.exception).startswith("RIYL_TABLES: found no such folder")
    assert not (tmp_path / "home").exists()


def test_a_port_that_is_the_address_of_a_service_is_passed_over_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RIYL_PORT", "tcp://10.0.0.1:9000")
    assert port_of(load_settings()) == 8000
    (record,) = caplog.records
    assert record.getMessage() == "port_is_a_service_link"
    assert vars(record)["RIYL_PORT"] == "tcp://10.0.0.1:9000"
    monkeypatch.setenv("RIYL_PORT", "9000")
    assert port_of(load_settings()) == 9000
    assert len(caplog.records) == 1


def test_whatever_a_terminal_lacks_is_written_as_an_escape(tmp_path: Path) -> None:
    done = python(EVERY_HELP_AND_NAMES, RIYL_HOME=str(tmp_path / "home"), **ASCII)
    assert done.returncode == 0, done.stderr
    helps, names = done.stdout.split(b"NAMES")
    assert helps.count(b"Usage: ") >= 45
    # created, listed as a table, and listed as JSON, with the same text
    escaped = b"\\u5b87\\u591a\\u7530\\u30d2\\u30ab\\u30eb"
    assert names.count(escaped) == 3
    assert done.stderr == b"error: there is no key '" + escaped + b"' that is in force; see riyl keys list\n"


def test_a_file_that_takes_more_memory_than_there_is_is_no_traceback(tmp_path: Path) -> None:
    sp.save_npz(tmp_path / "g.npz", sp.coo_matrix(([1], ([0], [1])), shape=(2, 2)))
    (tmp_path / "ids.txt").write_bytes(b"\n" * (32 << 20))
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_IN_LITTLE_MEMORY, "truth", "import", "g.npz", "--ids", "ids.txt"],
        cwd=tmp_path,
        env={**os.environ, "RIYL_HOME": str(tmp_path / "home"), "ARROW_DEFAULT_MEMORY_POOL": "system"},
        capture_output=True,
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"error: found too little memory for this; wanted more, or smaller files")


@pytest.mark.parametrize("size", [1, 100_000])
def test_a_reader_who_goes_away_ends_it_without_a_word(size: int) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", STREAMS, str(size)]
    done = subprocess.run(command, cwd=REPOSITORY, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize(
    ("redirection", "code", "error_message"),
    [
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        (">/dev/full", 1, "error: cannot write to standard output: No space left on device\n"),
    ],
)
def test_output_that_goes_nowhere_or_to_a_full_disk_is_no_traceback(
    redirection: str, code: int, error_message: str
) -> None:
    command = ["sh", "-c", f'"$0" -c "$1" 1 {redirection}', sys.executable, STREAMS]
    done = subprocess.run(
        command, cwd=REPOSITORY, env={**os.environ, "PYTHONUNBUFFERED": ""}, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (code, error_message)

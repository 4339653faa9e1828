"""Shared by all benchmarks: two sizes, and a report that prints their lines and keeps their figures.

`make bench` runs them at full size, for figures to be quoted; `make bench-small` (RIYL_BENCH_SMALL=1) at a tiny one, to
check that each still runs and produces its figures. Neither asserts the figures.
RIYL_BENCH_JSON=FILE stores the figures of a run with the commit that they were measured at.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from riyl.training.datasets.synthetic import generate
from tests.conftest import REPOSITORY

SMALL = "RIYL_BENCH_SMALL" in os.environ
Size = TypeVar("Size")


def sized(full: Size, small: Size) -> Size:
    """Return the size for this run."""
    return small if SMALL else full


@dataclass(frozen=True)
class Report:
    """Printer of a benchmark's lines, which also keeps its figures.

    Attributes:
        write: prints past pytest's capture.
        figures: figures by name; times in the unit at the end of the name.
    """

    write: Callable[[str], None]
    figures: dict[str, float] = field(default_factory=dict)

    def __call__(self, line: str, **figures: float) -> None:
        self.write(line)
        self.figures.update({name: float(value) for name, value in figures.items()})


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Report:
    """Yield a benchmark's report; fail if it ends without figures, or with one that is not finite."""

    def write(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{line}")
            sys.stdout.flush()

    return Report(write)


_kept: dict[str, dict[str, float]] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    yield
    if item.get_closest_marker("bench") is None:
        return
    assert isinstance(item, pytest.Function)
    report = item.funcargs.get("report")
    assert isinstance(report, Report), f"{item.name} takes no report"
    assert report.figures, f"{item.name} reported no figure"
    wrong = {name: value for name, value in report.figures.items() if not math.isfinite(value)}
    assert not wrong, f"{item.name} reported figures that are not finite: {wrong}"
    _kept[item.name] = report.figures


def pytest_sessionfinish() -> None:
    json_path = os.environ.get("RIYL_BENCH_JSON")
    if not json_path or not _kept:
        return
    git = ["git", "-C", str(REPOSITORY)]
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    changed = subprocess.run(
        [*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=False
    ).stdout
    head = {"commit": commit or None, "changed": bool(changed), "small": SMALL, "cores": os.cpu_count()}
    Path(json_path).write_text(json.dumps({**head, "figures": _kept}, indent=1) + "\n", encoding="utf-8")


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(REPOSITORY), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="session")
def catalog(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make tables with tags, plays, audio and links: the real catalog olga-artists; at the small size made-up ones."""
    if not SMALL:
        real: Path = request.getfixturevalue("real_data")
        return real / "olga-artists"
    tables = tmp_path_factory.mktemp("catalog") / "tables"
    tables.mkdir()
    generate(tables, artists=600)
    return tables

"""Fixtures of attacks: the home that they run on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hostile.homes import make_home

SMALL = "RIYL_HOSTILE_SMALL" in os.environ
ARTISTS = 2000 if SMALL else 100_000
HEADER = f"{'attack':34} {'MiB above':>9} {'children':>8} {'healthz ms':>10} {'failed %':>8}  answers"

Printed = Callable[[str], None]
"""Function that prints a line of the table."""


@pytest.fixture(scope="session")
def attacked_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home that RIYL_HOSTILE_HOME names, made there if it does not exist; else one in a temporary folder."""
    given = os.environ.get("RIYL_HOSTILE_HOME")
    root = Path(given) if given else tmp_path_factory.mktemp("hostile") / "home"
    if not root.exists():
        make_home(root, ARTISTS)
    return root


@pytest.fixture(scope="session")
def rows() -> list[str]:
    """Return the lines of the table that were printed so far."""
    return []


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str], rows: list[str]) -> Printed:
    """Print a line past pytest's capture, the first below the header."""

    def write(row: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{row}" if rows else f"\n{HEADER}\n{row}")
            sys.stdout.flush()
        rows.append(row)

    return write

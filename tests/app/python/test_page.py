"""The page of the Python interface: its code runs in its order."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from riyl.core.settings import Home
from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "python.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[str]:
    return BLOCK.findall(PAGE.read_text(encoding="utf-8"))


def test_figure_1_takes_at_most_ten_lines() -> None:
    lines = [line for line in blocks()[0].splitlines() if line]
    assert any(".figure(1)" in line for line in lines)
    assert len(lines) <= 10


def test_the_code_of_the_page_runs(bench: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(bench.root, tmp_path / "riyl-home")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for number, block in enumerate(blocks()):
        exec(compile(block, f"{PAGE.name}, block {number}", "exec"), names)
    assert (tmp_path / "figure-1.pdf").stat().st_size > 0
    assert (tmp_path / "report.html").read_bytes() == names["evaluation"].evaluated.report

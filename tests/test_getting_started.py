"""The page for newcomers: its commands run in their order, and print what the page shows."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow

PAGE = REPOSITORY / "docs" / "getting-started.md"
STEP = re.compile(r"^```sh\n(.*?)\n```(?:\n```text\n(.*?)\n```)?", re.MULTILINE | re.DOTALL)
VARYING = re.compile(r"riyl_\w+_[\w-]+|\b[0-9a-f]{16}\b|\bkey [0-9a-f]{8}\b|\d\.\d{4}")
"""Keys, ids, and scores, whose last digits depend on the processor."""

LIMIT_S, SHOWN_S = 600, 10.0
PORT = "8000"


def steps() -> list[tuple[str, list[str]]]:
    """Return the commands of the page, and the lines that each is to print."""
    return [(command, shown.splitlines()) for command, shown in STEP.findall(PAGE.read_text(encoding="utf-8"))]


def plain(text: str) -> str:
    """Return a text without what varies, and with single spaces."""
    return " ".join(VARYING.sub("*", text).split())


def missing(shown: list[str], printed: str) -> list[str]:
    """Return the lines that were not printed, or not in this order."""
    rest, lines = plain(printed), []
    for line in shown:
        before, line_of, after = rest.partition(plain(line))
        rest = after if line_of else before
        lines += [] if line_of else [line]
    return lines


def test_every_step_prints_what_the_page_shows(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RIYL_")}
    environment |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "200"}
    serving: subprocess.Popen[bytes] | None = None
    try:
        for command, shown in steps():
            command = command.replace(PORT, port)
            if command == "riyl serve":
                serving = subprocess.Popen([*command.split(), "--port", port], cwd=tmp_path, env=environment)
                _wait_until_ready(port)
                continue
            end = time.monotonic() + SHOWN_S
            while True:
                done = subprocess.run(
                    ["bash", "-c", command],
                    cwd=tmp_path,
                    env=environment,
                    capture_output=True,
                    text=True,
                    timeout=LIMIT_S,
                    check=False,
                )
                if done.returncode == 0 or time.monotonic() > end:
                    break
                time.sleep(0.2)  # a change is shown a moment after it was answered
            assert done.returncode == 0, f"{command}: {done.stderr}"
            assert missing(shown, done.stdout + done.stderr) == [], f"{command}: {done.stdout}"
            if key := re.search(r"riyl_[0-9a-f]{8}_[\w-]+", done.stdout):
                environment["RIYL_KEY"] = key[0]
    finally:
        if serving is not None:
            serving.terminate()
            serving.wait(30)


def test_the_page_has_steps_with_output() -> None:
    assert len([command for command, shown in steps() if shown]) > 8


def test_a_line_that_is_not_printed_is_noticed() -> None:
    assert missing(["a 0.5476", "c"], "a   0.5477\nb\nc") == []
    assert missing(["c", "a 0.5476"], "a 0.5476\nb\nc") == ["a 0.5476"]


def _wait_until_ready(port: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise TimeoutError("riyl serve was not ready within 60 s")

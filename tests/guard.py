"""Processes with an empty home of their user, whose name look-ups and connections are written down."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import REPOSITORY

RIYL = [sys.executable, "-c", "from riyl.app.cli import main; main()"]

HOOK = """
import os, sys

def note(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect"):
        asked = arguments[1] if event == "socket.connect" else arguments[0]
        host = asked[0] if isinstance(asked, tuple) else asked
        descriptor = os.open(os.environ["GUARD_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{host}\\n".encode())
        os.close(descriptor)

sys.addaudithook(note)
"""
"""Run by Python at the start of every process below, before anything else."""


@dataclass(frozen=True)
class Guard:
    """A user with an empty home.

    Attributes:
        folder: a new folder; `user/` in it is the user's home.
    """

    folder: Path

    def environment(self, **more: str) -> dict[str, str]:
        """Variables of the user's processes: nothing of whoever runs the tests but the path."""
        user, hook = self.folder / "user", self.folder / "hook"
        for each in (user, hook):
            each.mkdir(exist_ok=True)
        (hook / "sitecustomize.py").write_text(HOOK)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(user),
            "GUARD_LOG": str(self.folder / "hosts"),
            "PYTHONPATH": f"{hook}{os.pathsep}{REPOSITORY}",
            "OMP_NUM_THREADS": "1",
            "RIYL_THREADS": "1",
            **more,
        }

    def riyl(self, *arguments: str, code: int = 0, **more: str) -> str:
        """Run `riyl` in `folder`, check its exit code, and return what it prints."""
        done = subprocess.run(
            [*RIYL, *arguments], cwd=self.folder, env=self.environment(**more), capture_output=True, text=True
        )
        assert done.returncode == code, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    @property
    def written(self) -> set[str]:
        """Files in the user's home."""
        user = self.folder / "user"
        return {path.relative_to(user).as_posix() for path in user.rglob("*") if path.is_file()}

    @property
    def hosts(self) -> set[str]:
        """Names and addresses that were looked up or connected to."""
        log = self.folder / "hosts"
        return set(log.read_text().split("\n")) - {""} if log.exists() else set()

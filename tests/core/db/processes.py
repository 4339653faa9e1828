"""Processes that work on the database of a test."""

from __future__ import annotations

import subprocess
import sys

from riyl.core.settings import Settings
from tests.conftest import REPOSITORY


def start(code: str, settings: Settings) -> subprocess.Popen[str]:
    """Start a Python process with these settings, which waits for a line after it has written one."""
    environment = {"RIYL_HOME": str(settings.home)}
    if settings.database_url is not None:
        environment["RIYL_DATABASE_URL"] = settings.database_url.get_secret_value()
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )

"""The worker that a service starts for itself cannot run: /readyz says why, and it runs once it can."""

from __future__ import annotations

import signal
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from riyl.core.db.session import JOBS_FILE
from tests.faults.processes import Site, serving, until

pytestmark = pytest.mark.slow


def test_a_worker_whose_tables_are_of_another_release_runs_once_they_are_right(sqlite_site: Site) -> None:
    site, jobs = sqlite_site, sqlite_site.home.root / JOBS_FILE
    right = schema(jobs, 1)
    with serving(site) as (process, client):
        until(lambda: worker(client).get("state") == "failed", "the failure of the worker")
        assert worker(client)["reason"] == "the tables of the jobs are of another release: run riyl db upgrade"
        schema(jobs, right)
        until(lambda: worker(client).get("state") == "running", "the worker's start")
        assert worker(client)["reason"] is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    log = site.log.read_text()
    assert "worker_failed" in log
    assert "worker_started" in log
    assert "Fatal Python error" not in log


def test_a_service_ends_while_its_worker_waits_to_be_started_again(sqlite_site: Site) -> None:
    schema(sqlite_site.home.root / JOBS_FILE, 1)
    with serving(sqlite_site) as (process, client):
        until(lambda: worker(client).get("failures", 0) >= 3, "the third failure")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def schema(jobs: Path, version: int) -> int:
    """Give the tables of the jobs another version; the one that they had."""
    with sqlite3.connect(jobs) as connection:
        (old_version,) = connection.execute("SELECT version FROM dbos_migrations").fetchone()
        connection.execute("UPDATE dbos_migrations SET version = ?", (version,))
    connection.close()
    return int(old_version)


def worker(client: httpx.Client) -> dict[str, Any]:
    state: dict[str, Any] = client.get("/readyz").json().get("worker", {})
    return state

"""A service's own worker cannot run: /readyz gives the reason, and the worker runs once it can."""

from __future__ import annotations

import shutil
import signal
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from riyl.core.db.session import JOBS_FILE
from tests.faults.processes import Site, serving, started, until
from tests.storage_faults import DAMAGES, damage

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


@pytest.mark.parametrize("how", ["random_header", "random_pages"])
def test_a_worker_ends_where_its_database_is_damaged_and_runs_once_that_is_restored(
    how: str, sqlite_site: Site, tmp_path: Path
) -> None:
    site, jobs = sqlite_site, sqlite_site.home.root / JOBS_FILE
    whole = shutil.copy(jobs, tmp_path)
    with serving(site) as (_, client):
        until(lambda: worker(client).get("state") == "running", "the worker's start")
        damage(jobs, DAMAGES[how])
        until(lambda: worker(client).get("state") == "failed", "the end of the worker")
        assert worker(client)["reason"] == f"{JOBS_FILE} is damaged: restore it from a backup"
        Path(whole).replace(jobs)
        until(lambda: worker(client).get("state") == "running", "the worker's next start")


def test_a_worker_by_itself_names_the_damaged_file_as_it_ends(sqlite_site: Site) -> None:
    site, jobs = sqlite_site, sqlite_site.home.root / JOBS_FILE
    with started(site, "worker") as process:
        until(lambda: "worker_started" in site.log.read_text(), "the worker's start")
        damage(jobs, DAMAGES["random_header"])
        assert process.wait(60) == 1
    log = site.log.read_text()
    assert "database_damaged" in log
    assert f"the database is damaged; restore it from a backup: {jobs}: " in log


def schema(jobs: Path, version: int) -> int:
    """Set the version of the jobs' tables, and return the previous one."""
    with sqlite3.connect(jobs) as connection:
        (old_version,) = connection.execute("SELECT version FROM dbos_migrations").fetchone()
        connection.execute("UPDATE dbos_migrations SET version = ?", (version,))
    connection.close()
    return int(old_version)


def worker(client: httpx.Client) -> dict[str, Any]:
    state: dict[str, Any] = client.get("/readyz").json().get("worker", {})
    return state

"""Real processes of RIYL: workers and services, their databases, and functions that wait for their results."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import SecretStr

from riyl.app.jobs.client import Jobs
from riyl.app.jobs.types import PARAMS, Job, Params
from riyl.core.db.promotions import Promotion, all_promotions
from riyl.core.db.session import Database
from riyl.core.settings import Home, Settings
from riyl.index.artifact.version import Version
from tests.conftest import REPOSITORY, forget_database

RIYL = [sys.executable, "-c", "from riyl.app.cli import main; main()"]
DEADLINE_S = 120.0
POLL_S = 0.05

Found = TypeVar("Found")


@dataclass(frozen=True)
class World:
    """The original of the copied homes.

    Attributes:
        home: home with a model, and two versions of it and another one; the second was promoted last.
        tables: tables of the same artists and a few more.
        versions: ids, in the order of promotion.
    """

    home: Path
    tables: Path
    versions: tuple[str, str]


@dataclass(frozen=True)
class Site:
    """A home and its database, for one test."""

    world: World
    home: Home
    log: Path
    settings: Settings
    database: Database
    jobs: Jobs

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a process that works on it."""
        url = self.settings.database_url
        bare = {name: value for name, value in os.environ.items() if not name.startswith("RIYL_")}
        where = {"RIYL_HOME": str(self.home.root)} | (
            {} if url is None else {"RIYL_DATABASE_URL": url.get_secret_value()}
        )
        # a re-index removes old versions and their results, so that it has something to remove
        return {**bare, **where, "RIYL_THREADS": "1", "RIYL_KEEP_VERSIONS": "1", **more}

    def ask(self, params: Params) -> str:
        """Submit a job, and return its id."""
        (kind,) = [kind for kind, of in PARAMS.items() if isinstance(params, of)]
        return self.jobs.submit(kind, params, by="test")[0].id

    def ended(self, identity: str, deadline_s: float = DEADLINE_S) -> Job:
        """Wait for the end of a job."""
        until(lambda: self.jobs.get(identity).state.ended, f"the end of job {identity}", deadline_s)
        return self.jobs.get(identity)

    def promotions(self) -> list[Promotion]:
        with self.database.read() as connection:
            return all_promotions(connection)


@contextmanager
def opened(world: World, folder: Path, url: str | None, log: Path | None = None) -> Iterator[Site]:
    """Copy the world's home, with its copy of SQLite or with the database of this address."""
    shutil.copytree(world.home, folder / "home", ignore=shutil.ignore_patterns("*.sqlite*") if url else None)
    if url is not None:
        forget_database(Home(folder / "home"))
    settings = Settings(home=folder / "home", database_url=None if url is None else SecretStr(url))
    database = Database.of(settings)
    jobs = Jobs(settings, database)
    site = Site(world, Home(settings.home), log or folder / "log", settings, database, jobs)
    try:
        yield site
    finally:
        jobs.close()
        database.close()


@contextmanager
def started(site: Site, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `riyl` with these arguments; it is killed at the end of the block if it still runs."""
    with site.log.open("ab") as log:
        process = subprocess.Popen(
            [*RIYL, *arguments],
            cwd=REPOSITORY,
            env=site.environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def riyl(site: Site, *arguments: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `riyl` with these arguments to its end with this exit code."""
    done = subprocess.run(
        [*RIYL, *arguments], cwd=REPOSITORY, env=site.environment(**environment), capture_output=True, text=True
    )
    assert done.returncode == code, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@contextmanager
def serving(site: Site, *arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    """Run `riyl serve`, and yield its process and a client once it answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    with (
        started(site, "serve", "--port", port, *arguments, **environment) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=httpx.HTTPTransport(retries=8)) as client,
    ):
        assert client.get("/healthz").status_code == 200
        yield process, client


class HeldWorkers:
    """Workers of `held_worker.py`, one at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("held_worker.py"))],
            cwd=REPOSITORY,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._said: queue.Queue[str] = queue.Queue()
        self._pid = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def start(self, site: Site, more: dict[str, str] | None = None, **place: Any) -> int:
        """Start a worker that is held at a place, see `held_worker.run`, and return its process id."""
        order = {"environment": site.environment(**(more or {})), "log": str(site.log), **place}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        self._pid = int(self._hear())
        return self._pid

    def held(self) -> None:
        """Wait until it is held."""
        message = self._hear()
        if message != "held":
            self._pid = 0
        assert message == "held", f"the worker ended with {message} before it reached its place"

    def send(self, number: signal.Signals) -> None:
        os.kill(self._pid, number)

    def code(self) -> int:
        """Return its exit code once it has ended."""
        while (message := self._hear()) == "held":
            pass
        self._pid = 0
        return int(message)

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self.send(signal.SIGKILL)
        assert self.code() == -signal.SIGKILL

    def end(self) -> None:
        """Kill the worker that a failed test has left."""
        if self._pid:
            self.send(signal.SIGKILL)
            self.code()

    def close(self) -> None:
        """End everything."""
        self.end()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(DEADLINE_S)
        self._process.stdout.close()

    def _hear(self) -> str:
        return self._said.get(timeout=DEADLINE_S)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(line.strip())


def until(holds: Callable[[], Found], what: str, deadline_s: float = DEADLINE_S) -> Found:
    """Return the result of `holds` once it is true.

    Raises:
        TimeoutError: it is not true in time.
    """
    end = time.monotonic() + deadline_s
    while not (value := holds()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {deadline_s} s")
        time.sleep(POLL_S)
    return value


def visible(site: Site) -> set[str]:
    """Return the ids of all visible versions, after verifying every byte of them."""
    folders = [path for path in site.home.versions.iterdir() if path.is_dir() and not path.name.startswith(".")]
    assert [Version.open(path).id for path in folders] == [path.name for path in folders]
    return {path.name for path in folders}

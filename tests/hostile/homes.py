"""Homes to attack: made of synthetic artists or given, and a copy with keys for each attack."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from riyl.app.jobs.client import Jobs
from riyl.core.catalog.tables import Tables
from riyl.core.db.keys import Role, create_key
from riyl.core.db.session import Database
from riyl.core.settings import Home, Settings
from riyl.index.artifact.version import Version
from riyl.index.build.build import build_version
from riyl.index.versions.lifecycle import find_version, promote
from riyl.training.config import load_config
from riyl.training.datasets.synthetic import generate
from riyl.training.features.build import build_snapshot
from riyl.training.features.recipe import Recipe
from riyl.training.train import train
from tests.conftest import REPOSITORY
from tests.faults.processes import RIYL
from tests.hostile.registry import Target

HOST = "127.0.0.1"
IMMUTABLE = ("models", "snapshots", "versions")
MAX_IDS, MAX_TAGS = 5000, 100
READY_S, END_S = 120.0, 30.0
MAX_LOG_CHARACTERS = 20_000


def make_home(root: Path, artists: int) -> None:
    """Make a home with a promoted version of synthetic artists, by the default model."""
    home = Home(root)
    home.tables.mkdir(parents=True)
    generate(home.tables, artists=artists)
    snapshot = build_snapshot(Tables.open(home.tables), Recipe(), home.snapshots)
    model = train(*load_config("default"), snapshot, home.models)
    version = build_version(model, snapshot, home.versions)
    settings = Settings(home=root)
    database = Database.of(settings)
    promote(home.versions, database, version.id, by="hostile", why="to be attacked")
    Jobs(settings, database).close()
    database.close()


@contextlib.contextmanager
def attacked(root: Path, *, small: bool) -> Iterator[Target]:
    """Run a ready service over a copy of a home; at the end of the block it is killed, and its copy removed.

    The copy lies beside the home, and links to files that never change.
    """
    with TemporaryDirectory(prefix="hostile-", dir=root.parent) as folder:
        home = Home(Path(folder) / "home")
        shutil.copytree(root, home.root, copy_function=_copy, ignore=lambda _, names: {"tables"} & set(names))
        database = Database.of(Settings(home=home.root))
        _, write_key = create_key(database, "writer", Role.WRITE)
        _, admin_key = create_key(database, "admin", Role.ADMIN)
        database.close()
        version = Version.open(find_version(home.versions, None))
        ids = version.artist_ids
        tags = version.terms("tags").to_pylist()[:MAX_TAGS]
        with socket.create_server((HOST, 0)) as free:
            port = free.getsockname()[1]
        with _serving(home, port, Path(folder) / "log") as pid:
            chosen = ids[:: max(1, len(ids) // MAX_IDS)]
            yield Target(HOST, port, pid, write_key, admin_key, chosen, tags, small)


def _copy(source: str, target: str) -> None:
    """Link a file that never changes, copy any other."""
    sealed = any(part in Path(source).parent.parts for part in IMMUTABLE) and Path(source).parent.name != "versions"
    if sealed:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


@contextlib.contextmanager
def _serving(home: Home, port: int, log: Path) -> Iterator[int]:
    """Run a service by its command line, without a worker: jobs in the database stay as the attack left them."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RIYL_")}
    environment |= {"RIYL_HOME": str(home.root), "RIYL_LOG_LEVEL": "WARNING", "PYTHONFAULTHANDLER": "1"}
    command = [*RIYL, "serve", "--no-worker", "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stderr=out)
    try:
        _wait_until_ready(process, port)
        yield process.pid
    except BaseException:
        process.send_signal(signal.SIGABRT)  # the log then shows the stack of each thread
        process.wait(END_S)
        raise
    finally:
        process.kill()
        process.wait()
        sys.stderr.write(log.read_text(errors="replace")[-MAX_LOG_CHARACTERS:])


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"riyl serve ended with {process.returncode}; wanted it to answer")
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"http://{HOST}:{port}/readyz").status_code == 200:
                return
        time.sleep(0.05)
    raise TimeoutError(f"riyl serve was not ready within {READY_S:g} s")

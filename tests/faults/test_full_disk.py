"""The disk is full when a version is built: the job says so, the serving version continues, and the next run works."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from riyl.app.jobs.types import JobState, ReindexParams
from riyl.core.catalog.tables import Tables
from riyl.core.db.session import JOBS_FILE
from riyl.core.settings import Home, Settings
from riyl.index.build.build import build_version
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot
from riyl.training.train import train
from tests.conftest import SMALL_RECIPE, write_tables
from tests.faults.conftest import fill
from tests.faults.processes import HeldWorkers, World, opened, serving, started, until, visible
from tests.storage_faults import fill_up, small_disk

pytestmark = pytest.mark.slow

N = 4_000
CUT_OFF = ("neighbours.npy", "embeddings.faiss", "names")
"""Files that are being written when the disk is full: by numpy, by Faiss, by tantivy."""

DISK_BYTES = 64 << 20
ATTEMPTS = 2


@pytest.fixture(scope="module")
def large_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Make a version larger than everything else that a re-index writes, and tables with one more artist."""
    base = tmp_path_factory.mktemp("large")
    home = Home(base / "home")
    snapshot = build_snapshot(Tables.open(loud(base / "before", N)), SMALL_RECIPE, home.snapshots)
    version = build_version(train(*load_config("single-audio"), snapshot, home.models), snapshot, home.versions)
    world = World(home.root, loud(base / "tables", N + 1), (version.id,))
    fill(world, Settings(home=home.root))
    return world


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Make a separate disk."""
    with small_disk(tmp_path / "disk", DISK_BYTES) as folder:
        yield folder


def test_a_full_disk_fails_the_build_and_nothing_else(
    large_world: World, disk: Path, held_worker: HeldWorkers, tmp_path: Path
) -> None:
    (old,) = large_world.versions
    with opened(large_world, disk, None, tmp_path / "log") as site, serving(site, "--no-worker") as (_, client):

        def serves(version: str) -> bool:
            answer = client.get("/v1/artists/a0001/similar?k=3")
            return answer.status_code == 200 and answer.json()["version"] == version

        for file in CUT_OFF:
            job_id = site.ask(ReindexParams(tables=str(large_world.tables)))
            held_worker.start(site, attempts=ATTEMPTS, step="build", when="before")
            held_worker.held()
            filler = fill_up(disk, bytes_until(site.home.versions / old, file))
            held_worker.send(signal.SIGCONT)
            job = site.ended(job_id)
            assert job.state is JobState.FAILED, file
            assert job.error is not None
            assert "No space left on device" in job.error, file
            assert serves(old)
            assert visible(site) == {old}
            held_worker.kill()
            filler.unlink()
        with started(site, "worker"):
            job = site.ended(site.ask(ReindexParams(tables=str(large_world.tables))))
        assert job.state is JobState.DONE, job
        assert job.result is not None
        until(lambda: serves(job.result["version"]), "the new version")


def test_a_job_whose_end_cannot_be_stored_waits_for_room(
    world: World, disk: Path, held_worker: HeldWorkers, tmp_path: Path
) -> None:
    with opened(world, disk, None, tmp_path / "log") as site:
        job_id = site.ask(ReindexParams(tables=str(world.tables)))
        held_worker.start(site, step="prune", when="after")
        held_worker.held()
        with closing(sqlite3.connect(site.home.root / JOBS_FILE)) as jobs:
            jobs.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # it has no free pages left from before
        filler = fill_up(disk)
        held_worker.send(signal.SIGCONT)
        reason = f"no space is left on the disk of the database: {site.home.root / JOBS_FILE}"
        until(lambda: reason in site.log.read_text(), "the full disk")
        assert site.jobs.get(job_id).state is JobState.RUNNING
        filler.unlink()
        assert site.ended(job_id).state is JobState.DONE


def loud(folder: Path, n: int) -> Path:
    """Make tables of n artists with audio alone."""
    rng = np.random.default_rng(0)
    ids = [f"a{i:04d}" for i in range(n)]
    names = [" ".join(f"{word:x}" for word in rng.integers(0, 1 << 32, 20).tolist()) for _ in ids]
    audio = {"artist_id": ids, "vector": list(rng.standard_normal((n, 200)).astype(np.float32))}
    return write_tables(folder, artists={"artist_id": ids, "name": names}, audio=audio)


def bytes_until(version: Path, file: str) -> int:
    """Count the bytes of a version written before the middle of one of its files; parts are links to kept files."""
    all_sizes = {path.relative_to(version).as_posix(): path.stat().st_size for path in version.rglob("*")}
    size = {name: n_bytes for name, n_bytes in all_sizes.items() if not name.startswith("parts/")}
    order = sorted(size, key=lambda name: (version / name).stat().st_mtime_ns)
    return sum(size[name] for name in order[: order.index(file)]) + size[file] // 2

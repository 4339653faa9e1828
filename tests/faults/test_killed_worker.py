"""A worker is killed with SIGKILL anywhere in a job: the job continues after a restart, with an unchanged result."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from riyl.app.jobs.flows import REINDEX_STEPS, TRAIN_STEPS
from riyl.app.jobs.types import JobState, ReindexParams, TrainParams
from riyl.index.artifact.version import MANIFEST
from riyl.index.versions.lifecycle import current
from tests.faults.conftest import TRAINING, Sites, Undisturbed
from tests.faults.processes import HeldWorkers, Site, started, visible

pytestmark = pytest.mark.slow

PLACES = ("before", "middle", "after")
"""Places in a step. Each is a job in a home of its own, because a job is given up after too many crashes."""


def test_a_reindex_goes_on_after_kills_in_each_step(
    sites: Sites, held_workers: list[HeldWorkers], undisturbed: Undisturbed
) -> None:
    def scenario(site: Site, worker: HeldWorkers, when: str) -> None:
        job_id = site.ask(ReindexParams(tables=str(site.world.tables)))
        for step in REINDEX_STEPS:
            kill_at(worker, site, step=step, when=when)
        ends_as(site, job_id, job_id, undisturbed.reindex)

    at_each_place(scenario, sites, held_workers)


def test_a_training_goes_on_after_kills_in_each_step_of_it_and_of_its_reindex(
    sites: Sites, held_workers: list[HeldWorkers], undisturbed: Undisturbed
) -> None:
    def scenario(site: Site, worker: HeldWorkers, when: str) -> None:
        job_id = site.ask(TrainParams(tables=str(site.world.tables), config=TRAINING))
        for step in TRAIN_STEPS:
            kill_at(worker, site, step=step, when=when)
        for step in REINDEX_STEPS:
            kill_at(worker, site, step=step, when=when, child=True)
        (child,) = [job.id for job in site.jobs.all() if job.id != job_id]
        ends_as(site, job_id, child, undisturbed.train)

    at_each_place(scenario, sites, held_workers)


def at_each_place(
    scenario: Callable[[Site, HeldWorkers, str], None], sites: Sites, held_workers: list[HeldWorkers]
) -> None:
    with ThreadPoolExecutor() as pool:
        for done in pool.map(scenario, map(sites, PLACES), held_workers, PLACES):
            assert done is None


def kill_at(worker: HeldWorkers, site: Site, *, step: str, when: str, child: bool = False) -> None:
    worker.start(site, step=step, when=when, child=child)
    worker.held()
    worker.kill()
    visible(site)


def ends_as(site: Site, job_id: str, promoting: str, manifest: bytes) -> None:
    """Check that an undisturbed worker brings the job to the same end, and leaves no temporary files."""
    with started(site, "worker"):
        job = site.ended(job_id)
    assert job.state is JobState.DONE, job
    assert job.result is not None
    version = job.result["version"]
    assert (site.home.versions / version / MANIFEST).read_bytes() == manifest
    assert visible(site) == {site.world.versions[1], version}
    assert current(site.home.versions) == version
    assert [(entry.version, entry.job) for entry in site.promotions()][2:] == [(version, promoting)]
    assert [path for path in site.home.root.rglob(".*") if path.is_dir()] == []

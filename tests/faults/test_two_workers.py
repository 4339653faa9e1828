"""Two workers: a second in the same place is refused; a lost one's jobs are handed over, and run once if it returns."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from riyl.app.jobs.types import JobState, ReindexParams
from tests.faults.processes import HeldWorkers, Site, riyl, started, until, visible

pytestmark = pytest.mark.slow


@pytest.mark.postgres
@pytest.mark.parametrize(("step", "when"), [("build", "middle"), ("check", "after"), ("promote", "before")])
def test_a_job_taken_from_a_worker_that_hung_is_done_once(
    postgres_site: Site, held_worker: HeldWorkers, step: str, when: str
) -> None:
    site, again = postgres_site, ReindexParams(tables=str(postgres_site.world.tables))
    job_id = site.ask(again)
    held_worker.start(site, {"RIYL_WORKER": "a"}, step=step, when=when)
    held_worker.held()
    held_worker.send(signal.SIGSTOP)
    with started(site, "worker", RIYL_WORKER="b"):
        assert "worker 'a' still holds its place" in riyl(site, "jobs", "adopt", "a", code=1).stderr
        assert site.jobs.get(job_id).worker == "a"
        assert job_id[:8] in riyl(site, "jobs", "adopt", "a", "--force").stdout
        job = site.ended(job_id)
        assert (job.state, job.worker) == (JobState.DONE, "b")
        held_worker.send(signal.SIGCONT)
    later = site.ended(site.ask(again))
    assert (later.state, later.worker) == (JobState.DONE, "a")
    assert later.result is not None
    assert job.result is not None
    assert later.result["version"] == job.result["version"]
    assert replace(site.jobs.get(job_id), progress=None) == replace(job, progress=None)
    assert [(entry.version, entry.job) for entry in site.promotions()][2:] == [(job.result["version"], job_id)]
    assert visible(site) == {site.world.versions[1], job.result["version"]}
    held_worker.send(signal.SIGTERM)
    assert held_worker.code() == 0


@pytest.mark.postgres
def test_a_killed_workers_job_is_handed_over_without_force(postgres_site: Site, held_worker: HeldWorkers) -> None:
    site = postgres_site
    job_id = site.ask(ReindexParams(tables=str(site.world.tables)))
    held_worker.start(site, {"RIYL_WORKER": "a"}, step="embed", when="middle")
    held_worker.held()
    with started(site, "worker", RIYL_WORKER="b"):
        held_worker.kill()
        riyl(site, "jobs", "adopt", "a")
        job = site.ended(job_id)
    assert (job.state, job.worker) == (JobState.DONE, "b")
    assert [entry.job for entry in site.promotions()][2:] == [job_id]


def test_a_second_worker_in_the_same_place_is_refused(site: Site) -> None:
    with started(site, "worker", RIYL_WORKER="a"):
        until(lambda: '"worker_started"' in site.log.read_text(), "start of a worker")
        same = riyl(site, "worker", code=1, RIYL_WORKER="a").stderr
    if site.database.is_sqlite:
        assert same.startswith(f"error: another worker runs on {site.home.root}; SQLite has one worker at a time")
    else:
        assert same.startswith("error: another worker named 'a' runs; give each one a name of its own in RIYL_WORKER")

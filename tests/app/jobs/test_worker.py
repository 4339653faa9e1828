from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from riyl.app.jobs.client import Jobs
from riyl.app.jobs.store import jobs_engine
from riyl.app.jobs.types import EvaluateParams, ImportParams, Job, JobKind, JobState, Params, ReindexParams, TrainParams
from riyl.core.db.evaluations import find_evaluation
from riyl.core.db.session import Database
from riyl.core.db.upgrade import HEAD
from riyl.core.settings import Home, Settings
from riyl.index.versions.lifecycle import current
from tests.conftest import small_world
from tests.flows.test_source_to_model import as_json, riyl

pytestmark = pytest.mark.slow

DEADLINE_S = 120


@contextmanager
def worker(home: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Run a worker process for the block."""
    process = subprocess.Popen(
        [Path(sys.executable).parent / "riyl", "--home", home, "worker"],
        env={**os.environ, "RIYL_THREADS": "1", **variables},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def asking(home: Path) -> Iterator[Jobs]:
    settings = Settings(home=home)
    jobs = Jobs(settings, Database.of(settings))
    yield jobs
    jobs.close()


def ended(jobs: Jobs, kind: JobKind, params: Params) -> Job:
    """Submit a job and wait for its end."""
    job, _ = jobs.submit(kind, params, by="test")
    return until_ended(jobs, job.id)


def until_ended(jobs: Jobs, identity: str) -> Job:
    deadline = time.monotonic() + DEADLINE_S
    while not (job := jobs.get(identity)).state.ended:
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
    return job


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a home with a completed train job on the small world's tables; RIYL_TABLES no longer names them."""
    base = tmp_path_factory.mktemp("jobs")
    small_world(base / "catalog")
    with worker(base / "home"), asking(base / "home") as jobs:
        job = ended(jobs, JobKind.TRAIN, TrainParams(tables=str(base / "catalog"), config="pca"))
        assert job.state is JobState.DONE, job.error
    return base / "home"


def test_a_training_ends_in_a_current_version_of_its_model(home: Path) -> None:
    with asking(home) as jobs:
        (job,) = jobs.all(kind=JobKind.TRAIN)
        (child,) = jobs.all(kind=JobKind.REINDEX)
    assert job.result is not None
    assert current(Home(home).versions) == job.result["version"]
    assert child.id == job.result["reindex"] == f"{job.id}-5"
    assert (child.state, child.params["model"]) == (JobState.DONE, job.result["model"])
    assert (job.worker, job.by, child.by) == ("worker", "test", "test")
    assert job.progress is not None
    assert (job.progress.step, job.progress.number, job.progress.steps) == ("reindex", 4, 4)


def test_a_reindex_takes_what_was_imported_and_a_version_is_the_same_by_hand(home: Path, tmp_path: Path) -> None:
    small_world(tmp_path / "new", seed=3)
    before = current(Home(home).versions)
    with worker(home), asking(home) as jobs:
        brought = ended(jobs, JobKind.IMPORT, ImportParams(source=str(tmp_path / "new")))
        job = ended(jobs, JobKind.REINDEX, ReindexParams())
        assert brought.result is not None
        assert job.result is not None
        assert job.result["tables"] == brought.result["tables"]
        assert current(Home(home).versions) == job.result["version"] != before
        again = ended(jobs, JobKind.REINDEX, ReindexParams())
        assert again.result is not None
        assert (again.result["version"], again.result["promoted"]) == (job.result["version"], False)
    other = tmp_path / "other"
    riyl(other, "snapshot", "build", str(home.parent / "catalog"))
    riyl(other, "train", "--config", "pca")
    riyl(
        other,
        "snapshot",
        "build",
        str(tmp_path / "new"),
        "--featurizer-from",
        as_json(other, "snapshot", "list")[0]["id"],
    )
    assert as_json(other, "index", "build", "--snapshot", job.result["snapshot"])["id"] == job.result["version"]


def test_an_evaluation_as_a_job_has_the_figures_of_the_command_line(home: Path) -> None:
    params = EvaluateParams(systems=["pca", "single-tags"], k=20, rounds=50, version=current(Home(home).versions))
    with worker(home), asking(home) as jobs:
        job = ended(jobs, JobKind.EVALUATE, params)
    assert job.state is JobState.DONE, job.error
    stored = find_evaluation(Database.of(Settings(home=home)), job.id)
    assert stored is not None
    assert stored.request == params.model_dump(mode="json")
    arguments = ["--systems", "pca,single-tags", "-k", "20", "--rounds", "50", "--version", str(params.version)]
    assert stored.figures == as_json(home, "evaluate", *arguments)
    assert {row["system"] for row in stored.figures["results"]} >= {"pca", "single-tags", f"version {params.version}"}


def test_a_version_that_a_night_promotes_is_evaluated_where_a_truth_is_set(home: Path, tmp_path: Path) -> None:
    small_world(tmp_path / "tonight", seed=5)
    with worker(home, RIYL_QUALITY_TRUTH="similar", RIYL_QUALITY_MIN_OVERLAP="0"), asking(home) as jobs:
        job = ended(jobs, JobKind.REINDEX, ReindexParams(tables=str(tmp_path / "tonight")))
        assert job.state is JobState.DONE, job.error
        assert job.result is not None
        evaluated = until_ended(jobs, job.result["evaluation"])
        again = ended(jobs, JobKind.REINDEX, ReindexParams(tables=str(tmp_path / "tonight")))
    assert (evaluated.kind, evaluated.state, evaluated.by) == (JobKind.EVALUATE, JobState.DONE, "test")
    stored = find_evaluation(Database.of(Settings(home=home)), evaluated.id)
    assert stored is not None
    assert (stored.figures["version"], stored.figures["truth"]["name"]) == (job.result["version"], "similar")
    # a version that was current already is not evaluated again
    assert again.result is not None
    assert "evaluation" not in again.result


def test_a_version_that_the_gate_refuses_stays_and_the_job_says_why(home: Path, tmp_path: Path) -> None:
    small_world(tmp_path / "shrunk", n=20)
    before = current(Home(home).versions)
    with worker(home), asking(home) as jobs:
        job = ended(jobs, JobKind.REINDEX, ReindexParams(tables=str(tmp_path / "shrunk")))
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "failed its quality checks; it is kept, and not promoted" in job.error
    assert "wanted at least 0.9" in job.error
    refused = job.error.split()[1]
    assert current(Home(home).versions) == before != refused
    assert refused in [path.name for path in Home(home).versions.iterdir()]
    done = riyl(home, "jobs", "watch", job.id, code=1)
    assert f"error: job {job.id} failed: version {refused} failed its quality checks" in done.stderr


def test_a_job_that_cannot_be_done_fails_at_once_with_the_reason(home: Path) -> None:
    with worker(home), asking(home) as jobs:
        for kind, params, reason in (
            (JobKind.REINDEX, ReindexParams(tables="/nowhere/at/all"), "/nowhere/at/all: found no such folder"),
            (JobKind.REINDEX, ReindexParams(model="zzz"), "model 'zzz' does not exist"),
            (JobKind.TRAIN, TrainParams(config="nothing"), "nothing"),
            (JobKind.EVALUATE, EvaluateParams(truth="none of it"), "none of it"),
        ):
            job = ended(jobs, kind, params)
            assert job.state is JobState.FAILED
            assert reason in str(job.error)


def test_a_running_job_is_cancelled_at_its_next_sign_of_progress(home: Path) -> None:
    with worker(home), asking(home) as jobs:
        job, _ = jobs.submit(JobKind.TRAIN, TrainParams(config="paper-msd", seed=1), by="test")
        deadline = time.monotonic() + DEADLINE_S
        while (p := jobs.get(job.id).progress) is None or p.step != "train":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert jobs.cancel(job.id).state is JobState.CANCELLED
        after = ended(
            jobs, JobKind.IMPORT, ImportParams(source=str(home.parent / "catalog"))
        )  # the worker is free again
        assert after.state is JobState.DONE
        assert jobs.get(job.id).state is JobState.CANCELLED


def test_a_schedule_asks_for_a_reindex_and_is_gone_when_it_is_unset(home: Path) -> None:
    def scheduled(jobs: Jobs) -> list[Job]:
        return [job for job in jobs.all(limit=1000) if job.by == "schedule"]

    with asking(home) as jobs:
        catalog = str(home.parent / "catalog")
        with worker(home, RIYL_TABLES=catalog, RIYL_REINDEX_CRON="* * * * * *"):  # six fields: each second
            deadline = time.monotonic() + DEADLINE_S
            while not any(job.state is JobState.DONE for job in scheduled(jobs)):
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert schedules(home) == ["reindex"]
        with worker(home):
            ended(jobs, JobKind.EVALUATE, EvaluateParams(systems=["pca"], k=5, rounds=10))
            for job in scheduled(jobs):
                until_ended(jobs, job.id)
        assert schedules(home) == []


def schedules(home: Path) -> list[str]:
    """Return the names of the schedules in force."""
    engine = jobs_engine(Settings(home=home))
    with engine.connect() as connection:
        names = connection.exec_driver_sql("SELECT schedule_name FROM workflow_schedules").scalars().all()
    engine.dispose()
    return list(names)


def test_a_schedule_that_is_none_is_refused(home: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "riyl", "--home", home, "worker"],
        env={**os.environ, "RIYL_REINDEX_CRON": "at night"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: RIYL_REINDEX_CRON: wanted minute, hour, day, month and weekday")
    assert "(found 'at night')" in done.stderr


def test_a_worker_that_has_its_place_says_so_in_the_home(home: Path) -> None:
    def touched_ns() -> int:
        return alive.stat().st_mtime_ns if alive.exists() else 0

    alive = Home(home).workers / "by-name"
    with worker(home, RIYL_WORKER="by-name"):
        for _ in range(2):
            before, deadline = touched_ns(), time.monotonic() + DEADLINE_S
            while touched_ns() == before:
                assert time.monotonic() < deadline
                time.sleep(0.05)


def test_a_worker_leaves_a_database_of_another_release_alone(home: Path) -> None:
    database = Database.of(Settings(home=home))
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    done = riyl(home, "worker", code=1)
    assert "error: found a database with schema 0000; this RIYL needs schema" in done.stderr
    with database.write() as connection:
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{HEAD}'")


def test_sigterm_ends_a_worker_at_once_with_0(home: Path) -> None:
    with worker(home) as process:
        assert process.stderr is not None
        assert any(json.loads(line)["event"] == "worker_started" for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_jobs_by_the_command_line(home: Path) -> None:
    with worker(home):
        done = riyl(home, "jobs", "run", "import", "--param", f"source={home.parent / 'catalog'}")
        assert "done; tables" in done.stdout
        job: Any = as_json(home, "jobs", "run", "evaluate", "-p", "systems=pca", "-p", "k=5", "-p", "rounds=10")
        assert (job["kind"], job["state"], job["params"]["systems"]) == ("evaluate", "done", ["pca"])
    waiting = as_json(home, "jobs", "run", "reindex", "--detach")
    assert waiting["state"] == "waiting"
    assert riyl(home, "jobs", "cancel", waiting["id"][:8]).stdout == f"job {waiting['id']}: cancelled\n"
    assert as_json(home, "jobs", "list", "--state", "cancelled")[0]["id"] == waiting["id"]
    assert "already" in riyl(home, "jobs", "cancel", waiting["id"], code=1).stderr
    table = riyl(home, "jobs", "list").stdout
    assert waiting["id"][:8] in table
    assert "cancelled" in table


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["reindex", "-p", "tabels=/x"], "found 'tabels=/x'; wanted NAME=VALUE with a name of reindex"),
        (["reindex", "-p", "help"], "tables: Folder of tables on the worker's machine"),
        (["evaluate", "-p", "k=0"], "k: Input should be greater than or equal to 1 (found '0')"),
        (["import"], "source: Field required"),
    ],
)
def test_params_that_are_wrong_are_said_so(tmp_path: Path, arguments: list[str], reason: str) -> None:
    assert reason in riyl(tmp_path / "home", "jobs", "run", *arguments, code=1).stderr

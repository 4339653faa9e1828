from __future__ import annotations

import base64
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from riyl.app.jobs.client import Jobs
from riyl.app.jobs.store import jobs_engine, upgrade_jobs
from riyl.app.jobs.types import EvaluateParams, ImportParams, JobKind, JobState, ReindexParams, TrainParams
from riyl.core.db.session import Database
from riyl.core.errors import DatabaseDownError, JobEndedError, MismatchError, NotFoundError
from riyl.core.settings import Settings

REINDEX = ReindexParams(tables="/catalog")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Return settings of a home without jobs, on each database."""
    if request.param == "sqlite":
        return Settings(home=tmp_path)
    postgres_settings = Settings(home=tmp_path, database_url=SecretStr(request.getfixturevalue("postgres_url")))
    database = Database.of(postgres_settings)
    database.upgrade()
    upgrade_jobs(postgres_settings, database)
    database.close()
    return postgres_settings


@pytest.fixture
def jobs(settings: Settings) -> Iterator[Jobs]:
    database = Database.of(settings)
    client = Jobs(settings, database)
    yield client
    client.close()
    database.close()


def test_a_job_that_is_asked_for_waits(jobs: Jobs) -> None:
    job, joined = jobs.submit(JobKind.REINDEX, REINDEX, by="ann")
    assert not joined
    assert (job.kind, job.state, job.by) == (JobKind.REINDEX, JobState.WAITING, "ann")
    assert job.params == {"tables": "/catalog", "model": None, "promote": True}
    assert (job.started, job.ended, job.worker, job.progress, job.result, job.error) == (None,) * 6
    assert jobs.get(job.id) == jobs.get(job.id[:6]) == job
    assert jobs.all() == [job]


def test_a_second_request_joins_the_one_that_waits_with_the_same_params(jobs: Jobs) -> None:
    first, _ = jobs.submit(JobKind.REINDEX, REINDEX, by="ann")
    again, joined = jobs.submit(JobKind.REINDEX, REINDEX, by="bob")
    assert (again.id, again.by, joined) == (first.id, "ann", True)
    other, joined = jobs.submit(JobKind.REINDEX, ReindexParams(tables="/another"), by="bob")
    assert other.id != first.id
    assert not joined
    assert (
        jobs.submit(JobKind.TRAIN, TrainParams(), by="a")[0].id
        == jobs.submit(JobKind.TRAIN, TrainParams(), by="b")[0].id
    )


def test_evaluations_and_imports_are_never_joined(jobs: Jobs) -> None:
    for kind, params in ((JobKind.EVALUATE, EvaluateParams()), (JobKind.IMPORT, ImportParams(source="synthetic"))):
        assert jobs.submit(kind, params, by="a")[0].id != jobs.submit(kind, params, by="a")[0].id


def test_of_many_requests_at_once_all_but_one_join(settings: Settings) -> None:
    def ask(i: int) -> tuple[str, bool]:
        database = Database.of(settings)
        client = Jobs(settings, database)
        job, joined = client.submit(JobKind.REINDEX, REINDEX, by=str(i))
        client.close()
        database.close()
        return job.id, joined

    with ThreadPoolExecutor(8) as pool:
        submitted = list(pool.map(ask, range(16)))
    assert len({identity for identity, _ in submitted}) == 1
    assert [joined for _, joined in submitted].count(False) == 1


def test_a_cancelled_job_is_joined_no_more(jobs: Jobs) -> None:
    first, _ = jobs.submit(JobKind.REINDEX, REINDEX, by="ann")
    cancelled = jobs.cancel(first.id[:10])
    assert cancelled.state is JobState.CANCELLED
    assert cancelled.ended is not None
    second, joined = jobs.submit(JobKind.REINDEX, REINDEX, by="ann")
    assert second.id != first.id
    assert not joined
    with pytest.raises(JobEndedError, match=f"job {first.id} is already cancelled"):
        jobs.cancel(first.id)


def test_jobs_are_listed_by_kind_and_state_the_newest_first(jobs: Jobs) -> None:
    ids = [jobs.submit(JobKind.REINDEX, ReindexParams(tables=f"/{i}"), by="a")[0].id for i in range(3)]
    train, _ = jobs.submit(JobKind.TRAIN, TrainParams(), by="a")
    jobs.cancel(ids[1])
    assert [job.id for job in jobs.all(kind=JobKind.REINDEX)] == ids[::-1]
    assert [job.id for job in jobs.all(state=JobState.CANCELLED)] == [ids[1]]
    assert [job.id for job in jobs.all(state=JobState.WAITING, kind=JobKind.REINDEX)] == [ids[2], ids[0]]
    assert {job.id for job in jobs.all(state=JobState.WAITING)} == {ids[0], ids[2], train.id}
    assert len(jobs.all(limit=2)) == 2


def test_an_unknown_job_says_so(jobs: Jobs) -> None:
    jobs.submit(JobKind.REINDEX, REINDEX, by="ann")
    for wrong in ("zzz", "", "%", "a" * 500, "0-1"):
        with pytest.raises(NotFoundError, match="does not exist"):
            jobs.get(wrong)
        with pytest.raises(NotFoundError, match="does not exist"):
            jobs.cancel(wrong)


def test_nobody_runs_where_no_worker_was_started(jobs: Jobs) -> None:
    assert not jobs.runs("worker")


def test_sqlite_has_nobody_to_hand_jobs_to(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    jobs = Jobs(settings, Database.of(settings))
    with pytest.raises(MismatchError, match="SQLite has one worker only"):
        jobs.adopt("other")
    jobs.close()


@pytest.mark.postgres
def test_a_database_that_is_away_is_said_so_at_once(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url=SecretStr("postgresql://riyl@127.0.0.1:1/riyl"))
    jobs = Jobs(settings, Database.of(settings))
    for act in (jobs.all, lambda: jobs.get("a"), lambda: jobs.submit(JobKind.REINDEX, REINDEX, by="a")):
        with pytest.raises(DatabaseDownError, match="cannot be reached"):
            act()
    jobs.close()


class Bomb:
    """Value whose pickle creates a file when it is read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self._path,)


def test_a_pickle_among_the_jobs_is_not_read(settings: Settings, jobs: Jobs, tmp_path: Path) -> None:
    job, _ = jobs.submit(JobKind.REINDEX, REINDEX, by="ann")
    good, _ = jobs.submit(JobKind.IMPORT, ImportParams(source="/catalog"), by="ann")
    text = base64.b64encode(pickle.dumps(Bomb(tmp_path / "executed"))).decode()
    engine = jobs_engine(settings)
    with engine.begin() as connection:
        schema = "dbos." if connection.dialect.name == "postgresql" else ""
        connection.exec_driver_sql(
            f"UPDATE {schema}workflow_status SET serialization = 'py_pickle', inputs = '{text}', output = '{text}', "
            f"error = '{text}', status = 'SUCCESS' WHERE workflow_uuid = '{job.id}'"
        )
    engine.dispose()
    listed = {each.id: each for each in jobs.all()}
    assert (listed[job.id].params, listed[job.id].by, listed[job.id].result) == ({}, "", None)
    assert listed[good.id] == good
    assert jobs.get(job.id) == listed[job.id]
    assert not (tmp_path / "executed").exists()
    assert jobs.submit(JobKind.REINDEX, REINDEX, by="bob")[0].id != job.id

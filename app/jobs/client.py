"""Client that submits and manages jobs, from any process; it runs none."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any

from dbos import DBOSClient, WorkflowStatus
from dbos import error as dbos_error

from riyl.app.jobs import store
from riyl.app.jobs.types import Job, JobKind, JobState, Params
from riyl.core.db.faults import translated
from riyl.core.db.progress import JobProgress, progress_of
from riyl.core.db.session import Database
from riyl.core.db.worker_lock import WorkerLock
from riyl.core.errors import JobEndedError, MismatchError, NotFoundError
from riyl.core.settings import Settings

QUEUES = {
    JobKind.REINDEX: store.INDEX_QUEUE,
    JobKind.TRAIN: store.WORK_QUEUE,
    JobKind.EVALUATE: store.WORK_QUEUE,
    JobKind.IMPORT: store.WORK_QUEUE,
}

JOINED = frozenset({JobKind.REINDEX, JobKind.TRAIN})
"""Kinds of which a second request joins the waiting job. A running job is not joined: it has frozen its tables."""

STATES = {
    "ENQUEUED": JobState.WAITING,
    "DELAYED": JobState.WAITING,
    "PENDING": JobState.RUNNING,
    "SUCCESS": JobState.DONE,
    "ERROR": JobState.FAILED,
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
}

GIVEN_UP = "given up: the worker died of this job too many times"

_ANY_ID = 32
"""Number of hex digits of a job's id."""


class Jobs:
    """Jobs of a home. Every method blocks for as long as the database takes.

    Raises (every method):
        DatabaseDownError: the database cannot be reached.
        SchemaError: it is of another release.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        store.refuse_pickles()
        store.upgrade_fresh_jobs(settings, database)
        self._database = database
        self._engine = store.jobs_engine(settings)
        self._file = store.jobs_file(settings)
        if self._file is not None:
            store.raise_faults(self._engine, self._file)
        self._dbos = DBOSClient(
            system_database_engine=self._engine,
            serializer=store.JsonSerializer(),
            application_name=store.APPLICATION,
            lazy=True,
            retry_connection_errors=False,
        )

    def submit(self, kind: JobKind, params: Params, *, by: str) -> tuple[Job, bool]:
        """Submit a job, or join one that waits with the same params (reindex and train only).

        Returns:
            The job, and whether it was waiting already.
        """
        payload = params.model_dump(mode="json")
        # the search and the submission are atomic, between processes too
        with self._database.alone(), self._translated():
            if kind in JOINED:
                waiting = self._dbos.list_workflows(name=kind.value, status="ENQUEUED", has_parent=False)
                same = [workflow for workflow in waiting if _arguments(workflow)[0] == payload]
                if same:
                    return _job(same[0], None), True
            identity = secrets.token_hex(_ANY_ID // 2)
            self._dbos.enqueue(
                {
                    "queue_name": QUEUES[kind],
                    "workflow_name": kind.value,
                    "workflow_id": identity,
                    "app_version": store.FORMAT,
                },
                payload,
                by,
            )
        return self.get(identity), False

    def get(self, identity: str) -> Job:
        """Return a job by its id or the beginning of its id.

        Raises:
            NotFoundError: no job's id begins like this, or several do.
        """
        with self._translated():
            names = [kind.value for kind in JobKind]
            workflows = self._dbos.list_workflows(workflow_ids=[identity], name=names)
            if not workflows and identity:
                head, dash, number = identity.partition("-")  # the id of a child job is its parent's id and a number
                begin = self._dbos.list_workflows(workflow_id_prefix=head, name=names, has_parent=bool(dash))
                workflows = [each for each in begin if each.workflow_id.endswith(dash + number)]
        if len(workflows) != 1:
            problem = "is ambiguous" if workflows else "does not exist"
            raise NotFoundError(f"job {identity!r} {problem}; see `riyl jobs list`, or GET /v1/jobs")
        return self._with_progress(workflows)[0]

    def all(self, *, kind: JobKind | None = None, state: JobState | None = None, limit: int = 50) -> list[Job]:
        """Return the most recent jobs, the newest first."""
        names = [kind.value] if kind is not None else [each.value for each in JobKind]
        states = None if state is None else [name for name, each in STATES.items() if each is state]
        with self._translated():
            workflows = self._dbos.list_workflows(name=names, status=states, limit=limit, sort_desc=True)
        return self._with_progress(workflows)

    def cancel(self, identity: str) -> Job:
        """Cancel a job, and the re-index that it waits for; a running job stops when it next reports progress.

        Raises:
            NotFoundError: there is no such job.
            JobEndedError: it has ended.
        """
        job = self.get(identity)
        if job.state.ended:
            raise JobEndedError(f"job {job.id} is already {job.state}; wanted a job that waits or runs")
        with self._translated(), _unknown(job.id):
            self._dbos.cancel_workflow(job.id, cancel_children=True)
        return self.get(job.id)

    def adopt(self, worker: str, *, force: bool = False) -> list[Job]:
        """Hand the jobs of a lost worker to the live ones.

        Args:
            worker: name of the lost worker.
            force: also if it still holds its place, because it hangs or its host is cut off.

        Raises:
            MismatchError: it still holds its place, or the database is SQLite, which has one worker only.
        """
        if self._database.is_sqlite:
            raise MismatchError("SQLite has one worker only: start it again, and it continues its jobs")
        if not force and self.runs(worker):
            raise MismatchError(
                f"worker {worker!r} still holds its place; stop it first, or take its jobs anyway with --force"
            )
        with self._translated():
            workflows = self._dbos.list_workflows(executor_id=worker, status="PENDING")
            for each in workflows:
                self._dbos.resume_workflow(each.workflow_id, queue_name=each.queue_name)
        kinds = {kind.value for kind in JobKind}
        return self._with_progress([each for each in workflows if each.name in kinds])

    def runs(self, worker: str) -> bool:
        """Return whether a process holds this worker's place; with SQLite, whether any worker runs."""
        lock = WorkerLock(self._database, worker)
        free = lock.take()
        lock.release()
        return not free

    def close(self) -> None:
        """Close the connections."""
        self._dbos.destroy()
        self._engine.dispose()

    def _translated(self) -> AbstractContextManager[None]:
        return translated(self._file, self._database.faults)

    def _with_progress(self, workflows: list[WorkflowStatus]) -> list[Job]:
        with self._database.read() as connection:
            progress = progress_of(connection, [each.workflow_id for each in workflows])
        return [_job(each, progress.get(each.workflow_id)) for each in workflows]


def _job(workflow: WorkflowStatus, progress: JobProgress | None) -> Job:
    state = STATES[workflow.status]
    params, by = _arguments(workflow)
    error = _error(workflow) if state is JobState.FAILED else None
    return Job(
        id=workflow.workflow_id,
        kind=JobKind(workflow.name),
        params=params,
        by=by,
        state=state,
        created=_time(workflow.created_at) or datetime.fromtimestamp(0, UTC),
        started=_time(workflow.dequeued_at),
        ended=_time(workflow.completed_at),
        worker=None if state is JobState.WAITING else workflow.executor_id,
        progress=progress,
        result=workflow.output if state is JobState.DONE and isinstance(workflow.output, dict) else None,
        error=None if error is None else str(error),
        shown_error=None if error is None else error.shown,
    )


def _error(workflow: WorkflowStatus) -> store.JobError:
    if workflow.status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED":
        return store.JobError(GIVEN_UP, GIVEN_UP)
    # for a row that RIYL did not write, DBOS returns the raw value
    return workflow.error if isinstance(workflow.error, store.JobError) else store.JobError(str(workflow.error))


def _arguments(workflow: WorkflowStatus) -> tuple[dict[str, Any], str]:
    """Return the params of a job and its author; empty where DBOS returns text, because RIYL did not write the row."""
    match workflow.input:
        case {"args": [dict(params), str(by)]}:
            return params, by
    return {}, ""


def _time(epoch_ms: int | None) -> datetime | None:
    return None if epoch_ms is None else datetime.fromtimestamp(epoch_ms / 1000, UTC)


@contextmanager
def _unknown(identity: str) -> Iterator[None]:
    try:
        yield
    except dbos_error.DBOSNonExistentWorkflowError as error:
        raise NotFoundError(f"job {identity!r} does not exist") from error

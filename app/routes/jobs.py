"""Routes of jobs: submit, list, read, cancel, and follow their progress."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from riyl.app.http.auth import TheAuthor, TheAuthors
from riyl.app.http.dependencies import Streams, TheJobs, TheSettings, TheStreams, fresh
from riyl.app.http.errors import damage_raised_as, problems
from riyl.app.http.request_errors import DamagedEmbeddingsError
from riyl.app.http.route_facts import Concurrency, RouteFacts
from riyl.app.http.strict_route import StrictRoute
from riyl.app.jobs.import_root import named_below
from riyl.app.jobs.lazy_client import LazyJobs
from riyl.app.jobs.questions import check_embeddings
from riyl.app.jobs.types import EvaluateParams, ImportParams, Job, JobKind, JobState, ReindexParams, TrainParams
from riyl.app.schemas.jobs import JobRequest, JobResponse, JobsResponse, JobTaken
from riyl.core.db.keys import Role
from riyl.core.errors import DatabaseError, NotFoundError
from riyl.core.settings import Home, Settings

router = APIRouter(prefix="/v1", tags=["jobs"], route_class=StrictRoute)

READER = RouteFacts(role=Role.READ)

WORD = re.compile(r"[\w.-]+")

NO_JOB = {404: "There is no such job."}
NO_EMBEDDINGS = {404: "There are no such embeddings.", 409: "The embeddings are damaged."}


JobPath = Annotated[str, Path(pattern=r"^[0-9a-z-]{1,64}$", description="Id of the job.")]


def find_job(jobs: LazyJobs, id: str) -> Job:
    """Find the job with exactly this id.

    Raises:
        NotFoundError: there is no such job.
        DatabaseDownError: the database cannot be reached.
    """
    job = jobs.open().get(id)
    if job.id != id:
        raise NotFoundError(f"there is no job {id!r}")
    return job


def _job(id: JobPath, jobs: TheJobs) -> Job:
    return find_job(jobs, id)


TheJob = Annotated[Job, Depends(_job)]


@router.post(
    "/jobs", status_code=202, summary="Submit a job", response_model=JobTaken, responses=problems(NO_EMBEDDINGS)
)
@RouteFacts(role=Role.ADMIN)
def ask_for_job(
    by: TheAuthor,
    authors: TheAuthors,
    jobs: TheJobs,
    settings: TheSettings,
    request: Annotated[JobRequest, Body()],
) -> Response:
    """Submit a job, which a worker runs in turn; an equal re-index or training that already waits is returned instead.

    Folders of tables must be inside RIYL_IMPORT_ROOT of the worker; configs are given by name.
    """
    _check_params(settings, request)
    job, joined = jobs.open().submit(JobKind(request.kind), request.params, by=by)
    return fresh(JobTaken.taken(job, authors(job.by), joined=joined), 202, {"location": f"/v1/jobs/{job.id}"})


@router.get("/jobs", summary="List jobs", response_model=JobsResponse)
@READER
def list_jobs(
    authors: TheAuthors,
    jobs: TheJobs,
    kind: Annotated[JobKind | None, Query(description="Only jobs of this kind.")] = None,
    state: Annotated[JobState | None, Query(description="Only jobs in this state.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Maximum number of jobs.")] = 50,
) -> Response:
    """List the jobs submitted last, the newest first."""
    job_list = jobs.open().all(kind=kind, state=state, limit=limit)
    return fresh(JobsResponse(jobs=[JobResponse.of(job, authors(job.by)) for job in job_list]))


@router.get("/jobs/{id}", summary="Get a job", response_model=JobResponse, responses=problems(NO_JOB))
@READER
def get_job(authors: TheAuthors, job: TheJob) -> Response:
    """Get the state, progress and result of a job."""
    return fresh(JobResponse.of(job, authors(job.by)))


@router.post(
    "/jobs/{id}/cancel",
    summary="Cancel a job",
    response_model=JobResponse,
    responses=problems(NO_JOB | {409: "The job has ended."}),
)
@RouteFacts(role=Role.ADMIN)
def cancel_job(authors: TheAuthors, job: TheJob, jobs: TheJobs) -> Response:
    """Cancel a job: a waiting job never runs, a running job stops at its next progress report."""
    return fresh(JobResponse.of(jobs.open().cancel(job.id), authors(job.by)))


@router.get(
    "/jobs/{id}/events",
    summary="Follow the progress of a job",
    response_class=EventSourceResponse,
    responses={
        **problems(NO_JOB),
        200: {"content": {"text/event-stream": {"schema": {}}}},
    },
)
@RouteFacts(role=Role.READ, concurrency=Concurrency.STREAMS)
async def job_events(
    authors: TheAuthors, job: TheJob, jobs: TheJobs, streams: TheStreams
) -> AsyncIterator[ServerSentEvent]:
    """Stream the job as JSON in server-sent events `job`, at once and after every change, until it has ended.

    The stream ends earlier if the service stops; a client can then connect again.
    """
    last_sent = None
    while True:
        answer = JobResponse.of(job, authors(job.by)).model_dump_json()
        if answer != last_sent:
            yield ServerSentEvent(event="job", raw_data=answer)
        last_sent = answer
        if job.state.ended or await _ends_within(streams):
            return
        try:
            job = await run_in_threadpool(find_job, jobs, job.id)
        except NotFoundError:
            return
        except DatabaseError:
            yield ServerSentEvent(comment="the database cannot be reached; trying again")


def _check_params(settings: Settings, request: JobRequest) -> None:
    """Check that the folder of a job is below the allowed root, and that embeddings that it names are stored.

    The worker checks the folder and the embeddings themselves.

    Raises:
        InputError: the folder is elsewhere.
        NotFoundError: there are no such embeddings.
        DamagedEmbeddingsError: they are damaged.
    """
    match request.params:
        case ReindexParams(tables=folder) | TrainParams(tables=folder) | ImportParams(source=folder):
            # a single word may be the id of tables or a dataset
            if folder is not None and (not WORD.fullmatch(folder) or folder == ".."):
                named_below(settings.import_root, folder)
        case EvaluateParams():
            with damage_raised_as(DamagedEmbeddingsError):
                check_embeddings(request.params, Home(settings.home))


async def _ends_within(streams: Streams) -> bool:
    """Wait until the next poll, or until the service ends; return whether it ends."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(streams.poll_s):
            await streams.ending.wait()
    return streams.ending.is_set()

"""Evaluations, which run as jobs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body
from starlette.responses import Response

from app import security
from app.deps import BODY, INVALID, UNREACHABLE, TheDatabase, TheJobs, fresh
from app.errors import problems
from app.jobs.types import EvaluateParams, Job, JobKind, JobState
from app.routes.jobs import JobPath, find_job
from app.schemas_jobs import EXAMPLE_ASKED, EXAMPLE_EVALUATION, EvaluationAnswer
from app.security import TheAdmin
from core.db.evaluations import find_evaluation
from core.errors import NotFoundError

router = APIRouter(prefix="/v1", tags=["evaluations"])

EXAMPLE_WAITING = {**EXAMPLE_EVALUATION, "state": "waiting", "at": None, "figures": None}


@router.post(
    "/evaluations",
    status_code=202,
    summary="Ask for an evaluation",
    response_model=EvaluationAnswer,
    responses={
        **problems(security.PROBLEMS | BODY | INVALID | UNREACHABLE),
        202: {"content": {"application/json": {"example": EXAMPLE_WAITING}}},
    },
)
def ask_for_evaluation(
    admin: TheAdmin,
    jobs: TheJobs,
    asked: Annotated[EvaluateParams, Body(examples=[EXAMPLE_ASKED])],
) -> Response:
    """Hold models, baselines or a version against a truth: nDCG and Gini with intervals, as `riyl evaluate` does."""
    job, _ = jobs.open().submit(JobKind.EVALUATE, asked, by=security.author(admin))
    return fresh(_unfinished(job), 202, {"location": f"/v1/evaluations/{job.id}"})


@router.get(
    "/evaluations/{id}",
    summary="What an evaluation found",
    response_model=EvaluationAnswer,
    responses=problems({404: "There is no such evaluation."} | INVALID | UNREACHABLE),
)
def get_evaluation(id: JobPath, database: TheDatabase, jobs: TheJobs) -> Response:
    """Its figures once it is done, and until then the state of its job."""
    found = find_evaluation(database, id)
    if found is not None:
        done = EvaluationAnswer(id=found.id, state=JobState.DONE, asked=found.asked, at=found.at, figures=found.figures)
        return fresh(done)
    job = find_job(jobs, id)
    if job.kind is not JobKind.EVALUATE:
        raise NotFoundError(f"the job {id!r} is no evaluation: found the kind {job.kind}")
    return fresh(_unfinished(job))


def _unfinished(job: Job) -> EvaluationAnswer:
    return EvaluationAnswer(id=job.id, state=job.state, asked=job.params, error=job.error)

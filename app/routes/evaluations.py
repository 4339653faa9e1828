"""Routes of evaluations: start one as a job, and read the results of stored ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Path, Query
from starlette.responses import HTMLResponse, Response

from riyl.app.evaluations.comparison import compare, side
from riyl.app.evaluations.queries import query_results
from riyl.app.evaluations.store import files_of, has_files, stored, systems_in
from riyl.app.http.auth import Authors, TheAuthor, TheAuthors
from riyl.app.http.dependencies import TheDatabase, TheJobs, TheReloader, TheSettings, fresh
from riyl.app.http.errors import damage_raised_as, problems
from riyl.app.http.media_types import NO_STORE
from riyl.app.http.request_errors import DamagedEmbeddingsError, DamagedEvaluationError
from riyl.app.http.route_facts import RouteFacts
from riyl.app.http.strict_route import StrictRoute
from riyl.app.jobs.questions import check_embeddings
from riyl.app.jobs.types import EvaluateParams, Job, JobKind, JobState
from riyl.app.routes.jobs import NO_EMBEDDINGS, find_job
from riyl.app.schemas.comparison import ComparedResponse, ComparisonResponse, SideResponse
from riyl.app.schemas.evaluations import (
    EvaluationResponse,
    EvaluationsResponse,
    MeasuredQuery,
    OutlineResponse,
    QueriesResponse,
)
from riyl.app.schemas.jobs import JobResponse
from riyl.app.services.artists import names_of
from riyl.core.db.evaluations import Outline, find_evaluation, list_evaluations
from riyl.core.db.keys import Role
from riyl.core.errors import NotFoundError
from riyl.core.settings import Home

router = APIRouter(prefix="/v1", tags=["evaluations"], route_class=StrictRoute)


REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
"""Content security policy of a report, which is static: nothing in it may run or be fetched."""


UNFINISHED = frozenset({JobState.WAITING, JobState.RUNNING, JobState.FAILED})

ID = r"^[0-9a-z-]{1,64}$"
TEXT = r"^[^\x00]*$"
"""Pattern of text without NUL, the one character that PostgreSQL does not store."""

NO_FILES = {404: "There is no such evaluation, condition or system, or its files are not in this home."}
DAMAGED = {409: "A file of the evaluation is damaged; `detail` names it."}

RunPath = Annotated[str, Path(pattern=ID, description="Id of the evaluation.")]


@router.post(
    "/evaluations",
    status_code=202,
    summary="Start an evaluation",
    response_model=EvaluationResponse,
    responses=problems(NO_EMBEDDINGS),
)
@RouteFacts(role=Role.ADMIN)
def ask_for_evaluation(
    by: TheAuthor, authors: TheAuthors, jobs: TheJobs, settings: TheSettings, params: Annotated[EvaluateParams, Body()]
) -> Response:
    """Start a job that measures systems on a ground truth: nDCG and Gini with intervals, as `riyl evaluate` does."""
    with damage_raised_as(DamagedEmbeddingsError):
        check_embeddings(params, Home(settings.home))
    job, _ = jobs.open().submit(JobKind.EVALUATE, params, by=by)
    return fresh(_unfinished(job, authors), 202, {"location": f"/v1/evaluations/{job.id}"})


@router.get(
    "/evaluations",
    summary="List evaluations",
    response_model=EvaluationsResponse,
    responses=problems({404: "There is no evaluation with the id `before`."}),
)
def get_evaluations(
    authors: TheAuthors,
    database: TheDatabase,
    jobs: TheJobs,
    truth: Annotated[
        str | None,
        Query(max_length=200, pattern=TEXT, description="Only evaluations on this ground truth, by name or id."),
    ] = None,
    version: Annotated[
        str | None,
        Query(
            pattern="^[0-9a-f]{1,16}$",
            description="Only evaluations of this version of the index, by id or a prefix of it.",
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Maximum number of evaluations.")] = 50,
    before: Annotated[
        str | None,
        Query(
            pattern=ID,
            description="Only evaluations after this one in the list, for paging.",
        ),
    ] = None,
) -> Response:
    """List stored evaluations, the newest first, each with the figures of its reference.

    The first page, if requested without a ground truth or version, also has the jobs that wait, run or failed.
    """
    outlines = list_evaluations(database, truth=truth, version=version, limit=limit, before=before)
    recent_jobs = [] if truth or version or before else jobs.open().all(kind=JobKind.EVALUATE)
    return fresh(
        EvaluationsResponse(
            evaluations=[_outline(each, authors) for each in outlines],
            jobs=[JobResponse.of(job, authors(job.by)) for job in recent_jobs if job.state in UNFINISHED],
        )
    )


# registered before the next route, whose id would match "compare"
@router.get(
    "/evaluations/compare",
    summary="Compare two evaluations",
    response_model=ComparisonResponse,
    responses=problems(
        NO_FILES | {409: "Ground truth or k differ, no condition is in both, or a file is damaged; see `detail`."}
    ),
)
def compare_evaluations(
    settings: TheSettings,
    database: TheDatabase,
    reloader: TheReloader,
    a: Annotated[str, Query(pattern=ID, description="Id of the first evaluation.")],
    b: Annotated[str, Query(pattern=ID, description="Id of the second evaluation, which may be the first.")],
    system_a: Annotated[
        str | None,
        Query(max_length=200, description="System of a; default: its reference."),
    ] = None,
    system_b: Annotated[str | None, Query(max_length=200, description="System of b; default: its reference.")] = None,
) -> Response:
    """Compare two evaluations in each condition that both have.

    Returns the mean difference of nDCG over the common queries, with its interval by paired bootstrap, and the queries
    on which the two differ most.
    """
    home = Home(settings.home)
    with damage_raised_as(DamagedEvaluationError):
        left, right = (
            side(stored(database, id), files_of(home, id), system) for id, system in ((a, system_a), (b, system_b))
        )
        comparisons = compare(left, right)
    names = names_of(
        reloader.searcher,
        (each.artist_id for comparison in comparisons for each in (*comparison.gained, *comparison.lost)),
    )
    outline = left.run.outline
    return fresh(
        ComparisonResponse(
            truth=outline.truth,
            truth_name=outline.truth_name,
            k=outline.k,
            a=SideResponse.of(left),
            b=SideResponse.of(right),
            conditions=[ComparedResponse.of(each, names) for each in comparisons],
        )
    )


@router.get(
    "/evaluations/{id}",
    summary="Get an evaluation",
    response_model=EvaluationResponse,
    responses=problems({404: "There is no such evaluation."}),
)
def get_evaluation(
    id: RunPath, authors: TheAuthors, settings: TheSettings, database: TheDatabase, jobs: TheJobs
) -> Response:
    """Get the figures of an evaluation, or the state of its job until it is done."""
    evaluation = find_evaluation(database, id)
    if evaluation is not None:
        done = EvaluationResponse(
            id=evaluation.id,
            state=JobState.DONE,
            request=evaluation.request,
            at=evaluation.at,
            by=_outline(evaluation.outline, authors).by,
            files=has_files(Home(settings.home), id),
            figures=evaluation.figures,
        )
        return fresh(done)
    try:
        job = find_job(jobs, id)
    except NotFoundError as error:
        raise NotFoundError(f"there is no evaluation {id!r}") from error
    if job.kind is not JobKind.EVALUATE:
        raise NotFoundError(f"job {id!r} is not an evaluation: found the kind {job.kind}")
    return fresh(_unfinished(job, authors))


@router.get(
    "/evaluations/{id}/report",
    summary="Get the report of an evaluation",
    response_class=HTMLResponse,
    responses={
        **problems(NO_FILES | DAMAGED),
        200: {"content": {"text/html": {"schema": {"type": "string"}}}},
    },
)
def get_report(id: RunPath, settings: TheSettings, database: TheDatabase) -> Response:
    """Get a self-contained page without scripts that shows tables, figures and the protocol."""
    stored(database, id)
    with damage_raised_as(DamagedEvaluationError):
        report = files_of(Home(settings.home), id).report()
    return HTMLResponse(report, headers={**NO_STORE, "content-security-policy": REPORT_POLICY})


@router.get(
    "/evaluations/{id}/artists",
    summary="List the queries of an evaluation with the worst results",
    response_model=QueriesResponse,
    responses=problems(NO_FILES | DAMAGED),
)
def get_queries(
    id: RunPath,
    settings: TheSettings,
    database: TheDatabase,
    reloader: TheReloader,
    sort: Annotated[Literal["worst", "best"], Query(description="Order by nDCG.")] = "worst",
    condition: Annotated[
        str | None, Query(max_length=200, description="Default: the first one of the evaluation.")
    ] = None,
    system: Annotated[str | None, Query(max_length=200, description="Default: the reference, the first one.")] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Maximum number of queries.")] = 20,
    offset: Annotated[int, Query(ge=0, le=10_000_000, description="Number of queries to skip.")] = 0,
) -> Response:
    """List queries by nDCG, equal ones by id, each with the artists that were expected and those that were found."""
    run, home = stored(database, id), Home(settings.home)
    measured = systems_in(run.figures)
    condition = next(iter(measured), "") if condition is None else condition
    if condition not in measured:
        raise NotFoundError(f"condition: found {condition!r}; wanted one of {', '.join(measured) or 'none'}")
    system = measured[condition][0] if system is None else system
    if system not in measured[condition]:
        raise NotFoundError(f"system: found {system!r}; wanted one of {', '.join(measured[condition])}")
    with damage_raised_as(DamagedEvaluationError):
        total, queries = query_results(
            files_of(home, id),
            home.truths / str(run.outline.truth),
            condition,
            system,
            best=sort == "best",
            limit=limit,
            offset=offset,
        )
    ids = [
        each
        for query in queries
        for each in (query.artist_id, *(id for id, _ in query.expected), *(id for id, _ in query.retrieved))
    ]
    names = names_of(reloader.searcher, ids)
    artists = [MeasuredQuery.of(query, names) for query in queries]
    return fresh(QueriesResponse(id=id, condition=condition, system=system, total=total, artists=artists))


def _outline(outline: Outline, authors: Authors) -> OutlineResponse:
    by = None if outline.by is None else authors(outline.by)
    return OutlineResponse.model_validate(replace(outline, by=by))


def _unfinished(job: Job, authors: Authors) -> EvaluationResponse:
    shown = JobResponse.of(job, authors(job.by))
    return EvaluationResponse(id=job.id, state=job.state, request=shown.params, by=shown.by, error=shown.error)

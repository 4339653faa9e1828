"""For those who run the service: is it alive, is it ready, what has it done."""

from __future__ import annotations

from fastapi import APIRouter, Request
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

from riyl.app.http.dependencies import NOT_SERVED, TheDatabase, TheMetrics, TheOwnWorker, TheReloader, serving_state
from riyl.app.http.errors import problems
from riyl.app.http.request_errors import NotReadyError
from riyl.app.http.route_facts import OPEN
from riyl.app.schemas.health import Alive, OwnWorkerResponse, Ready, Refused

router = APIRouter(tags=["operation"])

NO_STORE = {"cache-control": "no-store"}


@router.get("/healthz", summary="Is the process alive", response_model=Alive)
@OPEN
async def healthz() -> Response:
    """Answers as long as the process does; says nothing of versions."""
    return Response(Alive(status="alive").model_dump_json(), headers=NO_STORE, media_type="application/json")


@router.get(
    "/readyz", summary="Does the service answer queries", response_model=Ready, responses=problems({503: NOT_SERVED})
)
@OPEN
async def readyz(request: Request, reloader: TheReloader, database: TheDatabase, own_worker: TheOwnWorker) -> Response:
    """200 with the version that serves, `refused` where a newer promoted one is damaged or of a foreign format, and
    `worker` where the service has one of its own: queries are answered also while it cannot run.

    200 and the status "degraded" where the database is not believed, as one is that was restored from an old backup,
    or where its storage was damaged, full or read-only within the last minute: queries are answered as before, changes
    are refused. 503 says what to run.
    """
    worker = None if own_worker.now is None else OwnWorkerResponse.model_validate(own_worker.now)
    try:
        state = await serving_state(request, reloader)
    except NotReadyError as error:
        if worker is None or worker.state != "failed":
            raise
        raise NotReadyError(f"{error}; and the worker, which would run jobs, fails: {worker.reason}") from error
    refused = reloader.refused
    unbelieved = [] if reloader.unbelieved is None else [reloader.unbelieved]
    reasons = dict.fromkeys((*unbelieved, *database.faults.recent()))
    ready = Ready(
        status="degraded" if reasons else "ready",
        version=state.searcher.version_id,
        refused=None if refused is None else Refused.model_validate(refused),
        worker=worker,
        database="; ".join(reasons) or None,
    )
    excluded = {"worker"} if worker is None else set()
    return Response(ready.model_dump_json(exclude=excluded), headers=NO_STORE, media_type="application/json")


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
@OPEN
async def metrics(metrics: TheMetrics) -> Response:
    """Requests and latency by route template and status; the version that serves, its artists; the process."""
    return Response(metrics.render(), headers={**NO_STORE, "content-type": CONTENT_TYPE_LATEST})

"""Routes for operators: liveness, readiness and metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

from riyl.app.http.dependencies import NOT_SERVED, TheDatabase, TheMetrics, TheOwnWorker, TheReloader, serving_state
from riyl.app.http.errors import problems
from riyl.app.http.media_types import NO_STORE
from riyl.app.http.request_errors import NotReadyError
from riyl.app.http.route_facts import OPEN
from riyl.app.schemas.health import Alive, OwnWorkerResponse, Ready, Refused

router = APIRouter(tags=["operation"])


@router.get("/healthz", summary="Check that the process is alive", response_model=Alive)
@OPEN
async def healthz() -> Response:
    """Confirm that the process runs, whatever the state of versions."""
    return Response(Alive(status="alive").model_dump_json(), headers=NO_STORE, media_type="application/json")


@router.get(
    "/readyz", summary="Check that the service is ready", response_model=Ready, responses=problems({503: NOT_SERVED})
)
@OPEN
async def readyz(request: Request, reloader: TheReloader, database: TheDatabase, own_worker: TheOwnWorker) -> Response:
    """Check that the service answers queries.

    Answers 200 with the version that serves. `refused` is set if a newer promoted version is damaged or has a foreign
    format, and `worker` if the service has a worker of its own; queries are answered even if the worker cannot run.

    The status is "degraded", also with 200, if the database is not trusted, as after a restore from an old backup, or
    if its storage was damaged, full or read-only within the last minute: queries are answered as before, and changes
    are refused. A 503 names the command to run.
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
    summary="Get metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
@OPEN
async def metrics(metrics: TheMetrics) -> Response:
    """Get counts and latencies of requests by route and status, the version that serves, and process metrics."""
    return Response(metrics.render(), headers={**NO_STORE, "content-type": CONTENT_TYPE_LATEST})

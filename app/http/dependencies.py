"""Dependencies of routes (the state of the app, the serving version), and the responses that routes send."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, FastAPI, Request
from pydantic import BaseModel
from starlette.responses import Response

from riyl.app.http.media_types import NO_STORE
from riyl.app.http.metrics import Metrics
from riyl.app.http.request_errors import NotReadyError
from riyl.app.http.request_scope import request_context_of
from riyl.app.jobs.child import WorkerMonitor
from riyl.app.jobs.lazy_client import LazyJobs
from riyl.app.serving.reloader import VersionReloader
from riyl.app.serving.state import ServingState
from riyl.core.db.session import Database
from riyl.core.settings import Settings

VERSIONED: dict[int | str, dict[str, str]] = {304: {"description": "The client has this response already."}}
"""OpenAPI responses of a route that answers with `versioned`."""

NOT_SERVED = "No version is served yet; `detail` names the command to run."
UNREACHABLE = (
    "The database cannot be reached or is locked, and Retry-After says when to retry; or it is damaged, accepts no "
    "writes or is not believed, and `detail` says how to repair that."
)
NO_ROOM = "A disk of the service is full; `detail` names the file."
"""Descriptions of the statuses 503 and 507 of an operation, by its dependencies; see `UNAVAILABLE` and `STORING`."""

NO_VERSION = "there is no promoted version in this home; make one with: riyl index build --promote"


@dataclass(frozen=True)
class Streams:
    """Settings of responses that do not end by themselves.

    Attributes:
        poll_s: polling interval of the thing that is streamed, in seconds.
        ending: set when the service is about to end; streams end then too.
    """

    poll_s: float
    ending: asyncio.Event


Held = TypeVar("Held")


def held(app: FastAPI, name: str, kind: type[Held]) -> Held:
    """Return an object that `create_app` put into the app's state.

    Raises:
        TypeError: the object is of another type.
    """
    value = app.state[name]
    if not isinstance(value, kind):
        raise TypeError(f"app.state.{name} is {type(value).__name__}; wanted {kind.__name__}")
    return value


def from_state(name: str, kind: type[Held]) -> Callable[[Request], Awaitable[Held]]:
    async def find(request: Request) -> Held:
        return held(request.app, name, kind)

    return find


_database = from_state("database", Database)
_jobs = from_state("jobs", LazyJobs)

TheReloader = Annotated[VersionReloader, Depends(from_state("reloader", VersionReloader))]
TheMetrics = Annotated[Metrics, Depends(from_state("metrics", Metrics))]
TheSettings = Annotated[Settings, Depends(from_state("settings", Settings))]
TheDatabase = Annotated[Database, Depends(_database)]
TheJobs = Annotated[LazyJobs, Depends(_jobs)]
TheOwnWorker = Annotated[WorkerMonitor, Depends(from_state("own_worker", WorkerMonitor))]
TheStreams = Annotated[Streams, Depends(from_state("streams", Streams))]
TheUploads = Annotated[asyncio.Lock, Depends(from_state("uploads", asyncio.Lock))]
"""Lock that lets one upload be read at a time: the process that reads it may take 768 MB of memory."""


async def serving_state(request: Request, reloader: TheReloader) -> ServingState:
    """Return the state that answers a request.

    Raises:
        NotReadyError: no version is served.
    """
    state = reloader.state
    if state is None:
        refused = reloader.refused
        reason = NO_VERSION if refused is None else f"the promoted version is refused: {refused.reason}"
        raise NotReadyError(reason if reloader.unbelieved is None else f"{reason}; {reloader.unbelieved}")
    request_context_of(request.scope).version = state.searcher.version_id
    return state


TheState = Annotated[ServingState, Depends(serving_state)]
"""Version and rules that answer, read once per request; 503 where no version is served."""

UNAVAILABLE: Mapping[object, str] = {serving_state: NOT_SERVED, _database: UNREACHABLE, _jobs: UNREACHABLE}
"""Description of the status 503 of an operation, by its dependencies."""

STORING = frozenset[object]({_database, _jobs})
"""Dependencies of an operation that may meet a full disk, also where it only reads: SQLite writes its log."""


def versioned(request: Request, state: ServingState, model: BaseModel, link: str | None = None) -> Response:
    """Return the model as JSON with the entity tag of its version and rules, or 304 for a client that has it.

    `link` is the header Link of a page; None where there is no other page.
    """
    headers = {"etag": state.etag, "cache-control": "no-cache"}
    if state.not_modified(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    if link is not None:
        headers["link"] = link
    return Response(model.model_dump_json(), headers=headers, media_type="application/json")


def fresh(model: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return the model as JSON that is current now and must not be cached."""
    return Response(model.model_dump_json(), status, {**NO_STORE, **(headers or {})}, "application/json")

"""The service: FastAPI over the promoted version of a home. Importing this module does nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import faiss
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from app.admission import Admission
from app.bounds import PART_S, BoundedBody
from app.deps import LazyJobs, Streams
from app.describing import describe_bodies, describe_limits
from app.errors import MEDIA_TYPE, add_error_handlers
from app.examples import add_examples, load_examples
from app.jobs.child import WorkerWatch
from app.keyring import Keyring
from app.logs import RequestLog
from app.observe import Metrics, Observed
from app.overload import Gates, Placed, Shed
from app.rates import Rates
from app.routes import (
    artists,
    changes,
    docs,
    evaluations,
    health,
    index,
    jobs,
    page,
    rules,
    similar,
    truths,
    versions,
)
from app.shortway import QuestionShortWay
from app.similar import MOST_BYTES, SimilarShortWay
from app.watch import POLL_S, Serving
from core.db.session import Database
from core.settings import Home, Settings, load_settings

DESCRIPTION = (
    "Who is similar to an artist. Every answer about artists names the index version it comes from, in its body and "
    "in the header RIYL-Version, and carries it as its ETag. What changes anything needs a key: `riyl keys create`. "
    "Every error is application/problem+json. X-Request-ID is taken over where it is sane, and is in every answer and "
    "in the log."
)

CORS_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
CORS_ASKED = ("Authorization", "Idempotency-Key", "If-None-Match", "X-Request-ID")
CORS_TOLD = ("ETag", "Location", "Retry-After", "RIYL-Version", "X-Request-ID")
"""Headers that pages of other origins may send, and read."""

EVENTS_S = 1.0
"""Between looks at a job that somebody hears of."""

VERSION_HEADERS = {
    "RIYL-Version": "Id of the index version that answered.",
    "ETag": "The version, with the editorial rules where there are any, as an entity tag; send it as If-None-Match and "
    "get 304 while nothing has changed.",
}
LOCATION = {"201": "Where it is.", "202": "Where to ask how far it is.", "301": "Who it is now."}
"""What the header Location says, by status."""


def create_app(
    settings: Settings,
    *,
    poll_s: float = POLL_S,
    most_bytes: int = MOST_BYTES,
    events_s: float = EVENTS_S,
    part_s: float = PART_S,
) -> FastAPI:
    """The service over the home that the settings name.

    Before it accepts requests it opens the promoted version; from then on it looks for another one every `poll_s`
    seconds and takes it up while it answers from the old one.

    Args:
        settings: the home, its database, the limits of the service and of the gate of versions.
        poll_s: seconds between looks.
        most_bytes: of answers to "who is similar" that are kept ready; 0 keeps none.
        events_s: seconds between looks at a job that somebody hears of.
        part_s: seconds within which each part of a body comes.
    """
    metrics = Metrics()
    requests = RequestLog()
    database = Database.of(settings)
    serving = Serving(Home(settings.home), database, metrics)
    lazy_jobs = LazyJobs(settings, database)
    keyring = Keyring(database)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # one thread for one query: more of them wait for each other longer than they work
        faiss.omp_set_num_threads(1)
        await asyncio.to_thread(serving.look)
        watcher = asyncio.create_task(serving.watch(poll_s))
        yield
        watcher.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watcher
        await asyncio.to_thread(serving.end)
        requests.flush()
        lazy_jobs.close()
        keyring.close()
        database.close()

    app = FastAPI(
        title="RIYL",
        description=DESCRIPTION,
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        strict_content_type=False,
        generate_unique_id_function=_operation_id,
        lifespan=lifespan,
        # asked of the environment anew for each request; RIYL has its own metrics
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.settings = settings
    app.state.database = database
    app.state.serving = serving
    app.state.metrics = metrics
    app.state.own_worker = WorkerWatch(metrics)
    app.state.jobs = lazy_jobs
    app.state.streams = Streams(events_s, asyncio.Event())
    app.state.uploads = asyncio.Lock()
    gates = app.state.gates = Gates(settings, metrics)
    for module in (artists, changes, similar, index, versions, rules, jobs, evaluations, truths, health, docs, page):
        app.include_router(module.router)
    app.mount("/web", page.web_files())
    add_error_handlers(app)
    # outside of FastAPI's own: what Observed does, they do too, and a ready answer should pass through nothing else
    placed = Placed(QuestionShortWay(app.build_middleware_stack(), serving), gates)
    stack: ASGIApp = Shed(BoundedBody(placed, partial(metrics.shed, "bodies"), part_s), gates)
    stack = SimilarShortWay(stack, serving, most_bytes)
    if settings.require_key or settings.rate_limit is not None:
        rates = None if settings.rate_limit is None else Rates(settings.rate_limit)
        stack = Admission(stack, keyring, rates, metrics, require_key=settings.require_key)
    stack = Observed(stack, metrics, requests)
    if settings.cors_origins:
        stack = CORSMiddleware(
            stack,
            allow_origins=settings.cors_origins,
            allow_methods=CORS_METHODS,
            allow_headers=CORS_ASKED,
            expose_headers=CORS_TOLD,
        )
    app.middleware_stack = stack
    document = _describe(app, settings)
    app.openapi = lambda: document  # type: ignore[method-assign]
    return app


def from_environment() -> FastAPI:
    """The service over RIYL_HOME, for `uvicorn --factory app.main:from_environment`."""
    return create_app(load_settings())


def _operation_id(route: APIRoute) -> str:
    return route.name


def _describe(app: FastAPI, settings: Settings) -> dict[str, Any]:
    """The OpenAPI document, with what FastAPI does not know: the errors' media type, and our headers."""
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    for operations in document["paths"].values():
        for operation in operations.values():
            responses = operation["responses"]
            for status, response in responses.items():
                if status >= "4":
                    (content,) = response["content"].values()
                    response["content"] = {MEDIA_TYPE: content}
            if "304" in responses:
                responses["200"]["headers"] = _headers(VERSION_HEADERS)
            for status in responses.keys() & LOCATION.keys():
                responses[status]["headers"] = _headers({"Location": LOCATION[status]})
    describe_bodies(document)
    describe_limits(document, settings)
    add_examples(document, load_examples())
    return document


def _headers(texts: dict[str, str]) -> dict[str, Any]:
    return {name: {"description": text, "schema": {"type": "string"}} for name, text in texts.items()}

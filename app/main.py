"""The service: FastAPI over the promoted version of a home. Importing this module does nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial

import faiss
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

from riyl.app.http.access import AccessControlMiddleware
from riyl.app.http.body_limits import PART_S
from riyl.app.http.dependencies import Streams, held
from riyl.app.http.errors import add_error_handlers
from riyl.app.http.hosts import allowed_hosts
from riyl.app.http.key_cache import KeyCache
from riyl.app.http.limited_route import RequestLimits
from riyl.app.http.logging import RequestLog
from riyl.app.http.metrics import Metrics
from riyl.app.http.openapi import build_openapi
from riyl.app.http.rate_limit import RateLimiter
from riyl.app.http.request_context import RequestContextMiddleware
from riyl.app.http.route_facts import NO_FACTS, OpenPaths
from riyl.app.jobs.child import WorkerMonitor
from riyl.app.jobs.lazy_client import LazyJobs
from riyl.app.routes import (
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
from riyl.app.routes.query_fast_path import QueryFastPath
from riyl.app.routes.similar_fast_path import SimilarFastPath
from riyl.app.services.similar import MAX_BYTES
from riyl.app.serving.reloader import POLL_S, VersionReloader
from riyl.core.db.session import Database
from riyl.core.settings import Home, Settings, load_settings
from riyl.core.storage.earlier_homes import check_home

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


class Service(FastAPI):
    """The FastAPI application, with middlewares in front of all of its own layers.

    FastAPI and Starlette put six layers around every route, which together take as long as a ready answer; a
    middleware that is added in their own way stands inside of three of them.

    Attributes:
        outer: the middlewares, the outermost first.
    """

    outer: Sequence[Middleware] = ()

    def build_middleware_stack(self) -> ASGIApp:
        """The layers that answer a request; Starlette asks for them once."""
        app = super().build_middleware_stack()
        for middleware, args, kwargs in reversed(self.outer):
            app = middleware(app, *args, **kwargs)
        return app


def create_app(
    settings: Settings,
    *,
    poll_s: float = POLL_S,
    most_bytes: int = MAX_BYTES,
    events_s: float = EVENTS_S,
    part_s: float = PART_S,
) -> FastAPI:
    """The service over the home that the settings name.

    Before it accepts requests it opens the promoted version; from then on it looks for another one every `poll_s`
    seconds and takes it up while it answers from the old one.

    Args:
        settings: the home, its database, the limits of the service and of the quality checks of versions.
        poll_s: seconds between looks.
        most_bytes: of answers to "who is similar" that are kept ready; 0 keeps none.
        events_s: seconds between looks at a job that somebody hears of.
        part_s: seconds within which each part of a body comes.

    Raises:
        OutdatedError: the home is of an earlier release.
    """
    check_home(Home(settings.home))
    metrics = Metrics()
    requests = RequestLog()
    database = Database.of(settings)
    metrics.watch_storage(database.faults.recent)
    reloader = VersionReloader(Home(settings.home), database, metrics)
    lazy_jobs = LazyJobs(settings, database)
    key_cache = KeyCache(database)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # one thread for one query: more of them wait for each other longer than they work
        faiss.omp_set_num_threads(1)
        await asyncio.to_thread(reloader.poll)
        watcher = asyncio.create_task(reloader.run(poll_s))
        yield
        watcher.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watcher
        await asyncio.to_thread(reloader.end)
        requests.flush()
        lazy_jobs.close()
        key_cache.close()
        database.close()

    app = Service(
        title="RIYL",
        description=DESCRIPTION,
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # FastAPI writes the document anew for each request; see riyl.app.routes.docs
        redirect_slashes=False,
        strict_content_type=False,
        generate_unique_id_function=_operation_id,
        lifespan=lifespan,
        # asked of the environment anew for each request; RIYL has its own metrics
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.settings = settings
    app.state.database = database
    app.state.reloader = reloader
    app.state.key_cache = key_cache
    app.state.metrics = metrics
    app.state.own_worker = WorkerMonitor(metrics)
    app.state.jobs = lazy_jobs
    app.state.streams = Streams(events_s, asyncio.Event())
    app.state.uploads = asyncio.Lock()
    limits = app.state.limits = RequestLimits(settings, metrics, part_s)
    # in the order in which they are asked for: every one before is tried first
    for module in (similar, artists, changes, index, versions, rules, jobs, evaluations, truths, health, docs, page):
        app.include_router(module.router)
    app.mount("/web", page.web_files())
    app.router.default = partial(limits.run, app.router.not_found, NO_FACTS)
    add_error_handlers(app)
    app.outer = list(_outer(app, settings, reloader, key_cache, metrics, requests, most_bytes))
    document = build_openapi(app, settings)
    app.openapi = lambda: document  # type: ignore[method-assign]
    app.state.openapi = JSONResponse(document).body
    return app


def _outer(
    app: FastAPI,
    settings: Settings,
    reloader: VersionReloader,
    key_cache: KeyCache,
    metrics: Metrics,
    requests: RequestLog,
    most_bytes: int,
) -> Iterator[Middleware]:
    """The middlewares of a service with these settings, the outermost first."""
    if settings.cors_origins:
        yield Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=CORS_METHODS,
            allow_headers=CORS_ASKED,
            expose_headers=CORS_TOLD,
        )
    yield Middleware(RequestContextMiddleware, metrics, requests, allowed_hosts(settings))
    if settings.require_key or settings.rate_limit is not None:
        rate_limiter = None if settings.rate_limit is None else RateLimiter(settings.rate_limit)
        yield Middleware(
            AccessControlMiddleware,
            key_cache,
            rate_limiter,
            metrics,
            OpenPaths.of(app.routes),
            require_key=settings.require_key,
        )
    routes = {each.endpoint: each for each in iter_route_contexts(app.routes)}
    yield Middleware(SimilarFastPath, routes[artists.similar_artists], reloader, most_bytes)
    yield Middleware(QueryFastPath, routes[similar.similar_to], reloader, held(app, "limits", RequestLimits))


def from_environment() -> FastAPI:
    """The service over RIYL_HOME, for `uvicorn --factory riyl.app.main:from_environment`."""
    return create_app(load_settings())


def _operation_id(route: APIRoute) -> str:
    return route.name

"""Application factory of the service: FastAPI over the promoted version of a home. Importing it has no side effects."""

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

from riyl.app.compat import audiomuse, lidarr, listenbrainz
from riyl.app.compat.lastfm import route as lastfm
from riyl.app.compat.lastfm.fast_path import LastfmFastPath
from riyl.app.compat.lastfm.upstream import LastfmUpstream
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
from riyl.app.http.proxy import ProxyMiddleware, TrustedProxies
from riyl.app.http.rate_limit import RateLimiter
from riyl.app.http.request_context import RequestContextMiddleware
from riyl.app.http.route_facts import NO_FACTS, OpenPaths, facts_of_dialects
from riyl.app.jobs.child import WorkerMonitor
from riyl.app.jobs.lazy_client import LazyJobs
from riyl.app.routes import (
    aliases,
    artists,
    changes,
    docs,
    embeddings,
    evaluations,
    export,
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
    "Similar artists over HTTP. Every response about artists names its index version in its body and in the header "
    "RIYL-Version, and carries it as its ETag. Requests that change anything need a key: `riyl keys create`. "
    "Every error is application/problem+json. A valid X-Request-ID is adopted, else one is made; it is in every "
    "response and in the log."
)

CORS_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
CORS_ASKED = ("Authorization", "Idempotency-Key", "If-None-Match", "X-Request-ID")
CORS_TOLD = ("ETag", "Link", "Location", "Retry-After", "RIYL-Version", "X-Request-ID")
"""Headers that pages of other origins may send (CORS_ASKED) and read (CORS_TOLD)."""

EVENTS_S = 1.0
"""Polling interval of job event streams, in seconds."""


class Service(FastAPI):
    """FastAPI application whose own middlewares run before all layers of the framework.

    FastAPI and Starlette put six layers around every route, which together take as long as a cached response; a
    middleware added by their API runs inside three of them.

    Attributes:
        outer: the middlewares, the outermost first.
    """

    outer: Sequence[Middleware] = ()

    def build_middleware_stack(self) -> ASGIApp:
        """Build the layers that answer a request; Starlette calls this once."""
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
    """Create the service over the home that the settings name.

    Before it accepts requests, the service opens the promoted version; after that it checks for another promoted
    version every `poll_s` seconds, and loads it while the old one answers.

    Args:
        settings: the home, its database, the limits of the service and the quality checks of versions.
        poll_s: interval of the checks for another version, in seconds.
        most_bytes: maximum size of the cache of GET similar responses, in bytes; 0 disables the cache.
        events_s: polling interval of job event streams, in seconds.
        part_s: maximum time for each part of a request body, in seconds.

    Raises:
        OutdatedError: an earlier release made the home.
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
        # one thread per query: several threads wait for each other longer than they work
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
        openapi_url=None,  # FastAPI would serialise the document at each request; see riyl.app.routes.docs
        redirect_slashes=False,
        strict_content_type=False,
        generate_unique_id_function=_operation_id,
        lifespan=lifespan,
        # FastAPI would read these from the environment at each request; RIYL has its own metrics
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
    # the most requested first: routes are tried in this order
    resources = (artists, changes, index, versions, rules, jobs, evaluations, truths, embeddings, aliases, export)
    for module in (similar, *resources, lastfm, listenbrainz, lidarr, audiomuse, health, docs, page):
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
    """Yield the middlewares of a service with these settings, the outermost first."""
    if settings.root_path or settings.trusted_proxies:
        yield Middleware(ProxyMiddleware, TrustedProxies(settings.trusted_proxies), settings.root_path)
    if settings.cors_origins:
        yield Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=CORS_METHODS,
            allow_headers=CORS_ASKED,
            expose_headers=CORS_TOLD,
        )
    dialects, limits = facts_of_dialects(app.routes), held(app, "limits", RequestLimits)
    yield Middleware(RequestContextMiddleware, metrics, requests, allowed_hosts(settings), dialects)
    if settings.require_key or settings.rate_limit is not None:
        rate_limiter = None if settings.rate_limit is None else RateLimiter(settings.rate_limit)
        yield Middleware(
            AccessControlMiddleware,
            key_cache,
            rate_limiter,
            metrics,
            OpenPaths.of(app.routes),
            dialects,
            limits.bodies,
            require_key=settings.require_key,
        )
    contexts = list(iter_route_contexts(app.routes))
    routes = {each.endpoint: each for each in contexts}
    yield Middleware(SimilarFastPath, routes[artists.similar_artists], reloader, most_bytes)
    lastfm_routes = [each for each in contexts if each.endpoint is lastfm.lastfm]
    if settings.lastfm_upstream is not None:
        yield Middleware(LastfmUpstream, lastfm_routes, limits, settings.lastfm_upstream)
    yield Middleware(LastfmFastPath, lastfm_routes, reloader)
    yield Middleware(QueryFastPath, routes[similar.similar_to], reloader, limits)


def from_environment() -> FastAPI:
    """Create the service over RIYL_HOME, for `uvicorn --factory riyl.app.main:from_environment`."""
    return create_app(load_settings())


def _operation_id(route: APIRoute) -> str:
    return route.name

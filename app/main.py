"""The service: FastAPI over the promoted version of a home. Importing this module does nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import faiss
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from app.errors import MEDIA_TYPE, add_error_handlers
from app.logs import RequestLog
from app.observe import Metrics, Observed
from app.routes import artists, docs, health, index, page
from app.similar import MOST_BYTES, SimilarShortWay
from app.watch import POLL_S, Serving
from core.db.session import Database
from core.settings import Home, Settings, load_settings

DESCRIPTION = (
    "Who is similar to an artist. Every answer names the index version it comes from, in its body and in the header "
    "RIYL-Version, and carries it as its ETag. Every error is application/problem+json. X-Request-ID is taken over "
    "where it is sane, and is in every answer and in the log."
)

ERRORS = {
    "404": "There is no such artist; `near` has artists with near names.",
    "409": "The artist is there, but cannot be answered for: several share the name (`candidates`), or nothing is "
    "known of it yet.",
    "422": "A parameter is missing or out of range; `errors` says which.",
    "503": "No version is served yet; `detail` says what to run.",
}
"""What a status means, for the document."""

HEADERS = {
    "RIYL-Version": "Id of the index version that answered.",
    "ETag": "The version as an entity tag; send it as If-None-Match and get 304 while nothing has changed.",
}


def create_app(settings: Settings, *, poll_s: float = POLL_S, most_bytes: int = MOST_BYTES) -> FastAPI:
    """The service over the home that the settings name.

    Before it accepts requests it opens the promoted version; from then on it looks for another one every `poll_s`
    seconds and takes it up while it answers from the old one.

    Args:
        settings: the home, its database, and who may do what.
        poll_s: seconds between looks.
        most_bytes: of answers to "who is similar" that are kept ready; 0 keeps none.
    """
    metrics = Metrics()
    requests = RequestLog()
    database = Database.of(settings)
    serving = Serving(Home(settings.home).versions, database, metrics)

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
        requests.flush()
        database.close()

    app = FastAPI(
        title="RIYL",
        description=DESCRIPTION,
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
        lifespan=lifespan,
        # asked of the environment anew for each request; RIYL has its own metrics
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.serving = serving
    app.state.metrics = metrics
    for module in (artists, index, health, docs, page):
        app.include_router(module.router)
    app.mount("/web", page.web_files())
    add_error_handlers(app)
    # outside of FastAPI's own: what Observed does, they do too, and a ready answer should pass through nothing else
    short_way = SimilarShortWay(app.build_middleware_stack(), serving, most_bytes)
    app.middleware_stack = Observed(short_way, metrics, requests)
    document = _describe(app)
    app.openapi = lambda: document  # type: ignore[method-assign]
    return app


def from_environment() -> FastAPI:
    """The service over RIYL_HOME, for `uvicorn --factory app.main:from_environment`."""
    return create_app(load_settings())


def _operation_id(route: APIRoute) -> str:
    return route.name


def _describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with what FastAPI does not know: the errors' media type, 304, and our headers."""
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    for path, operations in document["paths"].items():
        responses = operations["get"]["responses"]
        for status, text in ERRORS.items():
            if status in responses:
                content = responses[status]["content"]
                responses[status] = {"description": text, "content": {MEDIA_TYPE: content["application/json"]}}
        if path.startswith("/v1/"):
            responses["200"]["headers"] = {
                name: {"description": text, "schema": {"type": "string"}} for name, text in HEADERS.items()
            }
            responses["304"] = {"description": "The client has this answer already."}
    return document

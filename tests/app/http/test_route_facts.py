"""Facts of every route, which access, limits and the document read."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from starlette.responses import Response
from starlette.routing import Mount, Route

from riyl.app.http.limited_route import LimitedRoute
from riyl.app.http.route_facts import OPEN, Concurrency, OpenPaths, RouteFacts, facts_of
from riyl.core.db.keys import Role
from riyl.core.settings import Home
from tests.app.conftest import run, running

KIB, MIB = 1 << 10, 1 << 20
READING = (None, Concurrency.DATABASE, 64 * KIB)
QUESTION = (None, Concurrency.QUESTIONS, 64 * KIB)
ADMIN = (Role.ADMIN, Concurrency.DATABASE, 64 * KIB)
WRITER = (Role.WRITE, Concurrency.DATABASE, 64 * KIB)
READER = (Role.READ, Concurrency.DATABASE, 64 * KIB)
WRITER_OF_ARTIST = (Role.WRITE, Concurrency.DATABASE, 2 * MIB)

FACTS = {
    "GET /v1/artists": QUESTION,
    "GET /v1/artists:resolve": QUESTION,
    "GET /v1/artists/{id}/similar": QUESTION,
    "GET /v1/artists/{id}": QUESTION,
    "PUT /v1/artists/{id}": WRITER_OF_ARTIST,
    "PATCH /v1/artists/{id}": WRITER_OF_ARTIST,
    "DELETE /v1/artists/{id}": WRITER,
    "POST /v1/artists/{id}:merge": WRITER,
    "POST /v1/artists:batch": (Role.WRITE, Concurrency.DATABASE, 16 * MIB),
    "GET /v1/changes": ADMIN,
    "POST /v1/similar": (None, Concurrency.QUESTIONS, MIB),
    "POST /v1/similar:batch": (None, Concurrency.BATCHES, 2 * MIB),
    "GET /v1/index": QUESTION,
    "GET /v1/index/versions": READING,
    "POST /v1/index/versions/{id}:promote": ADMIN,
    "POST /v1/index:rollback": ADMIN,
    "GET /v1/rules": ADMIN,
    "POST /v1/rules": ADMIN,
    "DELETE /v1/rules/{number}": ADMIN,
    "GET /v1/jobs": READER,
    "POST /v1/jobs": ADMIN,
    "GET /v1/jobs/{id}": READER,
    "POST /v1/jobs/{id}/cancel": ADMIN,
    "GET /v1/jobs/{id}/events": (Role.READ, Concurrency.STREAMS, 64 * KIB),
    "GET /v1/evaluations": READING,
    "POST /v1/evaluations": ADMIN,
    "GET /v1/evaluations/compare": READING,
    "GET /v1/evaluations/{id}": READING,
    "GET /v1/evaluations/{id}/report": READING,
    "GET /v1/evaluations/{id}/artists": READING,
    "GET /v1/truths": READING,
    "POST /v1/truths": (Role.ADMIN, Concurrency.UPLOADS, 64 * MIB),
    "GET /v1/truths/{id}": READING,
    "GET /v1/embeddings": READING,
    "POST /v1/embeddings": (Role.ADMIN, Concurrency.UPLOADS, 64 * MIB),
    "GET /v1/embeddings/{id}": READING,
    "GET /v1/export/neighbours": (None, Concurrency.EXPORTS, 64 * KIB),
    "GET /v1/aliases": READING,
    "POST /v1/aliases/{kind}": (Role.WRITE, Concurrency.UPLOADS, 16 * MIB),
    "GET /similar-artists/json": QUESTION,
    "POST /similar-artists/json": QUESTION,
    "GET /lidarr/similar": QUESTION,
    "GET /api/similar_artists": READING,
    "GET /2.0": QUESTION,
    "POST /2.0": QUESTION,
    "GET /2.0/": QUESTION,
    "POST /2.0/": QUESTION,
}
PAGES = {"/", "/evaluations", "/docs", "/docs/style.css", "/openapi.json", "/healthz", "/readyz", "/metrics"}


def test_every_route_has_the_facts_that_it_should(home: Home) -> None:
    async def scenario() -> None:
        async with running(home) as (app, _):
            routes = [each for each in iter_route_contexts(app.routes) if isinstance(each.original_route, LimitedRoute)]
            declared = {
                f"{method} {each.path_format}": facts_of(each.endpoint)
                for each in routes
                for method in each.methods or ()
            }
            assert {
                line: (facts.role, facts.concurrency, facts.max_body_bytes) for line, facts in declared.items()
            } == FACTS
            streaming = [line for line, facts in declared.items() if facts.streams_body]
            assert streaming == ["POST /v1/truths", "POST /v1/embeddings", "POST /v1/aliases/{kind}"]
            assert OpenPaths.of(app.routes) == OpenPaths(frozenset(PAGES), ("/web/",))

    run(scenario())


def test_what_is_not_declared_open_is_closed() -> None:
    async def page() -> Response:
        return Response()

    routes = APIRouter()
    routes.get("/page")(OPEN(page))
    routes.get("/closed")(RouteFacts()(test_what_is_not_declared_open_is_closed))
    app = FastAPI(openapi_url=None)
    app.include_router(routes)
    app.router.routes += [Route("/other", Response), Mount("/files", page)]
    paths = OpenPaths.of(app.routes)
    for path in ("/page", "/files/a/b"):
        assert path in paths
    for path in ("/closed", "/other", "/page/", "/files", "/nothing", ""):
        assert path not in paths

"""Fast path of POST /v1/similar."""

from __future__ import annotations

from fastapi.routing import RouteContext
from pydantic import ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from riyl.app.http.body_limits import replayed
from riyl.app.http.limited_route import RequestLimits
from riyl.app.http.media_types import JSON
from riyl.app.http.request_scope import request_context_of
from riyl.app.http.route_facts import facts_of
from riyl.app.schemas.query import SimilarRequest
from riyl.app.services.query import fits_event_loop, run_query
from riyl.app.serving.reloader import VersionReloader
from riyl.core.errors import RiylError

MAX_CHEAP_BYTES = 4096
"""Maximum body of a query that can be cheap, in bytes; it is parsed before the concurrency limit applies."""


class QueryFastPath:
    """ASGI application that answers cheap queries on the event loop, before the routes but within their limits.

    Switching to a thread costs as much as such an answer, and so does a FastAPI route. Everything else, including every
    error, is passed to the documented route, which gives the same answer.

    Args:
        app: application that answers all other requests.
        route: the documented route, `riyl.app.routes.similar.similar_to`.
    """

    def __init__(self, app: ASGIApp, route: RouteContext, reloader: VersionReloader, limits: RequestLimits) -> None:
        self._app = app
        self._route = route.original_route
        self._path = route.path_format
        self._facts = facts_of(route.endpoint)
        self._limits = limits
        self._reloader = reloader

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != self._path or not _is_small(scope):
            await self._app(scope, receive, send)
            return
        limiter = self._limits.limiters[self._facts.concurrency]
        limiter.check()
        async with self._limits.bodies.received(scope, receive, self._facts) as receive_body:
            message = await receive_body()
        if (query := self._cheap(message)) is not None:
            async with limiter.place_held(send, until_end=False) as leaving_send:
                if await self._answered(query, scope, leaving_send):
                    return
        await self._app(scope, replayed(message, receive), send)

    def _cheap(self, message: Message) -> SimilarRequest | None:
        """Parse the query; None if it is not cheap enough for the event loop, or is left to the route."""
        state = self._reloader.state
        if state is None or message["type"] != "http.request":
            return None
        try:
            query = SimilarRequest.model_validate_json(message["body"])
        except ValidationError:
            return None
        return query if fits_event_loop(state, query) else None

    async def _answered(self, query: SimilarRequest, scope: Scope, send: Send) -> bool:
        """Answer the query; return whether it was answered. Errors are left to the route."""
        state = self._reloader.state
        try:
            if state is None:
                return False
            body = run_query(state, query).model_dump_json().encode()
        except RiylError:
            return False
        scope["route"] = self._route
        request_context_of(scope).version = state.searcher.version_id
        length = (b"content-length", b"%d" % len(body))
        headers = [(b"cache-control", b"no-store"), length, (b"content-type", JSON.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return True


def _is_small(scope: Scope) -> bool:
    """Return whether the request has a small JSON body and no query string; the route checks all others."""
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"")
    return (
        not scope["query_string"]
        and headers.get(b"content-type") == JSON.encode()
        and length.isdigit()
        and int(length) <= MAX_CHEAP_BYTES
    )

"""Methods that RIYL does not answer, passed on to another service of Last.fm's protocol where one is set."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from urllib.parse import unquote_plus

import httpx
from fastapi.routing import RouteContext
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from riyl.app.compat.lastfm import errors
from riyl.app.compat.lastfm.answers import Failure
from riyl.app.compat.lastfm.dialect import answer_response
from riyl.app.compat.lastfm.methods import METHODS, SIMILAR
from riyl.app.compat.lastfm.parameters import Parameters, method_of, read_parameters
from riyl.app.http.body_limits import replayed
from riyl.app.http.limited_route import RequestLimits
from riyl.app.http.media_types import NO_STORE
from riyl.app.http.route_facts import Concurrency, facts_of
from riyl.core.db.keys import TOKEN

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0
"""Maximum time of a request to the other service, in seconds, from its start to the end of the response."""

MAX_RESPONSE_BYTES = 8 << 20
"""Maximum size of a response of the other service, in bytes."""

PASSED_HEADERS = frozenset({b"content-type", b"user-agent", b"accept", b"accept-language"})
RETURNED_HEADERS = ("content-type", "retry-after")
"""Headers that are passed on, and returned; a bearer token and cookies are not."""

OURS = frozenset({"", SIMILAR, *METHODS})
"""Methods that are never passed on; a request without a method is an error of ours."""

OUR_KEY = "Invalid API key - found a key of RIYL, which is not passed on; send it as Authorization: Bearer riyl_..."
UNREACHABLE = "the service that answers this method cannot be reached"


class LastfmUpstream:
    """ASGI application that passes methods on, with their query and body as they are.

    Nothing of a request is logged: they contain session keys and passwords. A key of RIYL is never passed on; where
    reading needs one, it must be a bearer token beside the other service's `api_key`.

    Args:
        app: application that answers all other requests.
        routes: the routes of `riyl.app.compat.lastfm.route`.
        limits: of the service; places are those of `Concurrency.UPSTREAM`.
        address: of the other service, as RIYL_LASTFM_UPSTREAM has it.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[RouteContext], limits: RequestLimits, address: str) -> None:
        self._app = app
        self._routes = {str(each.path_format): each for each in routes}
        self._limits = limits
        self._address = httpx.URL(address)
        self._context = httpx.create_ssl_context()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get(scope["path"]) if scope["type"] == "http" else None
        if route is None or scope["method"] not in (route.methods or ()):
            await self._app(scope, receive, send)
            return
        async with self._limits.bodies.received(scope, receive, facts_of(route.endpoint)) as receive_body:
            message = await receive_body()
            body = message.get("body", b"")
            parameters = read_parameters(scope, body)
            if method_of(parameters) not in OURS:
                scope["route"] = route.original_route
                response = await self._response(scope, parameters, body)
                await response(scope, receive, send)
                return
        await self._app(scope, replayed(message, receive), send)

    async def _response(self, scope: Scope, parameters: Parameters, body: bytes) -> Response:
        if any(TOKEN.search(unquote_plus(text.decode("latin-1"))) for text in (scope["query_string"], body)):
            return answer_response(Failure(errors.INVALID_KEY, OUR_KEY), parameters, 403)
        async with self._limits.limiters[Concurrency.UPSTREAM].entered():
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    return await self._passed_on(scope, body)
            except (httpx.HTTPError, TimeoutError, _TooLargeError) as error:
                log.warning("lastfm_upstream_failed", extra={"reason": type(error).__name__})
                return answer_response(Failure(errors.OFFLINE, UNREACHABLE), parameters, 503)

    async def _passed_on(self, scope: Scope, body: bytes) -> Response:
        headers = [(name, value) for name, value in scope["headers"] if name in PASSED_HEADERS]
        url = self._address.copy_with(query=scope["query_string"] or None)
        request = httpx.Request(scope["method"], url, headers=headers, content=body)
        # the transport itself: a client of httpx logs addresses, with their query
        async with httpx.AsyncHTTPTransport(verify=self._context) as transport:
            response = await transport.handle_async_request(request)
            content = bytearray()
            async for part in response.aiter_bytes():
                content += part
                if len(content) > MAX_RESPONSE_BYTES:
                    raise _TooLargeError
            await response.aclose()
        returned = {name: response.headers[name] for name in RETURNED_HEADERS if name in response.headers}
        return Response(bytes(content), response.status_code, {**NO_STORE, **returned})


class _TooLargeError(Exception):
    """The response of the other service is too large."""

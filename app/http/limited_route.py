"""Routes with limits: requests are shed, bodies bounded, and places held, by the facts of the route."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, params
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from riyl.app.http.auth import KEY_OF_ROLE, check_key
from riyl.app.http.body_limits import PART_S, BodyLimiter
from riyl.app.http.client import client_of
from riyl.app.http.dependencies import from_state, held
from riyl.app.http.key_cache import KeyCache
from riyl.app.http.metrics import Metrics
from riyl.app.http.overload import build_limiters
from riyl.app.http.request_errors import TooManyRequestsError
from riyl.app.http.route_facts import Concurrency, RouteFacts, facts_of
from riyl.core.settings import Settings

MAX_CLIENT_STREAMS, STREAM_RETRY_S = 20, 5
"""Maximum number of streams of one client, a fifth of all; and the time after which to retry, in seconds."""


TO_THE_END = frozenset({Concurrency.STREAMS, Concurrency.EXPORTS})
"""Classes of requests that hold their place until the response has ended."""


class RequestLimits:
    """Limits that all requests of a service share.

    Attributes:
        limiters: limiters of concurrent requests, by class.
        bodies: limiter of the memory of request bodies.
    """

    def __init__(self, settings: Settings, metrics: Metrics, part_s: float = PART_S) -> None:
        self.limiters = build_limiters(settings, metrics)
        self._streams = Counter[str]()
        self.bodies = BodyLimiter(partial(metrics.shed, "bodies"), part_s)

    async def run(self, app: ASGIApp, facts: RouteFacts, scope: Scope, receive: Receive, send: Send) -> None:
        """Run an app on a request: shed it before its body is read, and take a place once the body has arrived.

        Raises (in place of calling the app):
            OverloadedError: the service has no room for the request.
            TooManyRequestsError: the client has too many streams.
            BodyTooLargeError, BodyTooSlowError: see `BodyLimiter.received`.
        """
        if facts.is_open:
            await app(scope, receive, send)
            return
        limiter = self.limiters[facts.concurrency]
        limiter.check()
        is_stream = facts.concurrency is Concurrency.STREAMS
        async with (
            self.bodies.received(scope, receive, facts) as receive_body,
            limiter.place_held(send, until_end=facts.concurrency in TO_THE_END) as leaving_send,
        ):
            with self._stream_of(client_of(scope)) if is_stream else nullcontext():
                await app(scope, receive_body, leaving_send)

    @contextmanager
    def _stream_of(self, client: str) -> Iterator[None]:
        if self._streams[client] >= MAX_CLIENT_STREAMS:
            raise TooManyRequestsError(
                f"found {MAX_CLIENT_STREAMS} event streams of this client; wanted fewer: close some", STREAM_RETRY_S
            )
        self._streams[client] += 1
        try:
            yield
        finally:
            self._streams[client] -= 1
            if not self._streams[client]:
                del self._streams[client]


TheLimits = Annotated[RequestLimits, Depends(from_state("limits", RequestLimits))]


class LimitedRoute(APIRoute):
    """Route that accepts a request within the limits of its facts, and with a key of its role."""

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        dependencies: Sequence[params.Depends] | None = None,
        **options: Any,
    ) -> None:
        if facts_of(endpoint).role is not None:
            dependencies = [*(dependencies or ()), KEY_OF_ROLE]
        super().__init__(path, endpoint, dependencies=dependencies, **options)

    @property
    def facts(self) -> RouteFacts:
        """Facts that the endpoint declares."""
        return facts_of(self.endpoint)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that matched; called by Starlette.

        The key is checked first: a request without permission takes neither memory for its body nor a place.
        """
        limits, role = held(scope["app"], "limits", RequestLimits), self.facts.role
        if role is not None and scope["method"] in (self.methods or ()):
            await check_key(scope, held(scope["app"], "key_cache", KeyCache), role)
        await limits.run(super().handle, self.facts, scope, receive, send)

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
from riyl.app.http.overload import MAX_EXPORTS, build_limiters
from riyl.app.http.request_errors import TooManyRequestsError
from riyl.app.http.route_facts import Concurrency, RouteFacts, facts_of
from riyl.core.settings import Settings

MAX_OF_CLIENT = {Concurrency.STREAMS: (20, "event streams"), Concurrency.EXPORTS: (MAX_EXPORTS // 2, "exports")}
"""Classes of requests that hold their place until the response has ended; the maximum number of one client in each, and
their name in errors.
"""

CLIENT_RETRY_S = 5
"""Time after which a client with too many of them retries, in seconds."""


class RequestLimits:
    """Limits that all requests of a service share.

    Attributes:
        limiters: limiters of concurrent requests, by class.
        bodies: limiter of the memory of request bodies.
    """

    def __init__(self, settings: Settings, metrics: Metrics, part_s: float = PART_S) -> None:
        self.limiters = build_limiters(settings, metrics)
        self._of_client = Counter[tuple[Concurrency, str]]()
        self.bodies = BodyLimiter(partial(metrics.shed, "bodies"), part_s)

    async def run(self, app: ASGIApp, facts: RouteFacts, scope: Scope, receive: Receive, send: Send) -> None:
        """Run an app on a request: shed it before its body is read, and take a place once the body has arrived.

        Raises (in place of calling the app):
            OverloadedError: the service has no room for the request.
            TooManyRequestsError: the client has too many streams or exports.
            BodyTooLargeError, BodyTooSlowError: see `BodyLimiter.received`.
        """
        if facts.is_open:
            await app(scope, receive, send)
            return
        limiter = self.limiters[facts.concurrency]
        limiter.check()
        is_held = facts.concurrency in MAX_OF_CLIENT
        async with (
            self.bodies.received(scope, receive, facts) as receive_body,
            limiter.place_held(send, until_end=is_held) as leaving_send,
        ):
            with self._one_of(client_of(scope), facts.concurrency) if is_held else nullcontext():
                await app(scope, receive_body, leaving_send)

    @contextmanager
    def _one_of(self, client: str, concurrency: Concurrency) -> Iterator[None]:
        most, name = MAX_OF_CLIENT[concurrency]
        counted = concurrency, client
        if self._of_client[counted] >= most:
            raise TooManyRequestsError(f"found {most} {name} of this client; wanted fewer: close some", CLIENT_RETRY_S)
        self._of_client[counted] += 1
        try:
            yield
        finally:
            self._of_client[counted] -= 1
            if not self._of_client[counted]:
                del self._of_client[counted]


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

"""Access control: keys where reading needs one, and rate limits by client."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from riyl.app.http.auth import UNKNOWN_KEY
from riyl.app.http.body_limits import BodyLimiter, replayed
from riyl.app.http.client import client_of, token_of
from riyl.app.http.key_cache import KeyCache
from riyl.app.http.metrics import Metrics
from riyl.app.http.rate_limit import RateLimiter
from riyl.app.http.request_errors import NoKeyError, TooManyRequestsError
from riyl.app.http.request_scope import request_context_of
from riyl.app.http.route_facts import OpenPaths, RouteFacts
from riyl.core.db.keys import Key
from riyl.core.errors import RiylError

NONE = "this needs the header Authorization: Bearer riyl_..., with a key made by: riyl keys create NAME --role read"


class AccessControlMiddleware:
    """Middleware that admits requests by key and by rate; used only where RIYL_REQUIRE_KEY or RIYL_RATE_LIMIT is set.

    Args:
        open_paths: paths that need no key and do not count. Pages contain no secrets, and machines that poll health and
            metrics must not be locked out.
        dialects: facts of the paths that speak the protocol of another service; their key may be in the body, which is
            then read here.
        bodies: limiter of these bodies.

    Raises (in place of calling the app):
        NoKeyError: reading needs a key, and the request has no valid one.
        TooManyRequestsError: the client has reached its rate limit.
        DatabaseDownError, OverloadedError: the key cannot be looked up now.
        BodyTooLargeError, BodyTooSlowError: see `BodyLimiter.received`.
    """

    def __init__(
        self,
        app: ASGIApp,
        key_cache: KeyCache,
        rate_limiter: RateLimiter | None,
        metrics: Metrics,
        open_paths: OpenPaths,
        dialects: Mapping[str, RouteFacts],
        bodies: BodyLimiter,
        *,
        require_key: bool,
    ) -> None:
        self._app = app
        self._key_cache = key_cache
        self._rate_limiter = rate_limiter
        self._metrics = metrics
        self._open_paths = open_paths
        self._dialects = dialects
        self._bodies = bodies
        self._require_key = require_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in self._open_paths:
            if (facts := self._dialects.get(scope["path"])) is not None:
                try:
                    receive = await self._receive_token(facts, scope, receive)
                except RiylError:
                    self._count(scope, None)
                    raise
            key = await self._key_cache.find_of(scope)
            self._count(scope, key)
            if self._require_key and key is None:
                raise NoKeyError(NONE if token_of(scope) is None else UNKNOWN_KEY)
        await self._app(scope, receive, send)

    async def _receive_token(self, facts: RouteFacts, scope: Scope, receive: Receive) -> Receive:
        """Find the token of a request as its dialect carries it; returns the `receive` that still has the body."""
        context = request_context_of(scope)
        if (dialect := context.dialect) is None or token_of(scope) is not None:
            return receive
        context.token = dialect.token_of(scope, b"")
        if context.token is not None or scope["method"] != "POST":
            return receive
        async with self._bodies.received(scope, receive, facts) as receive_body:
            message = await receive_body()
        context.token = dialect.token_of(scope, message.get("body", b""))
        return replayed(message, receive)

    def _count(self, scope: Scope, key: Key | None) -> None:
        if self._rate_limiter is None:
            return
        wait_s = self._rate_limiter.hit(client_of(scope))
        if wait_s is not None:
            self._metrics.limited("address" if key is None else "key")
            whose = "this address without a key" if key is None else f"the key {key.name!r}"
            raise TooManyRequestsError(f"too many requests of {whose}; retry in {wait_s} seconds", wait_s)

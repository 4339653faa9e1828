"""How much is done at once: what is more waits in a short line, and what finds the line full is shed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from riyl.app.http.errors import OverloadedError
from riyl.app.http.metrics import Metrics
from riyl.core.settings import Settings

BATCH = "/v1/similar:batch"
QUESTIONS = {"/v1/similar", "/v1/index"}
ARTISTS = "/v1/artists"
UPLOAD = "/v1/truths"

MAX_UPLOADS = 4
"""Files that come in at once. They lie on disk, and one at a time is read."""

MAX_STREAMS = 100
"""Answers at once that do not end by themselves; each asks the database once a second."""


class ConcurrencyLimiter:
    """Lets so many in at once; others wait in the order in which they came, for a while. For one event loop.

    Args:
        places: how many at once.
        queue: how many may wait.
        timeout_s: the longest that one waits.
        shed: told of each that is turned away.
    """

    def __init__(self, places: int, queue: int, timeout_s: float, shed: Callable[[], None]) -> None:
        self._free = places
        self._queue = queue
        self._timeout_s = timeout_s
        self._shed = shed
        self._waiting: dict[asyncio.Future[None], None] = {}

    def check(self) -> None:
        """Whether there is a place, or room to wait for one.

        Raises:
            OverloadedError: there is not.
        """
        if not self._free and len(self._waiting) >= self._queue:
            self._shed()
            raise OverloadedError

    async def enter(self) -> None:
        """Take a place, which `leave` gives back; waits for it.

        Raises:
            OverloadedError: the line is full, or none became free in time.
        """
        self.check()
        if self._free:
            self._free -= 1
            return
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting[turn] = None
        late = loop.call_later(self._timeout_s, self._give_up, turn)
        try:
            await turn
        except asyncio.CancelledError:
            # it may have come in the same moment
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave()
            raise
        finally:
            late.cancel()
            self._waiting.pop(turn, None)

    def leave(self) -> None:
        """Give the place to who has waited longest, or back."""
        while self._waiting:
            turn = next(iter(self._waiting))
            del self._waiting[turn]
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def leave_next(self) -> None:
        """As `leave`, but in the next turn of the event loop: nobody gets in in this one.

        What is answered without leaving the event loop so gives way to others before the next one begins.
        """
        if self._waiting:  # who is let in runs in the next turn
            self.leave()
        else:
            asyncio.get_running_loop().call_soon(self.leave)

    def _give_up(self, turn: asyncio.Future[None]) -> None:
        self._waiting.pop(turn, None)
        if not turn.done():
            self._shed()
            turn.set_exception(OverloadedError())


class ConcurrencyLimiters:
    """The gates of one service: what waits for one thing holds no place that another waits for.

    Attributes:
        questions: of what is answered from the version that serves.
        batches: of the same by the thousand, which takes seconds; half as many.
        database: of everything else under /v1, which may wait for the database.
        uploads: of files that are brought.
        streams: of answers that do not end by themselves.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        def limiter(name: str, places: int, queue: int) -> ConcurrencyLimiter:
            return ConcurrencyLimiter(places, queue, settings.queue_timeout_s, partial(metrics.shed, name))

        self.questions = limiter("questions", settings.concurrency_per_class, settings.queue_per_class)
        self.batches = limiter("batches", (settings.concurrency_per_class + 1) // 2, settings.queue_per_class)
        self.database = limiter("database", settings.concurrency_per_class, settings.queue_per_class)
        self.uploads = limiter("uploads", MAX_UPLOADS, settings.queue_per_class)
        self.streams = limiter("streams", MAX_STREAMS, 0)

    def of(self, scope: Scope) -> ConcurrencyLimiter | None:
        """The limiter of a request; None for what never waits: pages, health and metrics."""
        path, method = scope["path"], scope["method"]
        if not path.startswith("/v1/"):
            return None
        if path in QUESTIONS or (method == "GET" and path.startswith(ARTISTS)):
            return self.questions
        if path == BATCH:
            return self.batches
        if method == "POST" and path == UPLOAD:
            return self.uploads
        return self.streams if is_stream(path) else self.database


def is_stream(path: str) -> bool:
    """Whether the answer does not end by itself."""
    return path.startswith("/v1/jobs/") and path.endswith("/events")


class LoadSheddingMiddleware:
    """ASGI middleware that turns a request away before its body is read, where it would find no room.

    Raises (in place of calling the app):
        OverloadedError: there is none.
    """

    def __init__(self, app: ASGIApp, limiters: ConcurrencyLimiters) -> None:
        self._app = app
        self._limiters = limiters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            limiter = self._limiters.of(scope)
            if limiter is not None:
                limiter.check()
        await self._app(scope, receive, send)


class ConcurrencyLimitMiddleware:
    """ASGI middleware that lets the app run in a place of the request's limiter, from when its body is here.

    The place is given back when the answer begins, which is when the work is done: who reads slowly holds nothing.
    A stream's is held to its end, since its work is not done before.
    """

    def __init__(self, app: ASGIApp, limiters: ConcurrencyLimiters) -> None:
        self._app = app
        self._limiters = limiters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limiter = self._limiters.of(scope) if scope["type"] == "http" else None
        if limiter is None:
            await self._app(scope, receive, send)
            return
        await limiter.enter()
        held = True
        stream = is_stream(scope["path"])

        def leave() -> None:
            nonlocal held
            if held:
                held = False
                limiter.leave_next()

        async def placed_send(message: Message) -> None:
            if not stream:
                leave()
            await send(message)

        try:
            await self._app(scope, receive, placed_send)
        finally:
            leave()

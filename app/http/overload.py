"""Limits of concurrent requests; excess requests queue briefly, then get 503."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

from starlette.types import Message, Send

from riyl.app.http.metrics import Metrics
from riyl.app.http.request_errors import OverloadedError
from riyl.app.http.route_facts import Concurrency
from riyl.core.settings import Settings

MAX_UPLOADS = 4
"""Maximum number of uploads that arrive at once. They are stored on disk and read one at a time."""

MAX_UPSTREAM = 20
"""Maximum number of concurrent requests that wait for another service."""

MAX_STREAMS = 100
"""Maximum number of concurrent responses that do not end by themselves; each queries the database once a second."""


MAX_EXPORTS = 4
"""Maximum number of concurrent exports; each computes until its client has everything."""


class ConcurrencyLimiter:
    """Limiter that admits a number of requests at once; others queue for a while, in order of arrival.

    For one event loop.

    Args:
        places: maximum number of concurrent requests.
        queue: maximum number of requests that wait.
        timeout_s: maximum time that a request waits, in seconds.
        shed: called for each request that is refused.
    """

    def __init__(self, places: int, queue: int, timeout_s: float, shed: Callable[[], None]) -> None:
        self._places = asyncio.Semaphore(places)
        self._queue = queue
        self._waiting = 0
        self._timeout_s = timeout_s
        self._shed = shed

    def check(self) -> None:
        """Check that a place is free, or that the queue has room.

        Raises:
            OverloadedError: all places are taken and the queue is full.
        """
        if self._places.locked() and self._waiting >= self._queue:
            self._shed()
            raise OverloadedError

    async def enter(self) -> None:
        """Wait for a place and take it; `leave` gives it back.

        Raises:
            OverloadedError: the queue is full, or no place became free in time.
        """
        self.check()
        if not self._places.locked():
            await self._places.acquire()
            return
        self._waiting += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._places.acquire()
        except TimeoutError:
            self._shed()
            raise OverloadedError from None
        finally:
            self._waiting -= 1

    def leave(self) -> None:
        """Give a place back to the request that has waited longest."""
        self._places.release()

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[None]:
        """Hold a place for as long as the context lasts. Raises as `enter`."""
        await self.enter()
        try:
            yield
        finally:
            self.leave()

    @asynccontextmanager
    async def place_held(self, send: Send, *, until_end: bool) -> AsyncIterator[Send]:
        """Hold a place until the response begins, when the work is done, so that a slow reader holds no place.

        The place is released in the next turn of the event loop, so that of two requests that are answered without
        leaving it, the second lets others run first.

        Args:
            send: sends the messages of the response.
            until_end: hold the place until the response ends, because the work of a stream is done only then.

        Returns:
            The `send` to respond with.

        Raises as `enter`.
        """
        await self.enter()
        holds = True

        def leave() -> None:
            nonlocal holds
            if holds:
                holds = False
                asyncio.get_running_loop().call_soon(self.leave)

        async def leaving_send(message: Message) -> None:
            leave()
            await send(message)

        try:
            yield send if until_end else leaving_send
        finally:
            leave()


def build_limiters(settings: Settings, metrics: Metrics) -> Mapping[Concurrency, ConcurrencyLimiter]:
    """Build the limiters of one service, by class; batches have half as many places as questions."""
    places, queue = settings.concurrency_per_class, settings.queue_per_class
    sizes = {
        Concurrency.QUESTIONS: (places, queue),
        Concurrency.BATCHES: ((places + 1) // 2, queue),
        Concurrency.DATABASE: (places, queue),
        Concurrency.UPLOADS: (MAX_UPLOADS, queue),
        Concurrency.STREAMS: (MAX_STREAMS, 0),
        Concurrency.EXPORTS: (MAX_EXPORTS, MAX_EXPORTS),
        Concurrency.UPSTREAM: (MAX_UPSTREAM, queue),
        # waiting requests hold places of questions, at most half of these
        Concurrency.HEAVY: (1, max(places // 2 - 1, 0)),
    }
    return {
        concurrency: ConcurrencyLimiter(*size, settings.queue_timeout_s, partial(metrics.shed, concurrency.value))
        for concurrency, size in sizes.items()
    }

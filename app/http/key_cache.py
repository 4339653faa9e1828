"""Cache of the keys in force, reread as a whole at intervals, so that no request waits for a look-up of its own."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from starlette.types import Scope

from riyl.app.http.client import token_of
from riyl.app.http.request_errors import OverloadedError
from riyl.app.http.request_scope import request_context_of
from riyl.core.db.keys import TOKEN, Key, KeysInForce, keys_in_force
from riyl.core.db.session import Database
from riyl.core.errors import DatabaseDownError

KEPT_S = 5.0
"""Maximum time for which a revoked key still permits reading, in seconds."""

MISS_S = 0.2
"""Minimum time between readings for unknown tokens, in seconds; also the maximum wait of a new key."""

MAX_WAITING = 1_000
"""Maximum number of requests with unknown tokens that wait for a reading; further ones are refused."""


class KeyCache:
    """Cache that finds keys by their tokens; used in the event loop alone.

    One reading fetches all keys in force. A known key is found in memory; the keys are read again once half of `KEPT_S`
    has passed, before any request has to wait. Unknown tokens, however many, share one reading per `MISS_S`, so that
    invented tokens neither load the database nor delay known keys.

    While the database cannot be reached, known keys still permit reading, if any key was in use when the connection was
    lost: queries continue without the database, too.

    Args:
        clock: seconds, from any origin.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._keys = KeysInForce({})
        self._begun_at = self._read_at = -math.inf
        self._valid_until = -math.inf
        self._reading: asyncio.Task[None] | None = None
        self._waiting = 0
        self._threads = ThreadPoolExecutor(1, "riyl-keys")

    async def find_of(self, scope: Scope) -> Key | None:
        """Return the key of a request, and keep it in its context; None where it has no key in force.

        Raises as `find`.
        """
        context, token = request_context_of(scope), token_of(scope)
        if context.key is None and token is not None:
            context.key = await self.find(token)
        return context.key

    async def find(self, token: str) -> Key | None:
        """Return the key of a token; None where the token is unknown or its key is revoked.

        Raises:
            DatabaseDownError: the database cannot be reached.
            OverloadedError: too many unknown tokens are waiting.
        """
        key = self._keys.key_of(token)
        now = self._clock()
        if key is None:
            return None if TOKEN.fullmatch(token) is None else await self._find_unknown(token, now)
        if now >= self._valid_until:
            try:
                await self._read()
            except DatabaseDownError:
                if self._clock() >= self._valid_until:
                    raise
            return self._keys.key_of(token)
        if now >= self._valid_until - KEPT_S / 2:
            self._read_soon()
        return key

    def close(self) -> None:
        """Stop reading keys."""
        if self._reading is not None:
            self._reading.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _find_unknown(self, token: str, arrived: float) -> Key | None:
        if self._waiting >= MAX_WAITING:
            raise OverloadedError
        self._waiting += 1
        try:
            # a reading that began earlier may lack a key that was made since
            while self._read_at < arrived:
                await self._read()
        finally:
            self._waiting -= 1
        return self._keys.key_of(token)

    async def _read(self) -> None:
        """Wait for the running reading, else start one and wait for it."""
        # the request that started it may disconnect; the others still wait
        await asyncio.shield(self._read_soon())

    def _read_soon(self) -> asyncio.Task[None]:
        # never await a finished task again: that does not suspend, and would block the event loop
        # nor one of another event loop, of which tests have several
        if self._reading is None or self._reading.done() or self._reading.get_loop() is not asyncio.get_running_loop():
            self._reading = asyncio.create_task(self._read_now())
            self._reading.add_done_callback(_retrieve)
        return self._reading

    async def _read_now(self) -> None:
        await asyncio.sleep(min(MISS_S, max(0.0, self._begun_at + MISS_S - self._clock())))
        start = self._begun_at = self._clock()
        try:
            loop = asyncio.get_running_loop()
            self._keys = await loop.run_in_executor(self._threads, keys_in_force, self._database)
        except DatabaseDownError:
            if start < self._valid_until + KEPT_S:
                self._valid_until = start + KEPT_S
            raise
        self._read_at, self._valid_until = start, start + KEPT_S


def _retrieve(reading: asyncio.Task[None]) -> None:
    """Retrieve the error of a reading, so that asyncio does not report it; the requests that wait for it raise it."""
    if not reading.cancelled():
        reading.exception()

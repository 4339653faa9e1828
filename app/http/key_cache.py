"""Keys that were found a moment ago, so that not every request that comes with one asks the database."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from riyl.app.http.errors import OverloadedError
from riyl.core.db.keys import TOKEN, Key, key_of
from riyl.core.db.session import Database
from riyl.core.errors import DatabaseDownError

KEPT_S = 5.0
"""A revoked key opens reading for no longer than this."""

MAX_KEPT = 10_000
MAX_ASKED = 64
"""Tokens that the database is asked about at once; to guess needs more."""

THREADS = 2
"""Of its own: to look a key up must not wait for those who came in with theirs."""


@dataclass(frozen=True)
class _Kept:
    key: Key | None
    until: float


class KeyCache:
    """What the database said of tokens, by their sha256; used in the event loop alone.

    While the database cannot be reached, keys that were in use when it went away open reading on, as queries go on
    without it.

    Args:
        clock: seconds, from any beginning.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._asked: dict[bytes, asyncio.Task[Key | None]] = {}
        self._threads = ThreadPoolExecutor(THREADS, "riyl-keys")

    async def find(self, token: str) -> Key | None:
        """The key that a token is of; None where there is none, or it is revoked.

        Raises:
            DatabaseDownError: the database cannot be reached.
            OverloadedError: it is asked about too many tokens already.
        """
        if TOKEN.fullmatch(token) is None:
            return None
        digest = hashlib.sha256(token.encode()).digest()
        cached = self._kept.get(digest)
        if cached is not None and self._clock() < cached.until:
            return cached.key
        pending = self._asked.get(digest)
        if pending is None:
            if len(self._asked) >= MAX_ASKED:
                raise OverloadedError
            pending = self._asked[digest] = asyncio.create_task(self._ask(digest, token, cached))
        # who came first may leave; the others go on waiting
        return await asyncio.shield(pending)

    def close(self) -> None:
        """Ask no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _ask(self, digest: bytes, token: str, cached: _Kept | None) -> Key | None:
        start = self._clock()
        try:
            loop = asyncio.get_running_loop()
            key = await loop.run_in_executor(self._threads, key_of, self._database, token)
        except DatabaseDownError:
            if cached is None or cached.key is None or start >= cached.until + KEPT_S:
                raise
            key = cached.key
        finally:
            del self._asked[digest]
        self._kept[digest] = _Kept(key, start + KEPT_S)
        self._kept.move_to_end(digest)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return key

"""Keys that were found a moment ago, so that not every request that comes with one asks the database."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from app.errors import OverloadedError
from core.db.keys import TOKEN, Key, key_of
from core.db.session import Database
from core.errors import DatabaseDownError

KEPT_S = 5.0
"""A revoked key opens reading for no longer than this."""

MOST_KEPT = 10_000
MOST_ASKED = 64
"""Tokens that the database is asked about at once; to guess needs more."""

THREADS = 2
"""Of its own: to look a key up must not wait for those who came in with theirs."""


@dataclass(frozen=True)
class _Kept:
    key: Key | None
    until: float


class Keyring:
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
        kept = self._kept.get(digest)
        if kept is not None and self._clock() < kept.until:
            return kept.key
        asked = self._asked.get(digest)
        if asked is None:
            if len(self._asked) >= MOST_ASKED:
                raise OverloadedError
            asked = self._asked[digest] = asyncio.create_task(self._ask(digest, token, kept))
        # who came first may leave; the others go on waiting
        return await asyncio.shield(asked)

    def close(self) -> None:
        """Ask no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _ask(self, digest: bytes, token: str, kept: _Kept | None) -> Key | None:
        start = self._clock()
        try:
            loop = asyncio.get_running_loop()
            key = await loop.run_in_executor(self._threads, key_of, self._database, token)
        except DatabaseDownError:
            if kept is None or kept.key is None or start >= kept.until + KEPT_S:
                raise
            key = kept.key
        finally:
            del self._asked[digest]
        self._kept[digest] = _Kept(key, start + KEPT_S)
        self._kept.move_to_end(digest)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return key

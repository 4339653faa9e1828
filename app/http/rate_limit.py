"""How many requests one client has in a while, counted by the library `limits`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from math import floor

import limits
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

SWEEP_S = 10.0
"""Between looks for counters whose time is over."""

ROUNDING_S = 0.001
"""More than what the windows' ends are off by, as seconds since 1970 in floating point."""

MAX_COUNTERS = 200_000
"""Some 100 MB. Beyond that all of them begin anew."""


class RateLimiter:
    """Counts requests by client in windows that slide; in memory, and in one thread alone.

    Args:
        text: as RIYL_RATE_LIMIT has it.
        clock: seconds, for sweeping; the library counts by `time.time`.
    """

    def __init__(self, text: str, clock: Callable[[], float] = time.monotonic) -> None:
        # the shortest first: what is refused there is not counted in the longer ones
        self._limits = sorted(limits.parse_many(text), key=lambda each: each.get_expiry())
        self._counters = MemoryStorage()
        # the library sweeps in a thread, up to a hundred times a second, beside whoever counts
        self._counters.timer.cancel()
        self._counters.timer = _Swept(0, lambda: None)
        self._limiter = SlidingWindowCounterRateLimiter(self._counters)
        self._clock = clock
        self._sweep_at = clock() + SWEEP_S

    def hit(self, client: str) -> int | None:
        """Count a request, if the client has one left; else the seconds until it has."""
        self._sweep()
        for limit in self._limits:
            if not self._limiter.hit(limit, client):
                return self._wait_s(limit, client)
        return None

    def _wait_s(self, limit: limits.RateLimitItem, client: str) -> int:
        """Whole seconds until a request more would be counted.

        A client has c requests in this window, and p in the one before, of which what has slid out counts no more:
        p * left / length + c must be below the limit.
        """
        length = limit.get_expiry()
        before, left, now, ends = self._counters.get_sliding_window(limit.key_for(client), length)
        wait_s = ends - length
        if now < limit.amount:
            wait_s = left - (limit.amount - now) * length / before if before else 0.0
        return floor(wait_s + ROUNDING_S) + 1

    def _sweep(self) -> None:
        if len(self._counters.expirations) > MAX_COUNTERS:
            self._counters.reset()
        now = self._clock()
        if now < self._sweep_at:
            return
        self._sweep_at = now + SWEEP_S
        for counter in list(self._counters.expirations):
            # which forgets it where its time is over
            self._counters.get(counter)


class _Swept(threading.Timer):
    """A timer that always seems to run, so that no other one is started."""

    def is_alive(self) -> bool:
        return True


@lru_cache(10_000)
def network_of(address: str) -> str:
    """What counts as one client: an IPv4 address, or the 64 bits of an IPv6 address that one line has."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ip_network((ip.packed, 64), strict=False))
    return address

"""Rate limits: number of requests of a client per interval, counted in sliding windows."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from math import floor

import limits

ROUNDING_S = 0.001
"""Rounding error of the ends of windows, in seconds: they are seconds since 1970 in floating point."""

MAX_COUNTERS = 200_000
"""Maximum number of counters, some 60 MB; beyond that the least recently used one is dropped."""


@dataclass
class _Counter:
    """Requests of a client in a window and in the previous one; windows are numbered from 1970 on."""

    window: int
    count: int = 0
    before: int = 0

    def advance(self, window: int) -> None:
        """Advance to a window, if it is another one."""
        if window != self.window:
            self.before = self.count if window == self.window + 1 else 0
            self.window, self.count = window, 0


class RateLimiter:
    """Counter of requests by client; in memory, and in one thread alone.

    A client has c requests in this window and p in the previous one, which counts only as far as it overlaps the
    sliding window: with `left` seconds of the window left, p * left / length + c must be below the limit.

    Args:
        text: limits in the format of RIYL_RATE_LIMIT.
        clock: seconds since 1970.
    """

    def __init__(self, text: str, clock: Callable[[], float] = time.time) -> None:
        # the shortest first: a request that it refuses is not counted in the longer ones
        by_length = sorted(limits.parse_many(text), key=lambda limit: limit.get_expiry())
        self._limits = dict.fromkeys((limit.get_expiry(), limit.amount) for limit in by_length)
        self._clock = clock
        self._counters: OrderedDict[tuple[str, int, int], _Counter] = OrderedDict()

    def hit(self, client: str) -> int | None:
        """Count a request within the limit, and return None; else return the whole seconds until one is allowed."""
        now = self._clock()
        for length, amount in self._limits:
            counter = self._counter((client, length, amount), int(now // length))
            left = length - now % length
            if floor(counter.before * left / length) + counter.count >= amount:
                return _wait_s(counter, length, amount, left)
            counter.count += 1
        return None

    def _counter(self, key: tuple[str, int, int], window: int) -> _Counter:
        counter = self._counters.setdefault(key, _Counter(window))
        self._counters.move_to_end(key)
        if len(self._counters) > MAX_COUNTERS:
            self._counters.popitem(last=False)
        counter.advance(window)
        return counter


def _wait_s(counter: _Counter, length: int, amount: int, left: float) -> int:
    """Return the whole seconds until one more request would be counted."""
    wait_s = left
    if counter.count < amount:
        wait_s = left - (amount - counter.count) * length / counter.before if counter.before else 0.0
    return floor(wait_s + ROUNDING_S) + 1


@lru_cache(10_000)
def network_of(address: str) -> str:
    """Return the network that counts as one client: an IPv4 address, or the 64-bit prefix of an IPv6 address."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ip_network((ip.packed, 64), strict=False))
    return address

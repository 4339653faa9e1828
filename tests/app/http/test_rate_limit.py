"""Requests are counted by client, and who has none left is told when there is one again."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import limits.storage.memory
import limits.strategies
import pytest

from riyl.app.http import rate_limit
from riyl.app.http.rate_limit import SWEEP_S, RateLimiter, network_of


class Clock:
    """Seconds that pass when a test says so, for the library too; the first one begins a window of any length."""

    def __init__(self) -> None:
        self.now = 1_000 * 3600.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (limits.storage.memory, limits.strategies):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=clock))
    return clock


def test_so_many_are_let_in_and_the_next_is_told_when_it_would_be(clock: Clock) -> None:
    counted = RateLimiter("3/minute", clock)
    assert [counted.hit("a") for _ in range(3)] == [None] * 3
    clock.now += 40
    # the window ends in 20 s, and what slides out of it counts less from then on
    assert counted.hit("a") == 21
    clock.now += 21
    assert counted.hit("a") is None


def test_what_has_slid_out_of_the_window_counts_no_more(clock: Clock) -> None:
    counted = RateLimiter("10/minute", clock)
    assert [counted.hit("a") for _ in range(10)] == [None] * 10
    # 30 s into the next window half of them count: 5 are left
    clock.now += 90
    assert [counted.hit("a") for _ in range(6)][:5] == [None] * 5
    # 10 * left / 60 + 5 < 10 takes less than 30 s that are left of the window before; there are 30
    assert counted.hit("a") == 1
    # for one more, 10 * left / 60 + 6 < 10 takes less than 24 s that are left; there are 29
    clock.now += 1
    assert counted.hit("a") is None
    assert counted.hit("a") == 6
    clock.now += 5
    assert counted.hit("a") == 1
    clock.now += 1
    assert counted.hit("a") is None


def test_clients_are_counted_apart(clock: Clock) -> None:
    counted = RateLimiter("1/minute", clock)
    assert (counted.hit("a"), counted.hit("b")) == (None, None)
    assert counted.hit("a") is not None


def test_of_several_limits_the_tightest_holds_and_what_it_refuses_counts_in_no_other(clock: Clock) -> None:
    counted = RateLimiter("3/hour; 1/second", clock)
    assert counted.hit("a") is None
    # in 1 s the window ends, and what was counted in it begins to slide out
    assert [counted.hit("a") for _ in range(10)] == [2] * 10
    clock.now += 2
    assert counted.hit("a") is None
    clock.now += 2
    assert counted.hit("a") is None
    clock.now += 2
    assert counted.hit("a") == 3600 - 6 + 1


def test_counters_of_clients_who_are_gone_are_forgotten(clock: Clock) -> None:
    counted = RateLimiter("5/second", clock)
    for i in range(100):
        counted.hit(f"client {i}")
    counters = counted._counters
    assert len(counters.expirations) == len(counters.storage) == 100
    clock.now += SWEEP_S
    counted.hit("a")
    assert len(counters.expirations) == len(counters.storage) == len(counters.locks) == 1


def test_there_are_never_more_counters_than_memory_is_meant_for(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "MAX_COUNTERS", 50)
    counted = RateLimiter("1/hour", clock)
    for i in range(1000):
        counted.hit(f"client {i}")
        assert len(counted._counters.storage) <= 51


def test_counting_starts_no_thread() -> None:
    counted = RateLimiter("1000/minute")
    before = {thread.name for thread in threading.enumerate()}
    for i in range(100):
        counted.hit(f"client {i}")
    assert {thread.name for thread in threading.enumerate()} <= before


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_a_client_without_a_key_is_its_address_or_the_network_of_its_line(address: str, network: str) -> None:
    assert network_of(address) == network

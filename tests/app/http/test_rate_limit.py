"""Requests are counted by client, and a client over its limit is told when to retry."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace

import limits.storage.memory
import limits.strategies
import pytest

from riyl.app.http import rate_limit
from riyl.app.http.rate_limit import RateLimiter, network_of


class Clock:
    """A clock that the test advances; it starts at the beginning of a window of any length."""

    def __init__(self) -> None:
        self.now = 1_000 * 3600.0

    def __call__(self) -> float:
        return self.now

    def hit_after(self, seconds: float, counted: RateLimiter) -> int | None:
        """Make a request of the client `a` after so many seconds."""
        self.now += seconds
        return counted.hit("a")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_so_many_are_let_in_and_the_next_is_told_when_it_would_be(clock: Clock) -> None:
    counted = RateLimiter("3/minute", clock)
    assert [counted.hit("a") for _ in range(3)] == [None] * 3
    # the window ends in 20 s; from then on its requests count less and less
    assert clock.hit_after(40, counted) == 21
    assert clock.hit_after(21, counted) is None


def test_what_has_slid_out_of_the_window_counts_no_more(clock: Clock) -> None:
    counted = RateLimiter("10/minute", clock)
    assert [counted.hit("a") for _ in range(10)] == [None] * 10
    # 30 s into the next window half of them count: 5 are left
    clock.now += 90
    assert [counted.hit("a") for _ in range(6)][:5] == [None] * 5
    # 10 * left / 60 + 5 < 10 needs left < 30 s; it is 30
    assert counted.hit("a") == 1
    # for one more, 10 * left / 60 + 6 < 10 needs left < 24 s; it is 29
    assert [clock.hit_after(seconds, counted) for seconds in (1, 0, 5, 1)] == [None, 6, 1, None]


def test_clients_are_counted_apart(clock: Clock) -> None:
    counted = RateLimiter("1/minute", clock)
    assert (counted.hit("a"), counted.hit("b")) == (None, None)
    assert counted.hit("a") is not None


def test_of_several_limits_the_tightest_holds_and_what_it_refuses_counts_in_no_other(clock: Clock) -> None:
    counted = RateLimiter("3/hour; 1/second", clock)
    assert counted.hit("a") is None
    # the window ends in 1 s, and its requests begin to slide out
    assert [counted.hit("a") for _ in range(10)] == [2] * 10
    assert [clock.hit_after(2, counted) for _ in range(3)] == [None, None, 3600 - 6 + 1]


def test_equal_limits_count_a_request_once(clock: Clock) -> None:
    counted = RateLimiter("2/minute; 2/minute; 3/minute", clock)
    assert [counted.hit("a") for _ in range(2)] == [None] * 2
    assert counted.hit("a") is not None


def test_of_more_clients_than_memory_is_meant_for_the_one_unseen_for_longest_is_forgotten(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit, "MAX_COUNTERS", 50)
    counted = RateLimiter("2/hour", clock)
    for i in range(1000):
        assert (counted.hit(f"client {i}"), counted.hit("regular") is None) == (None, i < 2)
        assert len(counted._counters) <= 50
    assert counted.hit("client 0") is None


@pytest.mark.parametrize("text", ["7/minute", "3/second", "20/hour", "5/minute; 2/second"])
def test_requests_are_let_in_as_the_library_s_sliding_window_lets_them_in(
    text: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (limits.storage.memory, limits.strategies):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=clock))
    library = limits.strategies.SlidingWindowCounterRateLimiter(limits.storage.memory.MemoryStorage())
    expected_limits = sorted(limits.parse_many(text), key=lambda limit: limit.get_expiry())
    counted, random = RateLimiter(text, clock), Random(0)
    for _ in range(2000):
        clock.now += random.choice([0.0, 0.1, 0.4, 3.0, 50.0]) * random.random()
        client = random.choice("ab")
        assert (counted.hit(client) is None) == all(library.hit(limit, client) for limit in expected_limits)


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

"""Five times as many queries as the service can answer, for half a minute."""

from __future__ import annotations

import asyncio
import json
import sys
import time

import httpx
import psutil
import pytest

from tests.faults.flood import Flood, flood
from tests.faults.processes import Site, serving

pytestmark = pytest.mark.slow

TIMES, SECONDS = 5, 30
CONNECTIONS = 600
QUEUE_TIMEOUT_S = 2.0
"""Default of RIYL_QUEUE_TIMEOUT_S."""

ANSWER_S = 1.0
"""Time for the response itself, on a machine whose two cores also run the flood, in seconds."""

MAX_GROWTH_BYTES = 64 << 20
NORMAL_WITHIN_S = 5.0

SHORT = {"seeds": [{"id": "a003"}, {"id": "a005"}], "k": 100}
IN_A_THREAD = {**SHORT, "diversity": 0.5}
"""A query answered in the event loop, and one answered in a thread."""


def request(question: dict[str, object]) -> bytes:
    body = json.dumps(question).encode()
    head = (
        "POST /v1/similar HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@pytest.mark.parametrize("question", [SHORT, IN_A_THREAD], ids=["short", "in a thread"])
def test_five_times_the_capacity_is_shed_and_the_rest_is_answered_in_time(
    sqlite_site: Site, question: dict[str, object]
) -> None:
    payload = request(question)
    with serving(sqlite_site, "--no-worker", RIYL_LOG_LEVEL="WARNING") as (process, client):
        server = psutil.Process(process.pid)
        host, port = client.base_url.host, client.base_url.port

        async def scenario() -> None:
            full = await flood(host, port, payload, rate=None, seconds=4, connections=4)
            assert (full.refused, full.lost) == ({}, 0)
            capacity = len(full.seconds) / 4
            before = server.memory_info().rss
            stop = asyncio.Event()
            beside = asyncio.create_task(ready_answers(str(client.base_url), stop))
            memory = asyncio.create_task(most_memory(server, stop))
            outcome = await flood(host, port, payload, rate=TIMES * capacity, seconds=SECONDS, connections=CONNECTIONS)
            ended = time.monotonic()
            stop.set()
            growth, ready = await memory - before, await beside
            normal_s = await asyncio.to_thread(until_normal, client, question, ended)
            sys.stderr.write(told(capacity, outcome, growth, ready, normal_s) + "\n")
            assert outcome.validation < 0.1 * outcome.sent, "the flood was not five times the capacity"
            assert outcome.lost == 0
            assert len(outcome.seconds) > 0.1 * capacity * SECONDS
            assert len(outcome.seconds) + sum(outcome.refused.values()) == outcome.sent
            for head in outcome.refused:
                assert head.startswith(b"HTTP/1.1 503 ")
                assert b"\r\nretry-after: 1\r\n" in head
            assert sum(outcome.refused.values()) > outcome.sent / 2
            assert outcome.p(0.99) < QUEUE_TIMEOUT_S + ANSWER_S
            assert growth < MAX_GROWTH_BYTES
            assert max(ready) < QUEUE_TIMEOUT_S
            assert normal_s < NORMAL_WITHIN_S

        asyncio.run(scenario())


async def ready_answers(address: str, stop: asyncio.Event) -> list[float]:
    """Measure how long cached responses, health and metrics take meanwhile; all of them must arrive."""
    took = []
    async with httpx.AsyncClient(base_url=address, timeout=30) as client:
        while not stop.is_set():
            for path in ("/v1/artists/a001/similar", "/healthz", "/metrics"):
                start = time.monotonic()
                assert (await client.get(path)).status_code == 200
                took.append(time.monotonic() - start)
            await asyncio.sleep(0.25)
    return took


async def most_memory(server: psutil.Process, stop: asyncio.Event) -> int:
    most = 0
    while not stop.is_set():
        most = max(most, server.memory_info().rss)
        await asyncio.sleep(0.25)
    return most


def until_normal(client: httpx.Client, question: dict[str, object], since: float) -> float:
    """Measure the seconds until twenty queries in a row succeed, each within a tenth of a second."""
    in_a_row = 0
    while in_a_row < 20:
        start = time.monotonic()
        answer = client.post("/v1/similar", json=question)
        good = answer.status_code == 200 and time.monotonic() - start < 0.1
        in_a_row = in_a_row + 1 if good else 0
        if time.monotonic() - since > 2 * NORMAL_WITHIN_S:
            break
    return time.monotonic() - since


def told(capacity: float, outcome: Flood, growth: int, ready: list[float], normal_s: float) -> str:
    """Format the measurements."""
    return (
        f"capacity {capacity:.0f}/s, asked {outcome.sent / SECONDS:.0f}/s, "
        f"answered {len(outcome.seconds) / SECONDS:.0f}/s, shed {sum(outcome.refused.values())}, "
        f"p50 {outcome.p(0.5):.3f} s, p99 {outcome.p(0.99):.3f} s, "
        f"longest {outcome.p(1):.3f} s, memory {growth / 2**20:+.1f} MiB, "
        f"ready beside it at most {max(ready):.3f} s, normal after {normal_s:.2f} s"
    )

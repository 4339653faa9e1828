"""More POSTs than a service can answer: raw requests at a fixed rate, on connections with one request at a time."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from dataclasses import dataclass, field

TICK_S = 0.005
LENGTH = re.compile(rb"content-length: (\d+)")


@dataclass
class Flood:
    """Results of the requests.

    Attributes:
        validation: number of requests that found no free connection: the flood had less than its intended rate.
        seconds: duration of each request that got a 200.
        refused: head of each other response, without the parts unique to each, and how often it came.
        lost: connections that ended.
    """

    sent: int = 0
    validation: int = 0
    seconds: list[float] = field(default_factory=list)
    refused: dict[bytes, int] = field(default_factory=dict)
    lost: int = 0

    def p(self, share: float) -> float:
        """Return a quantile of the seconds."""
        return sorted(self.seconds)[int(share * (len(self.seconds) - 1))]


class _Connection(asyncio.Protocol):
    """Connection that sends a request when it is told to, and then returns to the free ones."""

    def __init__(self, outcome: Flood, free: deque[_Connection]) -> None:
        self._found = outcome
        self._free = free
        self._clock = asyncio.get_running_loop().time
        self._answer = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._free.append(self)

    def ask(self, request: bytes) -> None:
        self._began = self._clock()
        self._found.sent += 1
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end or len(body) < int(LENGTH.search(head)[1]):
            return
        if head.startswith(b"HTTP/1.1 200 "):
            self._found.seconds.append(self._clock() - self._began)
        else:
            kind = re.sub(rb"(x-request-id|content-length|date): [^\r]*\r?\n?", b"", head)
            self._found.refused[kind] = self._found.refused.get(kind, 0) + 1
        self._answer = b""
        self._free.append(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._found.lost += 1


async def flood(host: str, port: int, request: bytes, *, rate: float | None, seconds: float, connections: int) -> Flood:
    """Send requests at a rate for a while, or as fast as connections become free; then wait for every response."""
    outcome, free = Flood(), deque[_Connection]()
    loop = asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(lambda: _Connection(outcome, free), host, port)
    every = list(free)
    start, due = loop.time(), 0
    while (passed := loop.time() - start) < seconds:
        wanted = len(free) if rate is None else int(rate * passed) - due
        for _ in range(wanted):
            due += 1
            if free:
                free.popleft().ask(request)
            else:
                outcome.validation += 1
        await asyncio.sleep(TICK_S if rate is not None else 0.0005)
    async with asyncio.timeout(30):
        while len(free) < connections - outcome.lost:
            await asyncio.sleep(TICK_S)
    lost = outcome.lost
    for each in every:
        each.transport.close()
    await asyncio.sleep(TICK_S)
    outcome.lost = lost
    return outcome

"""Queries at a fixed rate, whether or not they get responses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx

RATE = 200
"""Queries per second."""


@dataclass(frozen=True)
class Query:
    """A query and its result.

    Attributes:
        ended: time of its end, by the event loop's clock.
        body: body of the response, where it is a 200.
        headers: headers of the response.
        error: why there is no response.
    """

    path: str
    ended: float
    status: int = 0
    headers: httpx.Headers | None = None
    body: dict[str, Any] | None = None
    error: Exception | None = None


@asynccontextmanager
async def load(
    address: str, paths: Sequence[str], rate: float = RATE, headers: Mapping[str, str] | None = None
) -> AsyncIterator[list[Query]]:
    """Request the paths in turn while the block runs; the list has all queries once the block has ended."""
    done: list[Query] = []
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=50)
    async with (
        httpx.AsyncClient(base_url=address, timeout=30, limits=limits, headers=headers) as client,
        asyncio.TaskGroup() as running,
    ):
        asking = asyncio.create_task(_ask(client, paths, rate, done, running))
        try:
            yield done
        finally:
            asking.cancel()


async def _ask(
    client: httpx.AsyncClient, paths: Sequence[str], rate: float, done: list[Query], running: asyncio.TaskGroup
) -> None:
    clock = asyncio.get_running_loop()
    start = clock.time()
    for number in count():
        await asyncio.sleep(start + number / rate - clock.time())
        running.create_task(_query(client, paths[number % len(paths)], done))


async def _query(client: httpx.AsyncClient, path: str, done: list[Query]) -> None:
    clock = asyncio.get_running_loop()
    try:
        answer = await client.get(path)
    except httpx.HTTPError as error:
        done.append(Query(path, clock.time(), error=error))
    else:
        body = answer.json() if answer.status_code == 200 else None
        done.append(Query(path, clock.time(), answer.status_code, answer.headers, body))

"""Connections without a request: a server in this process with short timeouts."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from riyl.app.http.dependencies import Streams, held
from riyl.app.http.protocol import BoundedProtocol
from riyl.app.http.server import server
from riyl.app.main import create_app
from riyl.core.settings import Home, Settings
from tests.app.conftest import until

HEAD = b"POST /v1/similar HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 26\r\n\r\n"
BODY = b'{"seeds":[{"id":"a003"}]} '
HALF = b"GET /healthz HTTP/1.1\r\nhost"
REST = b": x\r\n\r\n"

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def impatient(home: Home, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Connection]]:
    """Open three connections to a server that waits a tenth of a second for a head."""
    monkeypatch.setattr(BoundedProtocol, "head_s", 0.1)
    app = create_app(Settings(home=home.root))
    service = server(app, "127.0.0.1", 0, held(app, "streams", Streams).ending)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        reloader = asyncio.create_task(service.serve([listening]))
        await until(lambda: service.started)
        connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        yield connections
        for _, writer in connections:
            writer.close()
        service.should_exit = True
        await reloader


async def test_a_connection_without_a_head_in_time_is_closed_and_one_that_is_answered_is_not(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asyncio.timeout(20), impatient(home, monkeypatch) as connections:
        (asking, its), (half, other), (silent, _) = connections
        its.write(HEAD)
        other.write(HALF)
        assert await half.read() == b""
        assert await silent.read() == b""
        # its head is in time, and its body comes later
        its.write(BODY + HALF)
        answer = await asking.readuntil(b"]}")
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert (await asking.read()).count(b"HTTP/1.1") == 0


async def test_the_next_head_of_a_connection_has_its_time_too(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    async with asyncio.timeout(20), impatient(home, monkeypatch) as connections:
        (late, its), (soon, other), (silent, _) = connections
        for reader, writer in ((late, its), (soon, other)):
            writer.write(HALF + REST)
            assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 OK")
        its.write(HALF)
        other.write(HALF)
        other.write(REST)
        assert (await soon.readuntil(b"}")).startswith(b"HTTP/1.1 200 OK")
        assert await silent.read() == b""
        assert await late.read() == b""
        # between two requests the server's own, longer limit applies
        other.write(HALF + REST)
        assert (await soon.readuntil(b"}")).startswith(b"HTTP/1.1 200 OK")


async def test_a_pass_of_the_garbage_collector_leaves_out_what_the_start_made(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    gc.unfreeze()
    async with asyncio.timeout(20), impatient(home, monkeypatch):
        assert gc.get_freeze_count() > 100_000
    assert gc.get_freeze_count() == 0

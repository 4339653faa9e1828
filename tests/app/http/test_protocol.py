"""Limits on what a client sends, leaves unread and takes time for, on a connection to the real server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from starlette.types import Receive, Scope, Send

from riyl.app.http import protocol
from riyl.app.http.protocol import MAX_FRAMING_BYTES, MAX_HEAD_BYTES, SLICE_BYTES, BoundedProtocol
from riyl.app.http.server import Server, server
from tests.app.conftest import until

GET = b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
BIG = 4 << 20


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer /read once its body has arrived, /big with 4 MiB, /parts with 4 MiB in parts, and all other paths at once.

    Those other paths are answered whatever their body is.
    """
    if scope["type"] != "http":
        return
    if scope["path"] == "/parts":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(BIG >> 16):
            await send({"type": "http.response.body", "body": bytes(1 << 16), "more_body": True})
        await send({"type": "http.response.body", "body": b"all]"})
        return
    if scope["path"] == "/read":
        while (await receive()).get("more_body"):
            pass
    body = bytes(BIG) if scope["path"] == "/big" else str(sorted(name for name, _ in scope["headers"])).encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]}
    )
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Server, asyncio.StreamReader, asyncio.StreamWriter]]:
    """Run a server, and connect to it with a small receive buffer."""
    service = server(app, "127.0.0.1", 0, asyncio.Event())
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = asyncio.create_task(service.serve([listening]))
        await until(lambda: service.started)
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, listening.getsockname())
        reader, writer = await asyncio.open_connection(sock=client, limit=4096)
        async with asyncio.timeout(30):
            yield service, reader, writer
        writer.transport.abort()
        service.should_exit = True
        await running


async def sent_until_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, part: bytes, most: int) -> int:
    """Return how many bytes of a repeated part the server takes until it closes the connection or has taken all."""
    taken = 0
    with suppress(ConnectionError):
        while taken < most and not reader.at_eof():
            writer.write(part)
            await writer.drain()
            taken += len(part)
            await asyncio.sleep(0)
    return taken


async def answer_of(reader: asyncio.StreamReader) -> bytes:
    """Return the bytes received until the server closed the connection."""
    received = b""
    with suppress(ConnectionError):
        while part := await reader.read(1 << 16):
            received += part
    return received


@pytest.mark.parametrize(
    "head",
    [
        b"GET /small HTTP/1.1\r\nX: " + b"v" * MAX_HEAD_BYTES + b"\r\n\r\n",
        b"GET /small HTTP/1.1\r\n" + b"X: v\r\n" * (MAX_HEAD_BYTES // 6) + b"\r\n",
        b"GET /" + b"v" * MAX_HEAD_BYTES + b" HTTP/1.1\r\n\r\n",
    ],
    ids=["header", "headers", "target"],
)
async def test_a_head_that_is_too_large_is_400_also_where_it_comes_at_once(head: bytes) -> None:
    async with serving() as (_, reader, writer):
        writer.write(head)
        received = await answer_of(reader)
        assert received.startswith(b"HTTP/1.1 400")
        assert received.endswith(b"Request line and headers are too long.")


async def test_a_head_of_the_largest_size_is_taken_also_in_pieces_behind_another_request() -> None:
    head = b"GET /small HTTP/1.1\r\nX: " + b"v" * (MAX_HEAD_BYTES - 100) + b"\r\n\r\n"
    async with serving() as (_, reader, writer):
        for part in (GET + head[:1000], head[1000:50_000], head[50_000:]):
            writer.write(part)
            await writer.drain()
        for _ in range(2):
            assert (await reader.readuntil(b"]")).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "begun", [b"GET /small HTTP/1.1\r\nX: ", b"GET /", CHUNKED + b"1\r\na\r\n0\r\nX: ", CHUNKED + b"1;x="]
)
async def test_a_head_a_trailer_or_an_extension_without_end_is_closed(begun: bytes) -> None:
    async with serving() as (_, reader, writer):
        writer.write(begun)
        taken = await sent_until_closed(reader, writer, b"v" * 4096, 64 << 20)
        assert taken < 16 << 20  # the limit, and the buffers of sockets


async def test_trailers_without_end_are_closed_and_none_is_a_header_of_the_request() -> None:
    async with serving() as (_, reader, writer):
        writer.write(CHUNKED + b"1\r\na\r\n0\r\nAuthorization: x\r\n\r\n")
        assert b"['host', 'transfer-encoding']" in (await reader.readuntil(b"]")).replace(b"b'", b"'")
        writer.write(CHUNKED + b"1\r\na\r\n0\r\n")
        assert await sent_until_closed(reader, writer, b"X-Trailer: v\r\n" * 300, 64 << 20) < 16 << 20


async def test_pipelined_requests_wait_unparsed_and_all_are_answered() -> None:
    n = 40_000
    async with serving() as (service, reader, writer):
        writer.write(GET * n)
        waiting = answered = 0
        while answered < n:
            answered += (await reader.readuntil(b"]")).count(b"200")
            for connection in service.server_state.connections:
                waiting = max(waiting, len(connection.pipeline))  # type: ignore[union-attr]
        assert answered == n
        assert waiting <= SLICE_BYTES // len(GET) + 1


async def test_an_answer_that_ends_before_its_body_closes_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_LINGERING_BYTES", 256 * 1024)
    async with serving() as (_, reader, writer):
        writer.write(b"POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000000\r\n\r\n")
        assert (await reader.readuntil(b"]")).startswith(b"HTTP/1.1 200")
        assert await sent_until_closed(reader, writer, b"v" * 4096, 64 << 20) < 16 << 20


async def test_a_body_that_trickles_behind_its_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "LINGER_S", 0.1)
    async with serving() as (_, reader, writer):
        writer.write(b"POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        assert (await reader.readuntil(b"]")).startswith(b"HTTP/1.1 200")
        assert await answer_of(reader) == b""


async def test_the_rest_of_a_small_body_is_read_and_the_connection_goes_on() -> None:
    async with serving() as (_, reader, writer):
        writer.write(b"POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        assert (await reader.readuntil(b"]")).startswith(b"HTTP/1.1 200")
        writer.write(b"v" * 1000 + GET)
        assert (await reader.readuntil(b"]")).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("head", "rest"),
    [(b"POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", b"v" * 9), (GET, b"\r\n")],
    ids=["the rest of a body", "a blank line"],
)
async def test_what_begins_no_request_keeps_no_connection_open(
    head: bytes, rest: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedProtocol, "head_s", 0.1)
    async with serving() as (_, reader, writer):
        writer.write(head)
        assert (await reader.readuntil(b"]")).startswith(b"HTTP/1.1 200")
        writer.write(rest)
        assert await answer_of(reader) == b""


async def test_a_client_that_does_not_read_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "WRITE_S", 0.1)
    async with serving() as (service, reader, writer):
        writer.write(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: bool(service.server_state.connections))
        await until(lambda: not service.server_state.connections)
        assert len(await answer_of(reader)) < BIG


@pytest.mark.parametrize("path", [b"/big", b"/parts"])
async def test_a_client_that_reads_slowly_but_steadily_gets_all(path: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "WRITE_S", 0.5)
    async with serving() as (_, reader, writer):
        writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        received = 0
        while received < BIG:
            part = await reader.read(1 << 16)
            assert part
            received += len(part)
            await asyncio.sleep(0.01)


async def test_clients_that_leave_too_much_unread_together_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("riyl.app.http.server.MAX_UNREAD_BYTES", BIG // 4)
    async with serving() as (service, reader, writer):
        writer.write(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: bool(service.server_state.connections))
        await until(lambda: not service.server_state.connections)
        assert len(await answer_of(reader)) < BIG
    assert MAX_FRAMING_BYTES < BIG

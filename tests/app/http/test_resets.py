"""Connections that their client resets in the middle of a request, on the real server."""

from __future__ import annotations

import asyncio
import socket
import struct

from starlette.types import Receive, Scope, Send

from riyl.app.http.server import server
from tests.app.conftest import until

HEAD = b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"
RESET = struct.pack("ii", 1, 0)
"""Value of SO_LINGER by which closing a socket resets its connection."""


async def test_a_request_whose_connection_was_reset_in_its_body_is_not_run_and_others_are() -> None:
    paths: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        paths.append(scope["path"])
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    service = server(app, "127.0.0.1", 0, asyncio.Event())
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = asyncio.create_task(service.serve([listening]))
        await until(lambda: service.started)
        for number in range(20):  # the event loop does not run meanwhile: all are reset before the first is accepted
            with socket.create_connection(listening.getsockname()) as client:
                client.sendall(HEAD % number + b"{")
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(HEAD % 100)
        await asyncio.sleep(0)
        writer.write(b"{}")
        async with asyncio.timeout(30):
            status = await reader.readline()
        writer.close()
        service.should_exit = True
        await running
    assert (status, paths) == (b"HTTP/1.1 200 OK\r\n", ["/100"])

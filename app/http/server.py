"""The HTTP server: uvicorn with the service's limits."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from riyl.app.http.dependencies import Streams, held
from riyl.core.errors import RiylError

log = logging.getLogger(__name__)

MAX_HEAD_BYTES = 64 * 1024
"""Of request line and headers together; httptools itself has no limit and would keep whatever it is sent."""

HEAD_S = 10.0
"""A connection has this long to send the head of a request, its first one or one that has begun to come."""

SHUTDOWN_S = 6
"""Running requests have this long to end: the process is to be gone 10 s after SIGTERM, whatever it does then."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which also refuses a request whose head does not end, or not in time."""

    head_s = HEAD_S
    _head_bytes = 0
    _head_ended = False
    _in_body = False
    _head_is_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_is_due = self.loop.call_later(self.head_s, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_for_no_head()
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        self._wait_for_no_head()
        super().on_headers_complete()
        self._head_bytes, self._head_ended, self._in_body = 0, True, True

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_body = False

    def data_received(self, data: bytes) -> None:
        in_body, self._head_ended = self._in_body, False
        super().data_received(data)
        if not (in_body or self._head_ended):
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("Request line and headers are too long.")
            elif self._head_is_due is None:
                self._head_is_due = self.loop.call_later(self.head_s, self._head_is_late)

    def _wait_for_no_head(self) -> None:
        if self._head_is_due is not None:
            self._head_is_due.cancel()
            self._head_is_due = None

    def _head_is_late(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:  # the answer before it is still under way
            self._head_is_due = self.loop.call_later(self.head_s, self._head_is_late)


class Server(uvicorn.Server):
    """uvicorn's server, which lets answers that do not end by themselves end when it is told to."""

    def __init__(self, config: uvicorn.Config, ending: asyncio.Event) -> None:
        super().__init__(config)
        self._ending = ending

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let everything end that runs."""
        self._ending.set()
        await super().shutdown(sockets)


def server(app: ASGIApp, host: str, port: int, ending: asyncio.Event) -> Server:
    """Makes a server of an app, not yet running. It logs nothing but faults and sends no `Server` header.

    Args:
        ending: set when the server begins to shut down, for responses that do not end by themselves.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=BoundedProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    return Server(config, ending)


def run(app: FastAPI, host: str, port: int, *, when_started: Callable[[], None] | None = None) -> None:
    """Serve an app until SIGINT or SIGTERM; requests that run then may end.

    Args:
        when_started: called once, in a thread of its own, when requests are answered.

    Raises:
        RiylError: the address cannot be listened at.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn ends in order on these, and then raises them again for whom it may concern: nobody
        signal.signal(number, lambda *_: None)
    with _listening(host, port) as listening:
        service = server(app, host, port, held(app, "streams", Streams).ending)
        if when_started is not None:
            threading.Thread(target=_call_when_started, args=(service, when_started), daemon=True).start()
        log.info("service_started", extra={"host": host, "port": listening.getsockname()[1]})
        service.run(sockets=[listening])
    log.info("service_ended")


def _listening(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise RiylError(f"cannot listen at {host}, port {port}: {error.strerror}") from error


def _call_when_started(service: uvicorn.Server, context: Callable[[], None]) -> None:
    while not service.started:
        time.sleep(0.05)
    context()

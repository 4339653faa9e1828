"""The HTTP server: uvicorn with the service's limits."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from riyl.app.http.dependencies import Streams, held
from riyl.app.http.protocol import BoundedProtocol
from riyl.core.allocator import limit_arenas
from riyl.core.errors import RiylError

log = logging.getLogger(__name__)

MAX_UNREAD_BYTES = 128 << 20
"""Maximum size of responses that wait for all clients, in bytes; beyond it the connections with the most are closed."""

SHUTDOWN_S = 6
"""Maximum time for running requests to end, in seconds: the process must exit within 10 s of SIGTERM in any case."""


class Server(uvicorn.Server):
    """uvicorn's server, which also checks its connections and lets streams end at shutdown."""

    def __init__(self, config: uvicorn.Config, ending: asyncio.Event) -> None:
        super().__init__(config)
        self._ending = ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and take what exists by then out of the garbage collector's passes, which stop every thread."""
        await super().startup(sockets)
        gc.freeze()

    async def on_tick(self, counter: int) -> bool:
        """Close connections whose clients are too slow or leave too much unread, once a second."""
        if counter % 10 == 0:
            now = time.monotonic()
            unread = [(connection.check(now), connection) for connection in self._connections()]
            total = sum(n_bytes for n_bytes, _ in unread)
            for n_bytes, connection in sorted(unread, key=lambda each: -each[0]):
                if total <= MAX_UNREAD_BYTES:
                    break
                connection.transport.abort()
                total -= n_bytes
        return await super().on_tick(counter)

    def _connections(self) -> list[BoundedProtocol]:
        return [each for each in self.server_state.connections if isinstance(each, BoundedProtocol)]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End everything that runs."""
        self._ending.set()
        await super().shutdown(sockets)
        gc.unfreeze()


def server(app: ASGIApp, host: str, port: int, ending: asyncio.Event) -> Server:
    """Create a server of an app, not yet running. It logs only faults and sends no `Server` header.

    Args:
        app: the ASGI application.
        host: name or address to listen at.
        port: port to listen at.
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
    """Serve an app until SIGINT or SIGTERM; running requests may then end.

    Args:
        app: the service.
        host: name or address to listen at.
        port: port to listen at.
        when_started: called once, in a thread of its own, when requests are answered.

    Raises:
        RiylError: the service cannot listen at the address.
    """
    limit_arenas()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nothing to reload; a closed terminal must not end the service
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn re-raises the signal after shutdown; it is ignored
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

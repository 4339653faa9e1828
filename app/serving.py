"""The HTTP server: uvicorn with the service's limits."""

from __future__ import annotations

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST_HEAD_BYTES = 64 * 1024
"""Of request line and headers together; httptools itself has no limit and would keep whatever it is sent."""

SHUTDOWN_S = 30
"""Running requests have this long to end."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which also refuses a request whose head does not end."""

    _in_head = True
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > LONGEST_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("Request line and headers are too long.")

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head, self._head_bytes = True, 0
        super().on_message_complete()


def server(app: ASGIApp, host: str, port: int) -> uvicorn.Server:
    """A server of an app, not yet running. It logs nothing of its own but faults, and tells nobody its name."""
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
    return uvicorn.Server(config)

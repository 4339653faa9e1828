"""uvicorn's HTTP protocol with limits on what a client sends, leaves unread, and takes time for."""

from __future__ import annotations

import asyncio
import time

import httptools
from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEAD_BYTES = 64 * 1024
"""Maximum size of request line and headers together, in bytes; httptools itself has no limit."""

MAX_FRAMING_BYTES = 64 * 1024
"""Maximum size of the framing of a body, in bytes: of a chunk's size and extensions, and of all trailers."""

HEAD_S = 10.0
"""Maximum time for the head of a request, in seconds: from the start of the connection, from the head's first byte, or
from the first bytes after a response that begin no head, such as the rest of a body.
"""

WRITE_S, MIN_READ_BYTES = 10.0, 16 * 1024
"""Interval, in seconds, in each of which a client must read at least so many bytes of a waiting response."""

LINGER_S, MAX_LINGERING_BYTES = 10.0, 64 << 20
"""Maximum time, in seconds, and size, in bytes, of the rest of a body that a client may still send after its response,
so that it gets to read that response. The size is that of the largest upload. The bytes are discarded.
"""

HEAD_TOO_LONG = "Request line and headers are too long."
UPGRADE_WITH_BODY = "Upgrade with a body is not supported."
INVALID = "Invalid HTTP request received."

RESET_TURNS = 2
"""Turns of the event loop after which the reset of a connection is known: one reads it, the next one reports it."""

FRAMING = (b"content-length", b"transfer-encoding")
"""Headers of a request that has a body."""

SLICE_BYTES = 16 * 1024
"""Maximum number of bytes of a connection that are parsed in one turn of the event loop.

uvloop hands over up to 8 MiB in a turn: in chunks of one byte, these take 300 ms to parse. While a request waits for
the response to another, the rest of the received bytes is not parsed.
"""

MAX_UNPARSED_BYTES = 256 * 1024
"""Number of received bytes, not parsed yet, from which a connection is not read: the size of one read of uvloop.

Fewer are read on: bytes that are unread when a connection is closed would take the responses before them away.
"""


class BoundedFlow(FlowControl):
    """Flow control that resumes reading only where no request waits and the client reads; uvicorn's always resumes."""

    def __init__(self, transport: asyncio.Transport, protocol: BoundedProtocol) -> None:
        super().__init__(transport)
        self._protocol = protocol

    def resume_reading(self) -> None:
        if not (self.write_paused or self._protocol.is_behind):
            super().resume_reading()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._protocol.note_read()
        if not self._protocol.transport.is_closing():
            self.resume_reading()


def _unless_reset(cycle: RequestResponseCycle, app: ASGI3Application) -> ASGI3Application:
    """Return an app that answers a request only if its connection is still open where its body is incomplete.

    A client that resets its connection in the middle of a body is then noticed before any work is done for it.
    """

    async def answer(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if cycle.more_body:
            for _ in range(RESET_TURNS):
                await asyncio.sleep(0)
        if not cycle.disconnected:
            await app(scope, receive, send)

    return answer


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which refuses heads and framing that are too large, and closes connections of slow clients.

    Bytes are counted as they are parsed; `check`, which the server calls once a second, checks times, so that requests
    start no timers. A pipelined request waits unparsed, except for requests that fit in one slice.
    """

    head_s = HEAD_S
    _is_in_head = False
    _is_in_body = False
    _head_bytes = 0
    _framing_bytes = 0
    _lingering_bytes = 0
    _unparsed = b""
    _next_turn: asyncio.Handle | None = None
    _current: RequestResponseCycle | None = None
    _refusal = ""
    _is_refused = False
    _head_due: float | None = None
    _write_due: float | None = None
    _linger_due: float | None = None
    _unread_bytes = 0

    @property
    def is_behind(self) -> bool:
        """Whether a request, or its refusal, waits behind the one that is being answered."""
        return bool(self.pipeline or self._unparsed or self._is_refused)

    @property
    def _is_answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = BoundedFlow(transport, self)
        self._head_due = time.monotonic() + self.head_s

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head, self._head_bytes = True, 0
        self._head_due = self._head_due or time.monotonic() + self.head_s

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_in_head:  # the application already answers the request: a trailer is not one of its headers
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEAD_BYTES:
            self._refusal = HEAD_TOO_LONG
        elif self.parser.should_upgrade() and any(name in FRAMING for name, _ in self.headers):
            self._refusal = UPGRADE_WITH_BODY  # httptools would parse the body as the next request
        if self._refusal:
            raise ValueError(self._refusal)  # httptools then raises its own error, which gets a 400
        super().on_headers_complete()
        self._is_in_head, self._is_in_body, self._head_due = False, True, None
        self._framing_bytes = self._lingering_bytes = 0

    def on_chunk_header(self) -> None:
        self._framing_bytes = 0

    def on_body(self, body: bytes) -> None:
        self._framing_bytes -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._is_in_body = False

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        waits, self._unparsed = bool(self._unparsed), self._unparsed + data
        if len(self._unparsed) >= MAX_UNPARSED_BYTES:
            self.flow.pause_reading()
        if not waits:
            self._parse()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self._is_refused and self._current is not None and self._current.response_complete:
            self._refuse()
        elif self._unparsed and self._next_turn is None:
            self._parse()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that cannot be parsed, after the responses to those before it; nothing after it is read."""
        self._refusal = self._refusal or msg
        if self._is_in_body and self.pipeline:
            self.pipeline.popleft()  # the newest request, whose body is invalid
        elif self._is_in_body and self._current is not None:
            if self._current.response_started:  # the client would match a second response to another request
                self.transport.close()
            else:
                self._refuse()
            return
        if self._current is None or self._current.response_complete:
            self._refuse()
        else:
            self._is_refused = True
            self.flow.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Notify also the request that is being answered: uvicorn notifies the newest alone."""
        if self._current is not None and not self._current.response_complete:
            self._current.disconnected = True
            self._current.message_event.set()
        super().connection_lost(exc)

    def note_read(self) -> None:
        """Note that the client has read what the transport held."""
        self._write_due = None

    def check(self, now: float) -> int:
        """Close the connection if its client is too slow.

        Args:
            now: time in seconds, as `time.monotonic` returns it.

        Returns:
            The number of bytes of responses that wait for the client.
        """
        unread = self.transport.get_write_buffer_size()
        if not unread:
            self._write_due = None
        elif self._write_due is None or unread <= self._unread_bytes - MIN_READ_BYTES:
            self._write_due, self._unread_bytes = now + WRITE_S, unread
        is_lingering = self._is_in_body and self._is_answered
        self._linger_due = (self._linger_due or now + LINGER_S) if is_lingering else None
        head_due = self._head_due if self._is_answered and not unread else None
        if any(due is not None and now > due for due in (self._write_due, self._linger_due, head_due)):
            self.transport.abort()
        return unread

    def _refuse(self) -> None:
        super().send_400_response(self._refusal)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._current = cycle
        takes_body = any(name in FRAMING for name, _ in cycle.scope["headers"])
        super()._start_asgi_task(cycle, _unless_reset(cycle, app) if takes_body else app)

    def _parse(self) -> None:
        """Parse a slice, and the rest in later turns; reading goes on once all is parsed."""
        self._next_turn = None
        if self.pipeline:
            self.flow.pause_reading()
        if self.pipeline or self._is_refused or self.transport.is_closing():
            return
        data, self._unparsed = self._unparsed[:SLICE_BYTES], self._unparsed[SLICE_BYTES:]
        self._parse_slice(data)
        if self._is_refused or self.transport.is_closing():
            return
        if self._unparsed:
            self._next_turn = self.loop.call_soon(self._parse)
            return
        if self._is_answered or len(self.cycle.body) <= HIGH_WATER_LIMIT:  # else the application has to read first
            self.flow.resume_reading()
        if self._is_answered and not self._is_in_body:  # these bytes ended uvicorn's timeout, and it starts no other
            self._head_due = self._head_due or time.monotonic() + self.head_s

    def _feed(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        while data:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:  # upgrades are ignored: the next request follows
                data = data[upgrade.args[0] :]
            except httptools.HttpParserError:
                self.send_400_response(INVALID)
                return

    def _parse_slice(self, data: bytes) -> None:
        was_in_body = self._is_in_body
        self._feed(data)
        if self.transport.is_closing() or self._is_refused:
            return
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES + SLICE_BYTES:  # the slice may hold other bytes before the head
                self.send_400_response(HEAD_TOO_LONG)
        elif was_in_body and self._is_in_body:
            self._framing_bytes += len(data)
            self._lingering_bytes += len(data) if self._is_answered else 0
            if self._framing_bytes > MAX_FRAMING_BYTES or self._lingering_bytes > MAX_LINGERING_BYTES:
                self.transport.close()

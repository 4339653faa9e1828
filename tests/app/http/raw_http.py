"""One connection of the server's protocol, without a socket."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from riyl.app.http.protocol import BoundedProtocol
from riyl.app.http.server import server

TURNS = 2000
"""Number of turns of the event loop after which a connection produces nothing more."""

PARTS = 3


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond with the request: its method, its path, and the sha256 of its body.

    /early is answered before its body is read, /parts in several parts, with turns of the event loop between them.
    """
    body, reads = b"", scope["path"] != "/early"
    while reads:
        message = await receive()
        if message["type"] != "http.request":
            return
        body, reads = body + message["body"], message["more_body"]
    echo = f"{scope['method']} {scope['path']} {hashlib.sha256(body).hexdigest()}".encode()
    if scope["path"] == "/parts":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for n in range(PARTS):
            await asyncio.sleep(0)
            part = echo[n * len(echo) // PARTS : (n + 1) * len(echo) // PARTS]
            await send({"type": "http.response.body", "body": part, "more_body": n + 1 < PARTS})
        return
    length = (b"content-length", str(len(echo)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": echo})


class Wire(asyncio.Transport):
    """A transport whose other end is the test.

    Attributes:
        written: bytes of the protocol's responses, in their order.
        is_paused: whether reading is paused.
    """

    def __init__(self, protocol: BoundedProtocol) -> None:
        super().__init__()
        self.protocol = protocol
        self.written = bytearray()
        self.is_paused = False
        self._is_closing = False

    def write(self, data: Any) -> None:
        """Record the bytes of a response; after `close` they are lost, as on a socket."""
        if not self._is_closing:
            self.written += data

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def get_write_buffer_size(self) -> int:
        return 0


@dataclass(frozen=True)
class Outcome:
    """Result of a connection.

    Attributes:
        answers: all bytes that were written.
        is_closed: whether the server closed the connection.
        is_paused: whether the server still pauses reading after all responses.
        held: maximum bytes and requests that the protocol held unanswered.
        faults: errors that were logged, or raised where they are not awaited.
    """

    answers: bytes
    is_closed: bool
    is_paused: bool
    held: int
    faults: tuple[str, ...]


class _Faults(logging.Logger):
    """A logger that keeps its errors in a list."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("faults", logging.ERROR)
        self._faults = faults

    def handle(self, record: logging.LogRecord) -> None:
        self._faults.append(f"{record.getMessage()} {record.exc_info}")


@cache
def _config() -> Config:
    return server(app, "127.0.0.1", 0, asyncio.Event()).config


async def sent(slices: Sequence[tuple[bytes, int]]) -> Outcome:
    """Give the protocol slices of bytes, as far as it reads, each followed by some turns of the event loop.

    In turns that are a multiple of three the client reads nothing, and the transport accepts no more bytes.

    Raises:
        TimeoutError: it neither resumes reading nor closes.
    """
    protocol = BoundedProtocol(_config(), ServerState(), {})
    faults: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(str(context)))
    protocol.logger = _Faults(faults)
    wire = Wire(protocol)
    protocol.connection_made(wire)
    held = 0
    for data, turns in slices:
        await _until_read(wire)
        if wire.is_closing():
            break
        protocol.data_received(data)
        held = max(held, held_by(protocol))
        is_unread = turns > 0 and turns % 3 == 0
        if is_unread:
            protocol.pause_writing()
        await _turn(turns)
        if is_unread:
            protocol.resume_writing()
    await _settled(protocol)
    answers, is_closed, is_paused = bytes(wire.written), wire.is_closing(), wire.is_paused
    wire.close()
    await _settled(protocol)
    return Outcome(answers, is_closed, is_paused, held, tuple(faults))


def held_by(protocol: BoundedProtocol) -> int:
    """Return the bytes and requests that a protocol holds."""
    bodies = sum(len(cycle.body) for cycle, _ in protocol.pipeline)
    newest = 0 if protocol.cycle is None else len(protocol.cycle.body)
    return len(protocol._unparsed) + bodies + newest + len(protocol.pipeline)


async def _turn(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


async def _until_read(wire: Wire) -> None:
    for _ in range(TURNS):
        if not wire.is_paused or wire.is_closing():
            return
        await asyncio.sleep(0)
    raise TimeoutError(f"found a connection neither read nor closed after {TURNS} turns; wanted one of these")


async def _settled(protocol: BoundedProtocol) -> None:
    """Wait until everything that needs no more bytes has ended; an application that waits for its body has not."""
    before, quiet = -1, 0
    while quiet < 30:
        wire = protocol.transport
        assert isinstance(wire, Wire)
        quiet = quiet + 1 if len(wire.written) == before else 0
        before = len(wire.written)
        await asyncio.sleep(0)

"""Limits of request bodies: a body that is too large or too slow is refused before all of it has arrived."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from math import inf

from starlette.types import Message, Receive, Scope

from riyl.app.http.client import client_of
from riyl.app.http.request_errors import BodyTooLargeError, BodyTooSlowError, OverloadedError
from riyl.app.http.route_facts import RouteFacts

MAX_HELD_BYTES = 128 << 20
"""Maximum memory of the bodies of all requests that are arriving, waiting or being answered, in bytes."""

MAX_CLIENT_BYTES = 64 << 20
"""Maximum memory of the bodies of one client, in bytes: see `riyl.app.http.client.client_of`."""

SMALL_BODY_BYTES, RESERVED_BYTES = 64 << 10, 16 << 20
"""Maximum size of a small body, and memory reserved for small bodies, in bytes: large ones leave room for questions."""

PART_BYTES, PART_S = 1 << 16, 10.0
"""Size of a part of a body, in bytes, and maximum time for each part and for the end of the body, in seconds."""


def replayed(message: Message, receive: Receive) -> Receive:
    """Return a `receive` that returns a message once, and then what the given one returns."""
    waiting = [message]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


class BodyLimiter:
    """Reader of request bodies that refuses those that are too large or too slow.

    It measures the bytes that arrive besides the announced size: a chunked body announces none.

    Args:
        shed: called for each request that is refused because the bodies of other requests take too much memory.
        part_s: maximum time for each part of a body, in seconds.
    """

    def __init__(self, shed: Callable[[], None], part_s: float = PART_S) -> None:
        self._shed = shed
        self._part_s = part_s
        self._held = Counter[str]()
        self._left = MAX_HELD_BYTES

    @asynccontextmanager
    async def received(self, scope: Scope, receive: Receive, facts: RouteFacts) -> AsyncIterator[Receive]:
        """Receive the body of a request, and hold it until the request is answered.

        A body that its route streams is limited while the route reads it, and raises the same errors there.

        Returns:
            The `receive` that passes the body to the route.

        Raises:
            BodyTooLargeError: the body is larger than the route accepts.
            BodyTooSlowError: it does not arrive in time.
            OverloadedError: the bodies of other requests take too much memory.
        """
        announced = _announced_bytes(scope)
        if announced == 0:
            yield receive
            return
        if announced is not None and announced > facts.max_body_bytes:
            raise BodyTooLargeError(facts.max_body_bytes)
        bounded = self._bounded(receive, facts.max_body_bytes)
        if facts.streams_body:
            yield bounded
            return
        client, held = client_of(scope), 0

        async def counted() -> Message:
            nonlocal held
            message = await bounded()
            size = len(message.get("body", b""))
            self._hold(client, size, body_bytes=held + size)
            held += size
            return message

        try:
            yield replayed(await _whole(counted), receive)
        finally:
            self._left += held
            self._held[client] -= held
            if not self._held[client]:
                del self._held[client]

    def _hold(self, client: str, size: int, *, body_bytes: int) -> None:
        left = self._left if body_bytes <= SMALL_BODY_BYTES else self._left - RESERVED_BYTES
        if size > min(left, MAX_CLIENT_BYTES - self._held[client]):
            self._shed()
            raise OverloadedError
        self._left -= size
        self._held[client] += size

    def _bounded(self, receive: Receive, most: int) -> Receive:
        clock = asyncio.get_running_loop()
        left, part = most, 0
        until: float | None = None

        async def bounded() -> Message:
            nonlocal left, part, until
            if until is None:
                until = clock.time() + self._part_s
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError as error:
                raise BodyTooSlowError(
                    f"found fewer than {PART_BYTES} more bytes, and no end, in {self._part_s:g} s; wanted either"
                ) from error
            size = len(message.get("body", b""))
            left, part = left - size, part + size
            if left < 0:
                raise BodyTooLargeError(most)
            if part >= PART_BYTES:
                part, until = 0, clock.time() + self._part_s
            if not message.get("more_body", False):
                until = inf
            return message

        return bounded


async def _whole(receive: Receive) -> Message:
    """Return the whole body as one message, or the message that the client has disconnected."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return message
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return {"type": "http.request", "body": bytes(body), "more_body": False}


def _announced_bytes(scope: Scope) -> int | None:
    """Return the size of the body that the head announces, in bytes; None for a body of unknown size."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else None
        if name == b"transfer-encoding":
            return None
    return 0

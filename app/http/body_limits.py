"""Limits of request bodies: a body that is too large or too slow is refused before all of it is here."""

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
"""Maximum memory of the bodies of all requests, those that come and those that wait or are answered, in bytes."""

MAX_CLIENT_BYTES = 64 << 20
"""Maximum memory of the bodies of one client, in bytes: see `riyl.app.http.client.client_of`."""

SMALL_BODY_BYTES, RESERVED_BYTES = 64 << 10, 16 << 20
"""Maximum size of a small body, and memory that only small ones take, in bytes: large ones leave room for questions."""

PART_BYTES, PART_S = 1 << 16, 10.0
"""Each part of this size of a body, and its end, comes within this time of the one before; in bytes and seconds."""


class BodyLimiter:
    """Reads bodies of requests as far as they are not too large and come in time.

    It goes by what arrives, not only by what was announced: a body in chunks announces nothing.

    Args:
        shed: called for each request that is turned away because too many bytes of others are held.
        part_s: time for each part of a body, in seconds.
    """

    def __init__(self, shed: Callable[[], None], part_s: float = PART_S) -> None:
        self._shed = shed
        self._part_s = part_s
        self._held = Counter[str]()
        self._left = MAX_HELD_BYTES

    @asynccontextmanager
    async def received(self, scope: Scope, receive: Receive, facts: RouteFacts) -> AsyncIterator[Receive]:
        """Receive the body of a request, and hold it until the request is answered.

        A body that its route streams is bounded while the route reads it, and ends with the same errors there.

        Returns:
            The `receive` that gives it to the route.

        Raises:
            BodyTooLargeError: the body has more than the route takes.
            BodyTooSlowError: it does not come in time.
            OverloadedError: too many bytes of others are held.
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
            waiting = [await _whole(counted)]

            async def replay() -> Message:
                return waiting.pop() if waiting else await receive()

            yield replay
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
                    f"found less than {PART_BYTES} bytes more, and no end, in {self._part_s:g} s; wanted either"
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
    """The body in one message, or the message that the client has disconnected."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return message
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return {"type": "http.request", "body": bytes(body), "more_body": False}


def _announced_bytes(scope: Scope) -> int | None:
    """Size of the body that the head announces, in bytes; None where it announces a body of unknown size."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else None
        if name == b"transfer-encoding":
            return None
    return 0

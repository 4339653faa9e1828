"""How much of a request is read, and how long: what is too large or too slow is refused before all of it is here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from riyl.app.http.errors import BodyTooLargeError, BodyTooSlowError, OverloadedError

MAX_BODY_BYTES = 1 << 20
"""Of a request that is not streamed."""

MAX_BATCH_BYTES = 16 << 20

LARGER = {("POST", "/v1/similar:batch"): MAX_BATCH_BYTES, ("POST", "/v1/artists:batch"): MAX_BATCH_BYTES}
"""Requests that may have more, and how much."""

MAX_ARTIST_BYTES = 16 << 20
"""What is said of one artist: a hundred thousand listeners, a thousand vectors."""

MAX_UPLOAD_BYTES = 64 << 20

STREAMED = {("POST", "/v1/truths"): MAX_UPLOAD_BYTES}
"""Requests whose body the route itself reads, as it comes, once it knows who asks; and the largest."""


MAX_HELD_BYTES = 128 << 20
"""Of the bodies of all requests together, those that are on their way and those that wait or are answered."""

PART_BYTES, PART_S = 1 << 16, 10.0
"""Each part of this size of a body, and its end, comes within this time of the one before."""


class BodyLimitMiddleware:
    """ASGI middleware that reads a request's body before the app runs, as far as it is not too large and comes in time.

    It goes by what arrives, not only by what was announced: a body in chunks announces nothing. A streamed one is
    counted while the route reads it, and ends with the same errors there.

    Args:
        part_s: within which each part of a body comes.
        most_held_bytes: of all bodies that are in memory.
        shed: told of each request that is turned away because there are too many of them.

    Raises (in place of calling the app):
        BodyTooLargeError: the body has more than a request of its kind may have.
        BodyTooSlowError: it does not come in time.
        OverloadedError: too many bytes of others are held.
    """

    def __init__(
        self,
        app: ASGIApp,
        shed: Callable[[], None],
        part_s: float = PART_S,
        most_held_bytes: int = MAX_HELD_BYTES,
    ) -> None:
        self._app = app
        self._shed = shed
        self._part_s = part_s
        self._left = most_held_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        announced = _announced(scope) if scope["type"] == "http" else 0
        if announced == 0:
            await self._app(scope, receive, send)
            return
        streamed = STREAMED.get((scope["method"], scope["path"]))
        most = streamed or _most(scope["method"], scope["path"])
        if announced is not None and announced > most:
            raise BodyTooLargeError(most)
        bounded = self._bounded(receive, most)
        if streamed:
            await self._app(scope, bounded, send)
            return
        held = 0

        async def counted() -> Message:
            nonlocal held
            message = await bounded()
            size = len(message.get("body", b""))
            if size > self._left:
                self._shed()
                raise OverloadedError
            self._left -= size
            held += size
            return message

        try:
            waiting = [await _whole(counted)]

            async def replay() -> Message:
                return waiting.pop() if waiting else await receive()

            await self._app(scope, replay, send)
        finally:
            self._left += held

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
    """The body in one message, or the message that the client is gone."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return message
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return {"type": "http.request", "body": bytes(body), "more_body": False}


def _most(method: str, path: str) -> int:
    if method in {"PUT", "PATCH"} and path.startswith("/v1/artists/"):
        return MAX_ARTIST_BYTES
    return LARGER.get((method, path), MAX_BODY_BYTES)


def _announced(scope: Scope) -> int | None:
    """Bytes of the body, as its head says; None where it does not say how many."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else None
        if name == b"transfer-encoding":
            return None
    return 0

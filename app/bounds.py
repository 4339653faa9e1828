"""How much of a request is read: a body that is too large is refused before all of it is here."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import BodyTooLargeError, act_of, body_too_large

LARGEST_BODY_BYTES = 1 << 20
"""Of a request that is not streamed."""

LARGEST_BATCH_BYTES = 16 << 20

LARGER = {("POST", "/v1/similar:batch"): LARGEST_BATCH_BYTES, ("POST", "/v1/artists:batch"): LARGEST_BATCH_BYTES}
"""Requests that may have more, and how much."""

LARGEST_ARTIST_BYTES = 16 << 20
"""What is said of one artist: a hundred thousand listeners, a thousand vectors."""

LARGEST_UPLOAD_BYTES = 64 << 20

STREAMED = {("POST", "/v1/truths"): LARGEST_UPLOAD_BYTES}
"""Requests whose body the route itself reads, as it comes, once it knows who asks; and the largest."""


class BoundedBody:
    """ASGI middleware that reads a request's body before the app runs, and answers 413 where there is too much of it.

    It goes by what arrives, not only by what was announced: a body in chunks announces nothing. A streamed one is
    counted while the route reads it, and ends with BodyTooLargeError.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        announced = _announced(scope) if scope["type"] == "http" else 0
        if announced == 0:
            await self._app(scope, receive, send)
            return
        streamed = STREAMED.get((scope["method"], scope["path"]))
        most = streamed or _most(scope["method"], scope["path"])
        whole = None
        if announced is None or announced <= most:
            if streamed:
                await self._app(scope, _counted(receive, most), send)
                return
            whole = await _whole(receive, most)
        if whole is None:
            await body_too_large(act_of(scope), BodyTooLargeError(most))(scope, receive, send)
            return
        waiting = [whole]

        async def replay() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, replay, send)


def _most(method: str, path: str) -> int:
    if method in {"PUT", "PATCH"} and path.startswith("/v1/artists/"):
        return LARGEST_ARTIST_BYTES
    return LARGER.get((method, path), LARGEST_BODY_BYTES)


def _announced(scope: Scope) -> int | None:
    """Bytes of the body, as its head says; None where it does not say how many."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else None
        if name == b"transfer-encoding":
            return None
    return 0


async def _whole(receive: Receive, most: int) -> Message | None:
    """The body in one message, or the message that the client is gone; None where it is too large."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return message
        body += message.get("body", b"")
        if len(body) > most:
            return None
        if not message.get("more_body", False):
            return {"type": "http.request", "body": bytes(body), "more_body": False}


def _counted(receive: Receive, most: int) -> Receive:
    left = most

    async def counted() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise BodyTooLargeError(most)
        return message

    return counted

"""Connections of attackers: raw bytes in, the statuses of the responses out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from typing import Any

from tests.hostile.registry import Answers, Target

STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
CLOSED = "closed"
"""Result of a connection that ended without a response."""

OPEN = "open"
"""Result of a connection without a response that was open when the attack ended."""

ENOUGH_S = 20.0
"""Maximum time of an attack without an end of its own, in seconds."""

PART_BYTES = 1 << 16


def head(method: str, path: str, *lines: str, host: str = "localhost") -> bytes:
    """Make the head of a request."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *lines, "", ""]).encode()


def request(
    method: str,
    path: str,
    body: Any = None,
    *lines: str,
    key: str | None = None,
    content_type: str = "application/json",
) -> bytes:
    """Make a request whose connection ends with its response; a body that is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    keys = [] if key is None else [f"Authorization: Bearer {key}"]
    described = [] if body is None else [f"Content-Type: {content_type}", f"Content-Length: {len(content)}"]
    return head(method, path, *keys, *described, "Connection: close", *lines) + content


def upload(target: Target, name: str, content: bytes, *more: tuple[str, str, bytes]) -> bytes:
    """Make a request that uploads a ground truth; more parts are (part, file name, content)."""
    boundary = "riyl-hostile"
    described = f'--{boundary}\r\nContent-Disposition: form-data; name="{{}}"; filename="{{}}"\r\n\r\n'
    parts = b"".join(
        described.format(part, file).encode() + data + b"\r\n" for part, file, data in (("file", name, content), *more)
    )
    body = parts + f"--{boundary}--\r\n".encode()
    kind = f"multipart/form-data; boundary={boundary}"
    return request("POST", "/v1/truths", body, key=target.admin_key, content_type=kind)


class Statuses:
    """Counter of the statuses in a stream of responses, which keeps only as many bytes as a status has.

    Attributes:
        answers: statuses counted so far.
    """

    def __init__(self) -> None:
        self.answers: Answers = Counter()
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Process the next bytes."""
        text = self._rest + data
        end = 0
        for match in STATUS.finditer(text):
            self.answers[match[1].decode()] += 1
            end = match.end()
        self._rest = text[max(end, len(text) - len(b"HTTP/1.1 200")) :]


async def exchange(target: Target, *parts: bytes, limit_s: float = ENOUGH_S, pause_s: float = 0.0) -> Answers:
    """Send parts one after the other, and read meanwhile.

    Args:
        target: the attacked service.
        *parts: bytes to send.
        limit_s: time after which the attacker disconnects, in seconds.
        pause_s: time between parts, in seconds.

    Returns:
        The statuses of the responses; `CLOSED` or `OPEN` without any response.
    """
    return await exchange_all(target, parts, limit_s=limit_s, pause_s=pause_s)


async def exchange_all(
    target: Target, parts: Iterable[bytes], *, limit_s: float = ENOUGH_S, pause_s: float = 0.0
) -> Answers:
    """Send parts that are made while they are sent, as `exchange` does: endlessly, if the target accepts them."""
    statuses, end = Statuses(), OPEN
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            try:
                async with connected(target) as (reader, writer):
                    sending = asyncio.create_task(_send(writer, parts, pause_s))
                    try:
                        while data := await reader.read(PART_BYTES):
                            statuses.feed(data)
                    finally:
                        sending.cancel()
                        await asyncio.gather(sending, return_exceptions=True)
                end = CLOSED
            except OSError:
                end = CLOSED
    return statuses.answers or Counter([end])


@contextlib.asynccontextmanager
async def connected(target: Target) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection, which is reset at the end of the block."""
    reader, writer = await asyncio.open_connection(target.host, target.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def at_once(exchanges: Iterable[Any]) -> Answers:
    """Run exchanges in parallel, and return their responses."""
    return sum(await asyncio.gather(*exchanges), Counter[str]())


async def shown(target: Target, artist: str, limit_s: float = 120.0) -> Answers:
    """Wait until a new artist is shown with its similar ones, and return the status of the last response."""
    path, answers = f"/v1/artists/{artist}/similar?k=5", Counter[str]()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            while "200" not in answers:
                answers = await exchange(target, request("GET", path))
                await asyncio.sleep(0.1)
    return Counter({f"shown {status}": count for status, count in answers.items()})


async def _send(writer: asyncio.StreamWriter, parts: Iterable[bytes], pause_s: float) -> None:
    for part in parts:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(pause_s)

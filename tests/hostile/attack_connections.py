"""Attacks by connections: heads, framing, pipelines, readers, other protocols."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from itertools import repeat

from tests.hostile.connections import (
    ENOUGH_S,
    at_once,
    connected,
    exchange,
    exchange_all,
    head,
    request,
)
from tests.hostile.registry import Answers, Target, attack

MAX_SENT_BYTES = 256 << 20
"""Maximum size of endless input, in bytes."""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
CHUNKED = ("Content-Type: application/json", "Transfer-Encoding: chunked")


def without_end(target: Target, part: bytes) -> Iterator[bytes]:
    """Yield a part repeatedly, until more was sent than any limit allows."""
    return repeat(part, target.sized(MAX_SENT_BYTES, MAX_SENT_BYTES >> 3) // len(part))


async def begun(target: Target, beginning: bytes, part: bytes) -> Answers:
    """Send a beginning, and then a part endlessly."""

    def parts() -> Iterator[bytes]:
        yield beginning
        yield from without_end(target, part)

    return await exchange_all(target, parts())


@attack
async def nothing(target: Target) -> Answers:
    """Do nothing, for comparison."""
    await asyncio.sleep(target.sized(10, 1))
    return Counter()


@attack
async def trailers_without_end(target: Target) -> Answers:
    """End a chunked body with endless trailers."""
    beginning = head("POST", "/v1/similar", *CHUNKED) + b"2\r\n{}\r\n0\r\n"
    return await begun(target, beginning, b"X-Trailer: v\r\n" * 2000)


@attack
async def chunk_extension_without_end(target: Target) -> Answers:
    """Begin a chunk with an endless extension."""
    return await begun(target, head("POST", "/v1/similar", *CHUNKED) + b"2;x=", b"v" * 65536)


@attack
async def many_tiny_chunks(target: Target) -> Answers:
    """Send a body in chunks of one byte, each with an extension."""
    beginning = head("POST", "/v1/similar", *CHUNKED)
    return await begun(target, beginning, b"1;x=y\r\n \r\n" * 4000)


@attack
async def pipelined_gets(target: Target) -> Answers:
    """Send 45 MB of pipelined requests, and read the responses that arrive within its time."""
    part = head("GET", "/healthz") * 1000
    return await exchange_all(target, repeat(part, target.sized(45_000_000, 1_000_000) // len(part)))


@attack
async def pipelined_gets_unread(target: Target) -> Answers:
    """Send 45 MB of pipelined requests for large responses, and read none."""
    path = f"/v1/artists/{target.ids[0]}/similar?k=200"
    payload = head("GET", path) * (target.sized(45_000_000, 4_500_000) // len(head("GET", path)))
    async with connected(target) as (_, writer):
        writer.write(payload)
        await asyncio.sleep(target.sized(ENOUGH_S, 2))
    return Counter()


@attack
async def head_of_70_kb(target: Target) -> Answers:
    """Send heads of 70 kB: a header, many headers, a target."""
    n = 70_000
    return await at_once(
        exchange(target, payload)
        for payload in (
            request("GET", "/healthz", None, "X: " + "v" * n),
            request("GET", "/healthz", None, *["X: v"] * (n // 6)),
            request("GET", "/" + "v" * n),
        )
        for _ in range(20)
    )


@attack
async def head_without_end(target: Target) -> Answers:
    """Send endless headers."""
    return await begun(target, b"GET /healthz HTTP/1.1\r\n", b"X-Header: v\r\n" * 2000)


@attack
async def slow_heads(target: Target) -> Answers:
    """Hold 200 connections that send a byte of a head each second."""
    line = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: "
    slowly = [bytes([byte]) for byte in line + b"v" * 100]
    limit_s = target.sized(ENOUGH_S, 2)
    return await at_once(exchange(target, *slowly, limit_s=limit_s, pause_s=1) for _ in range(200))


@attack
async def slow_readers(target: Target) -> Answers:
    """Request a large response fifty times, and read a kilobyte of it each second."""
    seeds = [{"id": artist} for artist in target.ids[:10]]
    payload = request("POST", "/v1/similar", {"seeds": seeds, "k": 1000, "explain": True})

    asking = asyncio.Semaphore(4)

    async def read_slowly() -> Answers:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, (target.host, target.port))
        reader, writer = await asyncio.open_connection(sock=client, limit=1024)
        try:
            async with asking:
                writer.write(payload)
                status = (await reader.readline()).split(b" ")[1].decode()
            for _ in range(target.sized(25, 2)):
                await reader.read(1024)
                await asyncio.sleep(1)
        except (OSError, IndexError):
            return Counter(["closed"])
        finally:
            writer.transport.abort()
        return Counter([status])

    return await at_once(read_slowly() for _ in range(50))


@attack
async def foreign_hosts(target: Target) -> Answers:
    """Send requests with the names of other hosts, with none, with two, and with an absolute target."""
    absolute = "http://evil.example/v1/artists?q=a"
    return await at_once(
        exchange(target, payload)
        for payload in (
            head("GET", "/", "Connection: close", host="evil.example"),
            head("GET", "/", "Connection: close", host=""),
            head("GET", "/", "Connection: close", "Host: other.example"),
            head("GET", absolute, "Connection: close", host="evil.example"),
            b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
        )
    )


@attack
async def http2_preface(target: Target) -> Answers:
    """Speak HTTP/2 from the beginning, and request it by Upgrade."""
    upgrade = request("GET", "/healthz", None, "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
    return await exchange(target, PREFACE) + await exchange(target, upgrade)


@attack
async def tls_hello(target: Target) -> Answers:
    """Begin a TLS handshake, a hundred times."""
    outgoing = ssl.MemoryBIO()
    context = ssl.create_default_context()
    try:
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="riyl").do_handshake()
    except ssl.SSLWantReadError:
        hello = outgoing.read()
    return await at_once(exchange(target, hello) for _ in range(100))


@attack
async def random_bytes(target: Target) -> Answers:
    """Send 4 kB of random bytes on each of five hundred connections, half of them after a valid request line."""
    made = random.Random(0)
    line = b"POST /v1/similar HTTP/1.1\r\n"
    answers = Counter[str]()
    for _ in range(target.sized(10, 2)):
        payloads = [(line if n % 2 else b"") + made.randbytes(4096) for n in range(50)]
        answers += await at_once(exchange(target, payload, limit_s=12) for payload in payloads)
    return answers


@attack
async def sighup(target: Target) -> Answers:
    """Send the process SIGHUP, as a closing terminal does."""
    os.kill(target.pid, signal.SIGHUP)
    await asyncio.sleep(1)
    return await exchange(target, request("GET", "/healthz"))


@attack
async def connections_dropped(target: Target) -> Answers:
    """Open 10,000 connections and reset each, half of them in the middle of a request."""
    answers = Counter[str]()
    for number in range(target.sized(10_000, 1000)):
        async with connected(target) as (_, writer):
            if number % 2:
                writer.write(b"POST /v1/similar HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")
                await writer.drain()
        answers["dropped"] += 1
    return answers

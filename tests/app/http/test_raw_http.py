"""Connections with requests right and wrong, in any slices."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riyl.app.http.protocol import SLICE_BYTES
from tests.app.http.raw_http import sent

MAX_SLICES = 12
GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
CLOSE = b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

UPGRADES = [
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
]
METHODS = st.sampled_from([b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"HEAD"])
TARGETS = st.sampled_from([b"/a", b"/b?q=1", b"/early", b"/parts", b"http://other/a", b"http://other:81/parts?x"])
LINES = st.sampled_from(
    [
        b"X: y\r\n",
        b"X:\r\n",
        b"x-Empty: \t \r\n",
        b"Accept: a\r\nAccept: b\r\n",
        b"Expect: 100-continue\r\n",
        b"Connection: close\r\n",
        b"Connection: keep-alive\r\n",
        b"X: " + b"v" * 5000 + b"\r\n",
        b"Cookie: \xff\xe9\r\n",
    ]
)
BODIES = st.binary(max_size=40) | st.sampled_from([GET, b"0\r\n\r\n", b"v" * 70_000])
EXTENSIONS = st.sampled_from([b"", b";x", b";x=y", b';x="y"', b";" + b"v" * 300])
TRAILERS = st.sampled_from([b"", b"X-Trailer: v\r\n", b"Authorization: x\r\nContent-Length: 5\r\n"])


def whole(method: bytes, target: bytes, lines: Sequence[bytes], body: bytes) -> bytes:
    """A request whose body has a length."""
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    return b"%s %s HTTP/1.1\r\nHost: a\r\n%s%s\r\n%s" % (method, target, b"".join(lines), length, body)


def chunked(target: bytes, lines: Sequence[bytes], chunks: Sequence[tuple[bytes, bytes]], trailers: bytes) -> bytes:
    """A request whose body comes in chunks, each with an extension."""
    body = b"".join(b"%x%s\r\n%s\r\n" % (len(data), extension, data) for data, extension in chunks if data)
    head = b"POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n%s\r\n" % (target, b"".join(lines))
    return head + body + b"0\r\n" + trailers + b"\r\n"


RIGHT = st.one_of(
    st.builds(whole, METHODS, TARGETS, st.lists(LINES, max_size=3, unique=True), st.just(b"") | BODIES),
    st.builds(whole, METHODS, TARGETS, st.lists(st.sampled_from(UPGRADES), max_size=1), st.just(b"")),
    st.builds(
        chunked,
        TARGETS,
        st.lists(LINES, max_size=2, unique=True),
        st.lists(st.tuples(BODIES, EXTENSIONS), max_size=3),
        TRAILERS,
    ),
)
WRONG = [
    b"GET /a HTTP/1.1\nHost: a\n\n",
    b"GET /a HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n",
    b"GET /a HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    b"GET /a HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    b"get /a HTTP/1.1\r\nHost: a\r\n\r\n",
    b"NONSENSE /a HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://other HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET a HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /a HTTP/1.0\r\n\r\n",
    b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET /a HTTP/2.0\r\nHost: a\r\n\r\n",
    b"GET /a HTTP/0.9\r\n\r\n",
    b"GET /a\r\n\r\n",
    b"GET /a HTTP/1.1\r\nHost : a\r\n\r\n",
    b"GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /a HTTP/1.1\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 30\r\n\r\n{}",
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\n{}",
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}",
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0x2\r\n\r\n{}",
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n{}\r\n0\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}",
    b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n",
    b"POST /parts HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX : y\r\n\r\n",
    b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{}",
    b"POST /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: 62\r\n\r\n" + GET,
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}{}",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\r\n\r\n",
    b"\x00",
]
CUTS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12)), max_size=MAX_SLICES)


def sliced(data: bytes, cuts: Sequence[tuple[float, int]]) -> list[tuple[bytes, int]]:
    """Bytes in slices, each with the turns of the event loop that follow it."""
    places = sorted((int(share * len(data)), turns) for share, turns in cuts)
    ends = [(0, 0), *places, (len(data), 0)]
    return [(data[start:end], turns) for (start, _), (end, turns) in pairwise(ends) if end > start]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: ascii(wrong[:60]))
def test_wrong_bytes_are_answered_alike_in_any_slices(wrong: bytes) -> None:
    at_once = asyncio.run(sent([(wrong, 0)]))
    in_bytes = asyncio.run(sent([(wrong[at : at + 1], 1) for at in range(len(wrong))]))
    assert in_bytes.answers == at_once.answers
    assert in_bytes.is_closed == at_once.is_closed
    assert {line for line in at_once.answers.split(b"\r\n") if line.startswith(b"HTTP/")} <= {
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 400 Bad Request",
    }


@pytest.mark.parametrize("upgrade", UPGRADES)
def test_a_request_that_asks_for_another_protocol_is_answered_in_this_one(upgrade: bytes) -> None:
    """httptools ends such a request at its head; what stands behind it must neither be lost nor read as a request."""
    several = whole(b"GET", b"/a", [upgrade], b"") + GET
    assert asyncio.run(sent([(several, 0)])).answers.count(b"HTTP/1.1 200 OK") == 2
    for with_body in (whole(b"POST", b"/a", [upgrade], GET), chunked(b"/a", [upgrade], [(GET, b"")], b"")):
        outcome = asyncio.run(sent([(with_body, 0)]))
        assert outcome.is_closed
        assert outcome.answers.startswith(b"HTTP/1.1 400 ")
        assert outcome.answers.endswith(b"Upgrade with a body is not supported.")


@settings(max_examples=15, deadline=None, derandomize=True)
@given(part=RIGHT, times=st.integers(1, 1000), cuts=CUTS)
def test_what_waits_is_bounded_whatever_comes(part: bytes, times: int, cuts: list[tuple[float, int]]) -> None:
    data = (part * times)[: 1 << 20]
    slices = [
        (piece[start : start + (1 << 16)], turns)
        for piece, turns in sliced(data, cuts)
        for start in range(0, len(piece), 1 << 16)
    ]
    outcome = asyncio.run(sent(slices))
    # a read of the transport, what the newest body has before reading pauses, and the requests of one slice
    assert outcome.held <= (1 << 16) + (1 << 16) + 2 * SLICE_BYTES

"""Valid and invalid requests as bytes, and the slices in which they arrive."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from hypothesis import strategies as st

MAX_SLICES = 12
EXPECT, CLOSE = b"Expect: 100-continue\r\n", b"Connection: close\r\n"
UPGRADES = [
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
]


@dataclass(frozen=True)
class RawRequest:
    """A valid request.

    Attributes:
        data: its bytes as sent.
        path: path of its target, without the query.
        lines: its headers besides Host and those of its framing.
    """

    data: bytes
    method: bytes
    path: str
    lines: tuple[bytes, ...]
    body: bytes

    @property
    def reads_body(self) -> bool:
        """Whether `tests.app.http.raw_http.app` reads its body."""
        return self.path != "/early"

    @property
    def echo(self) -> bytes:
        """Body of the response of `tests.app.http.raw_http.app`; empty for a HEAD."""
        digest = hashlib.sha256(self.body if self.reads_body else b"").hexdigest()
        return b"" if self.method == b"HEAD" else f"{self.method.decode()} {self.path} {digest}".encode()

    @property
    def is_continued(self) -> bool:
        """Whether 100 Continue precedes its response: it requests that, and its body is read."""
        return EXPECT in self.lines and self.reads_body

    @property
    def closes(self) -> bool:
        return CLOSE in self.lines


def path_of(target: bytes) -> str:
    """Return the path of a target in origin or absolute form."""
    text = target.decode()
    return ("/" + text.split("/", 3)[3] if "://" in text else text).partition("?")[0]


def whole(method: bytes, target: bytes, lines: Sequence[bytes], body: bytes) -> RawRequest:
    """Make a request whose body has a length."""
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    data = b"%s %s HTTP/1.1\r\nHost: a\r\n%s%s\r\n%s" % (method, target, b"".join(lines), length, body)
    return RawRequest(data, method, path_of(target), tuple(lines), body)


def chunked(
    target: bytes, lines: Sequence[bytes], chunks: Sequence[tuple[bytes, bytes]], trailers: bytes, size: bytes = b"%x"
) -> RawRequest:
    """Make a request whose body comes in chunks, each with an extension; `size` is the format of their sizes."""
    sent = [(data, extension) for data, extension in chunks if data]
    framed = b"".join(size % len(data) + b"%s\r\n%s\r\n" % (extension, data) for data, extension in sent)
    head = b"POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n%s\r\n" % (target, b"".join(lines))
    body = b"".join(data for data, _ in sent)
    return RawRequest(head + framed + b"0\r\n" + trailers + b"\r\n", b"POST", path_of(target), tuple(lines), body)


GET = whole(b"GET", b"/a", [], b"").data
METHODS = st.sampled_from([b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"])
TARGETS = st.sampled_from([b"/a", b"/b?q=1", b"/parts", b"http://other/a", b"http://other:81/parts?x=/y"])
LINES = st.sampled_from(
    [
        b"X: y\r\n",
        b"X:\r\n",
        b"x-Empty: \t \r\n",
        b"Accept: a\r\nAccept: b\r\n",
        EXPECT,
        CLOSE,
        b"Connection: keep-alive\r\n",
        b"X: " + b"v" * 5000 + b"\r\n",
        b"Cookie: \xff\xe9\r\n",
    ]
)
BODIES = st.binary(max_size=40) | st.sampled_from([GET, b"0\r\n\r\n", b"v" * 70_000])
EXTENSIONS = st.sampled_from([b"", b";x", b";x=y", b';x="y"', b";" + b"v" * 300])
TRAILERS = st.sampled_from([b"", b"X-Trailer: v\r\n", b"Authorization: x\r\nHost: b\r\n", b"X:\r\nY:\r\n"])
SIZES = st.sampled_from([b"%x", b"%X", b"000%x"])


def right(
    methods: st.SearchStrategy[bytes] = METHODS, targets: st.SearchStrategy[bytes] = TARGETS
) -> st.SearchStrategy[RawRequest]:
    """Return a strategy for requests that get a 200."""
    return st.one_of(
        st.builds(whole, methods, targets, st.lists(LINES, max_size=3, unique=True), st.just(b"") | BODIES),
        st.builds(whole, methods, targets, st.lists(st.sampled_from(UPGRADES), max_size=1), st.just(b"")),
        st.builds(
            chunked,
            targets,
            st.lists(LINES, max_size=2, unique=True),
            st.lists(st.tuples(BODIES, EXTENSIONS), max_size=3),
            TRAILERS,
            SIZES,
        ),
    )


RIGHT = right(METHODS | st.just(b"HEAD"), TARGETS | st.just(b"/early"))
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
    b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Length: 2\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: y\r\n z\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;\x00\r\n{}\r\n0\r\n\r\n",
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
    """Split bytes into slices, each with the turns of the event loop that follow it."""
    places = sorted((int(share * len(data)), turns) for share, turns in cuts)
    ends = [(0, 0), *places, (len(data), 0)]
    return [(data[start:end], turns) for (start, _), (end, turns) in pairwise(ends) if end > start]

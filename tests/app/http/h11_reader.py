"""h11's reading of the bytes of a connection: the requests in them, and the responses to them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import h11

MAX_EVENT_BYTES = 1 << 17


@dataclass(frozen=True)
class RawAnswer:
    """A response.

    Attributes:
        is_continued: whether 100 Continue came before it.
        closes: whether it announces that the connection ends after it.
    """

    status: int
    body: bytes
    is_continued: bool
    closes: bool


def answers_of(data: bytes, methods: Sequence[bytes]) -> list[RawAnswer]:
    """Parse the responses in the bytes of a server.

    Args:
        data: bytes that the server sent.
        methods: methods of the answered requests; responses beyond them are parsed as to GET.

    Raises:
        h11.RemoteProtocolError: the bytes are not responses, or continue after the last one.
        EOFError: they end within a response.
    """
    connection = h11.Connection(h11.CLIENT, MAX_EVENT_BYTES)
    connection.receive_data(data)
    answers: list[RawAnswer] = []
    while connection.trailing_data[0] and connection.our_state is h11.IDLE:
        method = methods[len(answers)] if len(answers) < len(methods) else b"GET"
        connection.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
        connection.send(h11.EndOfMessage())
        answers.append(_answer(connection))
        if connection.their_state is h11.DONE:
            connection.start_next_cycle()
    if connection.trailing_data[0]:
        raise h11.RemoteProtocolError(f"found {connection.trailing_data[0]!r} behind the last answer; wanted nothing")
    return answers


def _answer(connection: h11.Connection) -> RawAnswer:
    status, body, is_continued, closes = 0, b"", False, False
    while True:
        match connection.next_event():
            case h11.InformationalResponse() as interim:
                is_continued = interim.status_code == 100
            case h11.Response() as head:
                status = head.status_code
                closes = (b"connection", b"close") in head.headers
            case h11.Data() as part:
                body += part.data
            case h11.EndOfMessage():
                return RawAnswer(status, body, is_continued, closes)
            case event:
                raise EOFError(f"found {event} in an answer; wanted its end")


def echoes_of(data: bytes) -> list[bytes]:
    """Return the responses of `tests.app.http.raw_http.app` to requests in bytes, up to the first that h11 refuses."""
    connection = h11.Connection(h11.SERVER, MAX_EVENT_BYTES)
    connection.receive_data(data)
    echoes: list[bytes] = []
    head, body = h11.Request(method="GET", target="/", headers=[("Host", "a")]), b""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            return echoes
        match event:
            case h11.Request():
                head, body = event, b""
            case h11.Data():
                body += event.data
            case h11.EndOfMessage():
                path = _path(head.target)
                digest = hashlib.sha256(b"" if path == b"/early" else body).hexdigest().encode()
                echoes.append(b"" if head.method == b"HEAD" else b"%s %s %s" % (head.method, path, digest))
                connection.send(h11.Response(status_code=404, headers=[("Content-Length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is not h11.DONE:
                    return echoes
                connection.start_next_cycle()
            case _:
                return echoes


def _path(target: bytes) -> bytes:
    if b"://" in target.partition(b"?")[0]:
        target = b"/" + target.partition(b"://")[2].partition(b"/")[2]
    return target.partition(b"?")[0]

"""Invalid bytes and upgrades on a connection, in any slices, and the bytes and requests that wait there."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riyl.app.http.protocol import SLICE_BYTES
from tests.app.http.h11_reader import answers_of
from tests.app.http.raw_http import sent
from tests.app.http.raw_requests import CUTS, GET, RIGHT, UPGRADES, WRONG, RawRequest, chunked, sliced, whole


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


FOLDED = [each for each in WRONG if b"\r\n " in each]


@pytest.mark.parametrize("folded", FOLDED, ids=ascii)
def test_a_folded_header_or_trailer_is_refused(folded: bytes) -> None:
    outcome = asyncio.run(sent([(GET + folded + GET, 0)]))
    assert outcome.is_closed
    assert [answer.status for answer in answers_of(outcome.answers, [])] == [200, 400]
    assert len(FOLDED) == 3


@pytest.mark.parametrize("upgrade", UPGRADES)
def test_a_request_that_asks_for_another_protocol_is_answered_in_this_one(upgrade: bytes) -> None:
    """Keep the bytes after such a request, where httptools stops: they are neither lost nor read as a request."""
    several = whole(b"GET", b"/a", [upgrade], b"").data + GET
    assert asyncio.run(sent([(several, 0)])).answers.count(b"HTTP/1.1 200 OK") == 2
    for with_body in (whole(b"POST", b"/a", [upgrade], GET), chunked(b"/a", [upgrade], [(GET, b"")], b"")):
        outcome = asyncio.run(sent([(with_body.data, 0)]))
        assert outcome.is_closed
        assert outcome.answers.startswith(b"HTTP/1.1 400 ")
        assert outcome.answers.endswith(b"Upgrade with a body is not supported.")


@settings(max_examples=15, deadline=None, derandomize=True)
@given(part=RIGHT, times=st.integers(1, 1000), cuts=CUTS)
def test_what_waits_is_bounded_whatever_comes(part: RawRequest, times: int, cuts: list[tuple[float, int]]) -> None:
    data = (part.data * times)[: 1 << 20]
    slices = [
        (piece[start : start + (1 << 16)], turns)
        for piece, turns in sliced(data, cuts)
        for start in range(0, len(piece), 1 << 16)
    ]
    outcome = asyncio.run(sent(slices))
    # one read of the transport, the newest body's bytes before reading pauses, and the requests of one slice
    assert outcome.held <= (1 << 16) + (1 << 16) + 2 * SLICE_BYTES


@pytest.mark.parametrize("n", range(4))
def test_a_refusal_comes_behind_the_answers_to_all_requests_of_its_slice(n: int) -> None:
    outcome = asyncio.run(sent([(GET * n + b"\x00", 0)]))
    assert outcome.is_closed
    answers = answers_of(outcome.answers, [b"GET"] * n)
    assert [answer.status for answer in answers] == [200] * n + [400]

"""Generated connections: valid and invalid requests in any slices, compared with the sent requests and with h11."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.app.http.h11_reader import RawAnswer, answers_of, echoes_of
from tests.app.http.raw_http import sent
from tests.app.http.raw_requests import CUTS, RIGHT, WRONG, RawRequest, right, sliced, whole

Cuts = list[tuple[float, int]]
Test = Callable[..., Any]

QUICK = settings(max_examples=400, deadline=None)
LONG = settings(max_examples=4000, deadline=None)


def answered(requests: Sequence[RawRequest]) -> list[RawRequest]:
    """Return the requests up to the first one that ends the connection."""
    before = list(takewhile(lambda request: not request.closes, requests))
    return [*before, *requests[len(before) : len(before) + 1]]


def wanted(requests: Sequence[RawRequest]) -> list[RawAnswer]:
    return [RawAnswer(200, each.echo, each.is_continued, each.closes) for each in answered(requests)]


def given_right(depth: settings) -> Callable[[Test], Test]:
    """Run a test on valid requests."""
    return lambda test: depth(given(requests=st.lists(RIGHT, min_size=1, max_size=5), cuts=CUTS)(test))


def right_requests_are_answered(requests: list[RawRequest], cuts: Cuts) -> None:
    data, expected = b"".join(each.data for each in requests), wanted(requests)
    assert echoes_of(data) == [answer.body for answer in expected]
    outcome = asyncio.run(sent(sliced(data, cuts)))
    assert outcome.faults == ()
    assert answers_of(outcome.answers, [each.method for each in requests]) == expected
    assert outcome.is_closed == expected[-1].closes
    assert outcome.is_closed or not outcome.is_paused


@example(requests=[whole(b"GET", b"/a", [], b"")] * 3, cuts=[])
@given_right(QUICK)
def test_right_requests_are_answered_each_in_their_order(requests: list[RawRequest], cuts: Cuts) -> None:
    right_requests_are_answered(requests, cuts)


@pytest.mark.slow
@given_right(LONG)
def test_many_right_requests_are_answered_each_in_their_order(requests: list[RawRequest], cuts: Cuts) -> None:
    right_requests_are_answered(requests, cuts)


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """Draw a request with some bytes changed, added or removed."""
    data = draw(right()).data
    for _ in range(draw(st.integers(1, 3))):
        at, lost = draw(st.integers(0, min(len(data), 400))), draw(st.integers(0, 3))
        data = (
            data[:at] + draw(st.binary(max_size=3) | st.sampled_from([b"\r\n", b"\n", b" ", b"0"])) + data[at + lost :]
        )
    return data


# Responses that begin before their request's body ends (/early) are excluded: whether one has begun when the body
# turns out to be invalid depends on the slices, and so does whether the refusal can still be sent. HEAD is excluded:
# its responses cannot be told from others where the two readers find different requests.
WRONG_BYTES = st.sampled_from([each for each in WRONG if b"/early" not in each]) | st.binary(min_size=1, max_size=60)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
AFTER = right().map(lambda request: request.data) | WRONG_BYTES


def given_wrong(depth: settings) -> Callable[[Test], Test]:
    """Run a test on valid requests, invalid bytes after them, and more valid requests after these."""
    return lambda test: depth(
        given(
            before=st.lists(RIGHT, max_size=3),
            wrong=WRONG_BYTES | spoiled(),
            after=st.lists(AFTER, max_size=2),
            cuts=CUTS,
        )(test)
    )


def wrong_bytes_are_refused(before: list[RawRequest], wrong: bytes, after: list[bytes], cuts: Cuts) -> None:
    data = b"".join([*(each.data for each in before), wrong, *after])
    methods, expected = [each.method for each in before], wanted(before)
    outcome, at_once = (asyncio.run(sent(slices)) for slices in (sliced(data, cuts), [(data, 0)]))
    assert outcome.faults == at_once.faults == ()
    # 100 Continue is sent only if the body is invalid in a later slice than its head, or if its rest never comes
    answers, all_at_once = (answers_of(each.answers.removesuffix(CONTINUE), methods) for each in (outcome, at_once))
    assert [(each.status, each.body) for each in answers] == [(each.status, each.body) for each in all_at_once]
    assert outcome.is_closed == at_once.is_closed == any(each.closes for each in answers)
    assert outcome.is_closed or not (outcome.is_paused or at_once.is_paused)
    assert [each.closes for each in answers[:-1]] == [False] * (len(answers) - 1)
    assert answers[: len(expected)] == expected
    assert len(answers) == len(expected) or not any(each.closes for each in before)
    assert {each.status for each in answers[:-1]} <= {200}
    assert all(each.status == 200 or (each.status, each.closes) == (400, True) for each in answers[-1:])
    # requests that both readers find are the same
    for answer, echo in zip(answers, echoes_of(data), strict=False):
        if answer.status == 200:
            assert answer.body == echo


@given_wrong(QUICK)
def test_wrong_bytes_are_refused_once_behind_all_that_came_before(
    before: list[RawRequest], wrong: bytes, after: list[bytes], cuts: Cuts
) -> None:
    wrong_bytes_are_refused(before, wrong, after, cuts)


@pytest.mark.slow
@given_wrong(LONG)
def test_many_wrong_bytes_are_refused_once_behind_all_that_came_before(
    before: list[RawRequest], wrong: bytes, after: list[bytes], cuts: Cuts
) -> None:
    wrong_bytes_are_refused(before, wrong, after, cuts)

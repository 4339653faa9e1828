from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from starlette.types import Message, Receive

from riyl.app.http import body_limits
from riyl.app.http.body_limits import PART_BYTES, PART_S, BodyLimiter
from riyl.app.http.request_errors import BodyTooLargeError, BodyTooSlowError, OverloadedError
from riyl.app.http.request_scope import KEY, RequestContext
from riyl.app.http.route_facts import MAX_BODY_BYTES, RouteFacts
from riyl.app.routes.forms import MAX_UPLOAD_BYTES
from riyl.core.settings import Home
from tests.app.conftest import key_headers, problem_of, running

JSON = {"content-type": "application/json"}
WHOLE = RouteFacts(max_body_bytes=1 << 20)
STREAMED = RouteFacts(max_body_bytes=MAX_UPLOAD_BYTES, streams_body=True)


async def chunks(n: int, taken: list[int]) -> AsyncIterator[bytes]:
    for i in range(n):
        taken.append(i)
        yield b" " * 2**16


async def test_a_body_that_is_announced_as_too_large_is_413(home: Home) -> None:
    headers = {**JSON, **key_headers(home)}
    async with running(home) as (_, client):
        for path in ("/v1/jobs", "/v1/index", "/nothing"):
            answer = await client.post(path, content=b" " * (MAX_BODY_BYTES + 1), headers=headers)
            body = problem_of(answer, 413, "body too large")
            assert body["detail"] == "found a body of more than 65536 bytes; wanted at most that"
            assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("announced", [{}, {"content-length": "x"}])
async def test_a_body_in_chunks_is_413_as_soon_as_it_is_too_large(home: Home, announced: dict[str, str]) -> None:
    headers = {**JSON, **announced, **key_headers(home)}
    async with running(home) as (_, client):
        taken: list[int] = []
        answer = await client.post("/v1/jobs", content=chunks(1000, taken), headers=headers)
        problem_of(answer, 413, "body too large")
        assert len(taken) == MAX_BODY_BYTES // 2**16 + 1


async def test_a_body_of_the_largest_size_is_read(home: Home) -> None:
    payload = b'{"kind": "import", "params": {"source": "x"}}'
    headers = {**JSON, **key_headers(home)}
    async with running(home) as (_, client):
        padded_payload = payload + b" " * (MAX_BODY_BYTES - len(payload))
        assert (await client.post("/v1/jobs", content=padded_payload, headers=headers)).status_code == 202
        parts = iter([payload[:10], payload[10:]])

        async def in_parts() -> AsyncIterator[bytes]:
            for part in parts:
                yield part

        assert (await client.post("/v1/jobs", content=in_parts(), headers=headers)).status_code == 202


async def never_ending() -> AsyncIterator[bytes]:
    yield b"--x\r\n"
    await asyncio.Event().wait()


async def test_a_body_that_does_not_come_is_408(home: Home) -> None:
    key = key_headers(home)
    form = {"content-type": "multipart/form-data; boundary=x"}
    async with running(home, part_s=0.0) as (app, client):
        for path, headers in [("/v1/similar", JSON), ("/v1/jobs", JSON), ("/v1/truths", form)]:
            answer = await client.post(path, content=never_ending(), headers={**headers, **key})
            body = problem_of(answer, 408, "body too slow")
            assert body["detail"] == "found fewer than 65536 more bytes, and no end, in 0 s; wanted either"
            assert answer.headers["connection"] == "close"
            assert "408" in app.openapi()["paths"][path]["post"]["responses"]
        # a body that has arrived in full is read
        assert (await client.post("/v1/similar", json={"seeds": [{"id": "a003"}]})).status_code == 200


class Sender:
    """A request whose body a `BodyLimiter` receives for an app, sent part by part under a clock of the test."""

    def __init__(
        self,
        limiter: BodyLimiter,
        facts: RouteFacts,
        app: Callable[[Receive], Coroutine[Any, Any, None]],
        address: str = "192.0.2.1",
    ) -> None:
        self._address = address
        self._loop = asyncio.get_running_loop()
        self._now = self._loop.time()
        self._loop.time = lambda: self._now
        self._parts: asyncio.Queue[Message] = asyncio.Queue()
        self.task = self._loop.create_task(self._answer(limiter, facts, app))

    async def _answer(
        self, limiter: BodyLimiter, facts: RouteFacts, app: Callable[[Receive], Coroutine[Any, Any, None]]
    ) -> None:
        scope = {
            "headers": [(b"transfer-encoding", b"chunked")],
            "client": (self._address, 1),
            KEY: RequestContext("test"),
        }
        async with limiter.received(scope, self._parts.get, facts) as receive:
            await app(receive)

    async def send(self, n_bytes: int, after_s: float = 0.0, *, more: bool = True) -> None:
        await self.wait(after_s)
        self._parts.put_nowait({"type": "http.request", "body": bytes(n_bytes), "more_body": more})
        await self.wait(0.0)

    async def wait(self, seconds: float) -> None:
        self._now += seconds
        for _ in range(6):
            await asyncio.sleep(0)


async def read_whole(receive: Receive) -> None:
    while (await receive()).get("more_body"):
        pass


@pytest.mark.parametrize("facts", [WHOLE, STREAMED], ids=["whole", "streamed"])
async def test_each_part_of_a_body_has_its_time_and_none_has_that_of_others(facts: RouteFacts) -> None:
    sender = Sender(BodyLimiter(lambda: None), facts, read_whole)
    await sender.send(4 * PART_BYTES)
    for _ in range(5):
        await sender.send(PART_BYTES, PART_S - 1)
    # a few bytes are less than a part
    for _ in range(8):
        await sender.send(1, 1.0)
    assert not sender.task.done()
    await sender.send(1, 2.0)
    with pytest.raises(BodyTooSlowError):
        await sender.task


async def test_a_body_may_end_at_any_time_that_it_has() -> None:
    sender = Sender(BodyLimiter(lambda: None), WHOLE, read_whole)
    await sender.send(10, PART_S - 1)
    await sender.send(10, 0.5, more=False)
    await sender.task


class Room:
    """A limiter with room for 1,000 bytes, of which 400 per client and 100 for small bodies alone, and its requests."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(body_limits, "MAX_HELD_BYTES", 1000)
        monkeypatch.setattr(body_limits, "MAX_CLIENT_BYTES", 400)
        monkeypatch.setattr(body_limits, "RESERVED_BYTES", 100)
        monkeypatch.setattr(body_limits, "SMALL_BODY_BYTES", 10)
        self.shed = 0
        self.limiter = BodyLimiter(self._count)
        self.ended = asyncio.Event()

    def _count(self) -> None:
        self.shed += 1

    async def hold(self, address: str, n_bytes: int, *, more: bool = False) -> Sender:
        """Send a request that holds a body until the room is emptied."""
        sender = Sender(self.limiter, WHOLE, self._answer, address)
        await sender.send(n_bytes, more=more)
        return sender

    async def refuses(self, address: str, n_bytes: int) -> bool:
        sender = await self.hold(address, n_bytes, more=True)
        if not sender.task.done():
            sender.task.cancel()
            await sender.wait(0)
            return False
        with pytest.raises(OverloadedError):
            await sender.task
        return True

    async def _answer(self, receive: Receive) -> None:
        await receive()
        await self.ended.wait()


async def test_bodies_take_no_more_memory_together_than_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(monkeypatch)
    # of one that is answered, and of some that arrive
    senders = [await room.hold(f"192.0.2.{i}", 300, more=i > 0) for i in range(3)]
    assert await room.refuses("192.0.2.9", 11)
    assert room.shed == 1
    # small bodies fit in the room reserved for them
    assert not await room.refuses("192.0.2.9", 10)
    senders += [await room.hold("192.0.2.9", 10) for _ in range(10)]
    assert await room.refuses("192.0.2.9", 1)
    room.ended.set()
    for sender in senders[1:3]:
        await sender.send(0, more=False)
    await asyncio.gather(*(sender.task for sender in senders))
    assert not await room.refuses("192.0.2.9", 400)


async def test_a_client_holds_no_more_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(monkeypatch)
    await room.hold("192.0.2.1", 390)
    assert not await room.refuses("192.0.2.1", 10)
    assert await room.refuses("192.0.2.1", 11)
    assert not await room.refuses("192.0.2.2", 400)


async def test_an_upload_is_not_held_in_memory_and_not_counted_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limits, "MAX_HELD_BYTES", 1000)
    sender = Sender(BodyLimiter(lambda: None), STREAMED, read_whole)
    await sender.send(STREAMED.max_body_bytes, more=False)
    await sender.task
    larger = Sender(BodyLimiter(lambda: None), STREAMED, read_whole)
    await larger.send(STREAMED.max_body_bytes + 1)
    with pytest.raises(BodyTooLargeError):
        await larger.task

"""Excess requests queue briefly, and are shed once the queue is full; cached responses never wait."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from riyl.app.http.dependencies import held
from riyl.app.http.limited_route import MAX_OF_CLIENT, RequestLimits
from riyl.app.http.metrics import Metrics
from riyl.app.http.overload import ConcurrencyLimiter
from riyl.app.http.request_errors import OverloadedError, TooManyRequestsError
from riyl.app.http.request_scope import KEY, RequestContext
from riyl.app.http.route_facts import Concurrency, RouteFacts
from riyl.core.settings import Home, Settings
from tests.app.conftest import key_headers, problem_of, running

QUESTION = {"seeds": [{"id": "a003"}, {"id": "a005"}]}
DATABASE, STREAMS = Concurrency.DATABASE, Concurrency.STREAMS
NEVER = 60.0
"""Timeout that no test reaches, in seconds."""


class Shedding:
    """A limiter, and the number of requests that it has shed."""

    def __init__(self, places: int, queue: int, timeout_s: float = NEVER) -> None:
        self.shed = 0
        self.limiter = ConcurrencyLimiter(places, queue, timeout_s, self._count)

    def _count(self) -> None:
        self.shed += 1


async def settle() -> None:
    """Let all runnable tasks run."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_waits_gets_in_in_the_order_of_coming() -> None:
    limiter, came = Shedding(1, 3).limiter, list[str]()

    async def come(name: str) -> None:
        await limiter.enter()
        came.append(name)

    async with asyncio.TaskGroup() as tasks:
        for name in "abcd":
            tasks.create_task(come(name))
        for n in range(1, 5):
            await settle()
            assert came == list("abcd")[:n]
            limiter.leave()
    await limiter.enter()


async def test_who_finds_the_line_full_is_turned_away_at_once() -> None:
    counted = Shedding(1, 1)
    limiter = counted.limiter
    await limiter.enter()
    waiting = asyncio.create_task(limiter.enter())
    await settle()
    with pytest.raises(OverloadedError):
        limiter.check()
    with pytest.raises(OverloadedError):
        await limiter.enter()
    assert counted.shed == 2
    limiter.leave()
    await waiting
    limiter.leave()
    limiter.check()


async def test_nobody_waits_longer_than_is_promised() -> None:
    counted = Shedding(1, 5, timeout_s=0.0)
    await counted.limiter.enter()
    with pytest.raises(OverloadedError):
        await counted.limiter.enter()
    assert counted.shed == 1
    counted.limiter.leave()
    await counted.limiter.enter()


@pytest.mark.parametrize("let_in", [False, True], ids=["while it waits", "in the moment that it gets in"])
async def test_a_place_is_not_lost_with_who_leaves_the_line(let_in: bool) -> None:
    limiter = Shedding(1, 5).limiter
    await limiter.enter()
    leaving = asyncio.create_task(limiter.enter())
    await settle()
    if let_in:
        limiter.leave()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    if not let_in:
        limiter.leave()
    await limiter.enter()


class Asked:
    """Requests to an app within `RequestLimits`, with one place per class and no queue by default."""

    def __init__(self, app: Any, queue: int = 0) -> None:
        settings = Settings(concurrency_per_class=1, queue_per_class=queue)
        self._limits = RequestLimits(settings, Metrics())
        self.limiters = self._limits.limiters
        self._app = app

    async def ask(self, concurrency: Concurrency, client: Send | None = None, address: str = "192.0.2.1") -> None:
        async def receive() -> Message:
            raise AssertionError("there is no body")

        async def send(message: Message) -> None: ...

        facts, scope = RouteFacts(concurrency=concurrency), {"headers": [], "concurrency": concurrency}
        scope |= {"client": (address, 1), KEY: RequestContext("test")}
        await self._limits.run(self._app, facts, scope, receive, client or send)


async def test_who_reads_slowly_holds_no_place() -> None:
    read = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def slow(message: Message) -> None:
        await read.wait()

    requests = Asked(app)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(requests.ask(DATABASE, client=slow))
        await settle()
        await requests.ask(DATABASE)
        read.set()


async def test_a_stream_holds_its_place_to_its_end_and_none_of_others() -> None:
    ended = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["concurrency"] is STREAMS:
            await ended.wait()

    requests = Asked(app)
    for _ in range(99):
        await requests.limiters[STREAMS].enter()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(requests.ask(STREAMS))
        await settle()
        with pytest.raises(OverloadedError):
            await requests.ask(STREAMS)
        await requests.ask(DATABASE)
        ended.set()


async def test_a_client_has_no_more_streams_than_its_share() -> None:
    ended = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await ended.wait()

    requests = Asked(app)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(MAX_OF_CLIENT[Concurrency.STREAMS][0]):
            tasks.create_task(requests.ask(STREAMS))
        await settle()
        with pytest.raises(TooManyRequestsError, match="found 20 event streams of this client; wanted fewer"):
            await requests.ask(STREAMS)
        tasks.create_task(requests.ask(STREAMS, address="192.0.2.2"))
        await settle()
        ended.set()
    await requests.ask(STREAMS)


async def test_a_place_is_given_back_when_the_app_fails() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError

    requests = Asked(app)
    for _ in range(3):
        with pytest.raises(ValueError):
            await requests.ask(DATABASE)
        await settle()


async def test_between_two_that_are_answered_at_once_others_have_their_turn() -> None:
    done: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        done.append("answered")
        await send({"type": "http.response.start", "status": 200, "headers": []})

    requests = Asked(app, queue=9)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(requests.ask(Concurrency.QUESTIONS))
        for _ in range(9):
            await asyncio.sleep(0)
            done.append("other")
    assert done.count("answered") == 3
    assert "answered answered" not in " ".join(done)


async def fill(limiter: ConcurrencyLimiter, places: int) -> None:
    await settle()
    for _ in range(places):
        await limiter.enter()


async def test_what_is_full_is_503_before_the_body_is_read_and_what_is_ready_is_answered(home: Home) -> None:
    headers = {**key_headers(home), "content-type": "text/plain"}

    async def body() -> Any:
        raise AssertionError("the body was read")
        yield b""

    async with running(home, Settings(home=home.root, concurrency_per_class=2, queue_per_class=0)) as (app, client):
        limiters = held(app, "limits", RequestLimits).limiters
        await fill(limiters[Concurrency.QUESTIONS], 2)
        await fill(limiters[Concurrency.BATCHES], 1)
        await fill(limiters[Concurrency.UPLOADS], 4)
        await fill(limiters[STREAMS], 100)
        shed = [
            ("POST", "/v1/similar"),
            ("POST", "/v1/similar:batch"),
            ("GET", "/v1/artists/a001/similar?uncorrected=true"),
            ("GET", "/v1/artists?q=a"),
            ("GET", "/v1/index"),
            ("POST", "/v1/truths"),
            ("GET", "/v1/jobs/a/events"),
        ]
        for method, path in shed:
            content = body() if method == "POST" else None
            answer = await client.request(method, path, content=content, headers=headers)
            problem_of(answer, 503, "overloaded")
            assert answer.headers["retry-after"] == "1"
        open_ = ["/v1/artists/a001/similar", "/healthz", "/readyz", "/metrics", "/", "/v1/jobs", "/v1/changes"]
        for path in open_:
            assert (await client.get(path, headers=headers)).status_code == 200, path
        await fill(limiters[DATABASE], 2)
        for method, path in [("GET", "/v1/jobs"), ("DELETE", "/v1/artists/a001"), ("POST", "/v1/artists:batch")]:
            problem_of(await client.request(method, path, headers=headers), 503, "overloaded")
        figures = (await client.get("/metrics")).text
        assert 'riyl_shed_total{limiter="questions"} 4.0' in figures
        assert 'riyl_shed_total{limiter="database"} 3.0' in figures
        assert 'riyl_http_request_seconds_count{method="POST",path="/v1/similar:batch",status="503"} 1.0' in figures


async def test_a_question_waits_for_its_turn_and_is_answered_as_ever(home: Home) -> None:
    async with running(home, Settings(home=home.root, concurrency_per_class=1, queue_per_class=1)) as (app, client):
        limiter = held(app, "limits", RequestLimits).limiters[Concurrency.QUESTIONS]
        expected = (await client.post("/v1/similar", json=QUESTION)).content
        await settle()
        await limiter.enter()
        waiting = asyncio.create_task(client.post("/v1/similar", json=QUESTION))
        for _ in range(50):
            await asyncio.sleep(0)
        assert not waiting.done()
        limiter.leave()
        answer = await waiting
        assert (answer.status_code, answer.content) == (200, expected)

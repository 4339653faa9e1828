from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.bounds import LARGEST_BODY_BYTES
from core.settings import Home
from tests.app.conftest import key_headers, problem_of, run, running

JSON = {"content-type": "application/json"}


async def chunks(n: int, taken: list[int]) -> AsyncIterator[bytes]:
    for i in range(n):
        taken.append(i)
        yield b" " * 2**16


def test_a_body_that_is_announced_as_too_large_is_413(home: Home) -> None:
    async def scenario() -> None:
        async with running(home) as (_, client):
            for path in ("/v1/jobs", "/v1/index", "/nothing"):
                answer = await client.post(path, content=b" " * (LARGEST_BODY_BYTES + 1), headers=JSON)
                body = problem_of(answer, 413, "body too large")
                assert body["detail"] == "found a body of more than 1048576 bytes; wanted at most that"
                assert answer.headers["connection"] == "close"

    run(scenario())


@pytest.mark.parametrize("announced", [{}, {"content-length": "x"}])
def test_a_body_in_chunks_is_413_as_soon_as_it_is_too_large(home: Home, announced: dict[str, str]) -> None:
    async def scenario() -> None:
        async with running(home) as (_, client):
            taken: list[int] = []
            answer = await client.post("/v1/jobs", content=chunks(1000, taken), headers={**JSON, **announced})
            problem_of(answer, 413, "body too large")
            assert len(taken) == LARGEST_BODY_BYTES // 2**16 + 1

    run(scenario())


def test_a_body_of_the_largest_size_is_read(home: Home) -> None:
    asked = b'{"kind": "import", "params": {"source": "x"}}'
    headers = {**JSON, **key_headers(home)}

    async def scenario() -> None:
        async with running(home) as (_, client):
            whole = asked + b" " * (LARGEST_BODY_BYTES - len(asked))
            assert (await client.post("/v1/jobs", content=whole, headers=headers)).status_code == 202
            parts = iter([asked[:10], asked[10:]])

            async def in_parts() -> AsyncIterator[bytes]:
                for part in parts:
                    yield part

            assert (await client.post("/v1/jobs", content=in_parts(), headers=headers)).status_code == 202

    run(scenario())

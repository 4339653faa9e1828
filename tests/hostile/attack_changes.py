"""Attacks by a sender of changes that has a key."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from riyl.app.http.media_types import NDJSON
from tests.hostile.connections import exchange, request, shown
from tests.hostile.registry import Answers, Target, attack

BATCH_S = 120.0


async def put(target: Target, items: list[dict[str, Any]]) -> Answers:
    """Put artists in one batch, and wait until the last is shown."""
    lines = "\n".join(map(json.dumps, items)).encode()
    payload = request("POST", "/v1/artists:batch", lines, key=target.write_key, content_type=NDJSON)
    answers = await exchange(target, payload, limit_s=BATCH_S)
    return answers + await shown(target, items[-1]["id"])


def equal(target: Target, n: int) -> list[dict[str, Any]]:
    """Make n new artists with one and the same tag."""
    return [{"kind": "put", "id": f"equal-{i}", "name": f"Equal {i}", "tags": {target.tags[0]: 1}} for i in range(n)]


def different(target: Target, n: int) -> Iterator[dict[str, Any]]:
    """Yield n new artists with eight tags each."""
    made = random.Random(0)
    for i in range(n):
        tags = {tag: made.randint(1, 9) for tag in made.sample(target.tags, min(8, len(target.tags)))}
        yield {"kind": "put", "id": f"different-{i}", "name": f"Different {i}", "tags": tags}


@attack
async def puts_of_1000_equal_artists(target: Target) -> Answers:
    """Put 1,000 artists with one equal tag in one batch."""
    return await put(target, equal(target, 1000))


@attack
async def puts_of_10000_equal_artists(target: Target) -> Answers:
    """Put 10,000 artists with one equal tag in one batch."""
    return await put(target, equal(target, target.sized(10_000, 2000)))


@attack
async def puts_of_10000_different_artists(target: Target) -> Answers:
    """Put 10,000 different artists in one batch."""
    return await put(target, list(different(target, target.sized(10_000, 500))))

"""Attacks by bodies: expensive queries, JSON that is expensive to parse, and memory for bodies."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from typing import Any

import httpx

from tests.hostile.connections import at_once, exchange, exchange_all, head, request
from tests.hostile.registry import Answers, Target, attack

MIB = 1 << 20


def seeds_of(target: Target, n: int) -> list[dict[str, Any]]:
    """Return the first n artists as seeds."""
    return [{"id": artist} for artist in target.ids[:n]]


@attack
async def plays_explained(target: Target) -> Answers:
    """Ask with a listener of 4,000 artists for a thousand explained results, four times at once."""
    plays = {f"unknown-{n}": 1 for n in range(4000)} | dict.fromkeys(target.ids, 1)
    question = {"plays": dict(list(plays.items())[-4000:]), "k": 1000, "explain": True}
    return await at_once(exchange(target, request("POST", "/v1/similar", question)) for _ in range(4))


@attack
async def plays_at_the_bound(target: Target) -> Answers:
    """Ask with the largest listener that may be explained, eight times at once."""
    question = {"plays": dict.fromkeys(target.ids[:199], 1), "k": 1000, "explain": True}
    return await at_once(exchange(target, request("POST", "/v1/similar", question)) for _ in range(8))


@attack
async def batch_of_many_seeds(target: Target) -> Answers:
    """Send a batch of a thousand queries with a hundred seeds each, some 4 MB, twice at once."""
    queries = [{"seeds": seeds_of(target, 100), "k": 50} for _ in range(1000)]
    return await at_once(
        exchange(target, request("POST", "/v1/similar:batch", {"queries": queries}), limit_s=60) for _ in range(2)
    )


@attack
async def largest_product_sixteen_times(target: Target) -> Answers:
    """Ask sixteen times at once for the largest allowed product of seeds and explained results."""
    seeds = seeds_of(target, 199)
    question = {"seeds": seeds[:100], "avoid": seeds[100:], "k": 1000, "explain": True}
    return await at_once(exchange(target, request("POST", "/v1/similar", question), limit_s=60) for _ in range(16))


@attack
async def largest_batch_sixteen_times(target: Target) -> Answers:
    """Ask sixteen times at once for the largest allowed batch of explained results; in a small run twice."""
    query = {"seeds": seeds_of(target, 3), "k": 50, "explain": True}
    payload = request("POST", "/v1/similar:batch", {"queries": [query] * 1000})
    return await at_once(exchange(target, payload, limit_s=60) for _ in range(target.sized(16, 2)))


@attack
async def faults_in_a_batch(target: Target) -> Answers:
    """Send a batch of queries with 1.4 million faults, an unknown field each."""
    seed = b'{"id":1,' + b",".join(b'"f%d":1' % n for n in range(13)) + b"}"
    query = b'{"seeds":[' + b",".join([seed] * 100) + b"]}"
    body = b'{"queries":[' + b",".join([query] * 1000) + b"]}"
    return await exchange(target, request("POST", "/v1/similar:batch", body), limit_s=60)


@attack
async def faults_in_a_put(target: Target) -> Answers:
    """Put an artist with 1.4 million faults, a text in place of a number each."""
    vector = b"[" + b",".join([b'""'] * 1400) + b"]"
    body = b'{"name":"x","vectors":{"audio":[' + b",".join([vector] * 1000) + b"]}}"
    return await exchange(target, request("PUT", "/v1/artists/faults", body, key=target.write_key), limit_s=60)


@attack
async def faults_in_changes(target: Target) -> Answers:
    """Send a batch of changes with 1.4 million faults, as one object and as lines."""
    line = b'{"kind":"put","id":"f","name":"x","tags":{' + b",".join(b'"t%d":""' % n for n in range(140)) + b"}}"
    items = b'{"items":[' + b",".join([line] * 10_000) + b"]}"
    lines, ndjson = b"\n".join([line] * 10_000), "application/x-ndjson"
    key, where = target.write_key, "/v1/artists:batch"
    answers = await exchange(target, request("POST", where, items, key=key), limit_s=60)
    return answers + await exchange(target, request("POST", where, lines, key=key, content_type=ndjson), limit_s=60)


@attack
async def faults_in_a_question(target: Target) -> Answers:
    """Send a query with half a million faults in its exclusions, eight times at once."""
    body = b'{"seeds":[{"id":"x"}],"exclude":[' + b",".join([b"1"] * 500_000) + b"]}"
    return await at_once(exchange(target, request("POST", "/v1/similar", body)) for _ in range(8))


@attack
async def nested_arrays(target: Target) -> Answers:
    """Send 0.9 MB of nested arrays in place of each field, sixteen bodies at once."""
    pairs = b"[" + b",".join([b"[]"] * 300_000) + b"]"
    objects = b"[" + b",".join([b"{}"] * 300_000) + b"]"
    fields = (b"seeds", b"exclude", b"tags", b"nothing")
    bodies = [b'{"%s":%s}' % (field, value) for field in fields for value in (pairs, objects)] * 2
    return await at_once(exchange(target, request("POST", "/v1/similar", body), limit_s=60) for body in bodies)


@attack
async def deep_nesting(target: Target) -> Answers:
    """Nest arrays and objects as deep as the body has room, in every kind of body."""
    arrays, objects = b"[" * 900_000, b'{"a":' * 180_000
    line = b'{"kind":"put","id":"deep","name":"x","attributes":' + objects
    keyed = {"key": target.admin_key}
    return await at_once(
        exchange(target, payload)
        for payload in (
            request("POST", "/v1/similar", arrays),
            request("POST", "/v1/similar", b'{"seeds":' + objects),
            request("POST", "/v1/similar:batch", b'{"queries":' + arrays),
            request("PUT", "/v1/artists/deep", b'{"name":"x","vectors":' + arrays, **keyed),
            request("POST", "/v1/artists:batch", line, content_type="application/x-ndjson", **keyed),
            request("POST", "/v1/artists:batch", b'{"items":[' + line, **keyed),
            request("POST", "/v1/rules", arrays, **keyed),
            request("POST", "/v1/jobs", b'{"kind":"train","params":' + objects, **keyed),
        )
    )


@attack
async def put_of_11_mb(target: Target) -> Answers:
    """Put artists of 11 MB each, of a hundred thousand listeners or of a thousand vectors, four at once."""
    plays = {f"listener-{n}-{'x' * 90}": n + 1 for n in range(100_000)}
    vectors = {"audio": [[0.125] * 1400] * 1000}
    bodies = [{"name": "Much", "plays": plays}, {"name": "Much", "vectors": vectors}]
    payloads = [
        request("PUT", f"/v1/artists/much-{n}", body, key=target.write_key) for n in range(2) for body in bodies
    ]
    return await at_once(exchange(target, payload, limit_s=60) for payload in payloads)


@attack
async def room_held_without_a_key(target: Target) -> Answers:
    """Hold 120 MiB of the memory for bodies by eight endless puts without a key; other clients send queries."""
    held_s = target.sized(15, 3)
    most = 15 * MIB
    begun = head("PUT", "/v1/artists/held", "Content-Type: application/json", f"Content-Length: {most + 60}")
    trickle = [begun + b" " * most, *[b" "] * 60]
    holding = [asyncio.create_task(exchange_all(target, trickle, limit_s=held_s, pause_s=2)) for _ in range(8)]
    await asyncio.sleep(held_s / 2)
    question = request("POST", "/v1/similar:batch", {"queries": [{"seeds": seeds_of(target, 100)}] * 200})
    others = await at_once(exchange(target, question) for _ in range(4))
    answers = sum(await asyncio.gather(*holding), Counter[str]())
    return answers + Counter({f"others {status}": count for status, count in others.items()})


@attack
async def made_up_keys(target: Target) -> Answers:
    """Try 200 invented keys a second, for reading and for writing."""
    answers, rate = Counter[str](), 200
    for _ in range(target.sized(10, 2)):
        payloads = [
            request(*where, body, key=f"riyl_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}")
            for where, body in ((("PUT", "/v1/artists/x"), {"name": "x"}), (("GET", "/v1/rules"), None))
            for _ in range(rate // 2)
        ]
        second = asyncio.create_task(asyncio.sleep(1))
        answers += await at_once(exchange(target, payload) for payload in payloads)
        await second
    return answers


@attack
async def every_event_stream(target: Target) -> Answers:
    """Request more event streams of jobs than the limit, with one key."""
    async with httpx.AsyncClient(base_url=f"http://{target.host}:{target.port}") as client:
        keyed = {"authorization": f"Bearer {target.admin_key}"}
        job = await client.post("/v1/jobs", json={"kind": "reindex", "params": {}}, headers=keyed)
    stream = head("GET", f"{job.headers['location']}/events", f"Authorization: Bearer {target.admin_key}")
    return await at_once(exchange(target, stream, limit_s=target.sized(10, 2)) for _ in range(150))

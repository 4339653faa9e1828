"""Effects of an attack on the service and its clients: memory, duration of /healthz, and failed good requests."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tests.faults.load import load
from tests.hostile.connections import connected, exchange, request, shown, upload
from tests.hostile.registry import Target

PROBE_S, GOOD_PER_S = 0.02, 10
PROBE_LIMIT_S = 30.0
CHILDREN_S = 0.1
AFTER_S = 1.0
"""Time for which the service is watched after an attack, in seconds."""

MIB = 1 << 20


@dataclass
class Watched:
    """Observations of a service during an attack.

    Attributes:
        peak_bytes: peak memory of the API's process above its idle memory.
        children_bytes: peak memory of its children together.
        longest_s: longest duration of /healthz, in seconds.
        good, failed: requests of good clients, and those of them without a 200.
        errors: good requests and probes that got a 500.
    """

    peak_bytes: int = 0
    children_bytes: int = 0
    longest_s: float = 0.0
    good: int = 0
    failed: int = 0
    errors: int = 0

    @property
    def failed_share(self) -> float:
        """Share of good requests that failed."""
        return self.failed / self.good


@contextlib.asynccontextmanager
async def watched(target: Target) -> AsyncIterator[Watched]:
    """Watch a service while the block runs; the figures are complete once the block has ended."""
    seen = Watched()
    gc.collect()
    gc.freeze()  # passes over what the tests have loaded take 100 ms and more of this process, which measures
    rest = _reset_peak(target.pid)
    paths = [f"/v1/artists/{artist}/similar?k=50" for artist in target.ids]
    address, key = f"http://{target.host}:{target.port}", {"authorization": f"Bearer {target.write_key}"}
    async with load(address, paths, rate=GOOD_PER_S, headers=key) as queries:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as watching:
            watching.create_task(_probe(target, seen, stop))
            watching.create_task(_watch_children(target.pid, seen, stop))
            try:
                yield seen
                await asyncio.sleep(AFTER_S)
            finally:
                stop.set()
    seen.peak_bytes = _peak(target.pid) - rest
    seen.good, seen.failed = len(queries), sum(query.status != 200 for query in queries)
    seen.errors += sum(query.status == 500 for query in queries)


async def warm_up(target: Target) -> None:
    """Send each request once that a service in use has handled: the memory that it loads then stays in use."""
    seeds = [{"id": artist} for artist in target.ids[:50]]
    question = {"seeds": seeds, "tags": dict.fromkeys(target.tags[:5], 1), "k": 100, "explain": True}
    put = {"name": "Warm Up", "tags": {target.tags[0]: 1}}
    pairs = "artist_id,similar_id\n" + f"{target.ids[0]},{target.ids[1]}\n"
    for payload in (
        request("POST", "/v1/similar", question),
        request("POST", "/v1/similar", {**question, "diversity": 0.5, "explain": False}),
        request("POST", "/v1/similar:batch", {"queries": [{"seeds": [seed], "k": 50} for seed in seeds]}),
        request("PUT", "/v1/artists/warm-up", put, key=target.write_key),
        request("GET", "/v1/artists?q=a"),
        request("GET", "/v1/jobs", key=target.admin_key),
        upload(target, "warm-up.csv", pairs.encode()),
        *(request("GET", f"/v1/artists/{artist}/similar?k=50") for artist in target.ids[:500]),
    ):
        answers = await exchange(target, payload)
        if not answers.keys() <= {"200", "201"}:
            raise RuntimeError(f"found {dict(answers)} to {payload[:100]!r}; wanted 200 or 201")
    await shown(target, "warm-up")


async def still_answers(target: Target) -> bool:
    """Return whether the service answers health, a cached response and a query after an attack."""
    async with httpx.AsyncClient(base_url=f"http://{target.host}:{target.port}", timeout=PROBE_LIMIT_S) as client:
        ready = [await client.get(path) for path in ("/healthz", f"/v1/artists/{target.ids[0]}/similar")]
        question = await client.post("/v1/similar", json={"seeds": [{"id": target.ids[1]}], "diversity": 0.1})
    return all(answer.status_code == 200 for answer in (*ready, question))


async def _probe(target: Target, seen: Watched, stop: asyncio.Event) -> None:
    """Request /healthz on a new connection every 20 ms, or once the last has a response.

    An end without a response counts as the longest wait.
    """
    while not stop.is_set():
        start = time.monotonic()
        wait = PROBE_LIMIT_S
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(PROBE_LIMIT_S), connected(target) as (reader, writer):
                writer.write(request("GET", "/healthz"))
                line = await reader.readline()
                if line.startswith(b"HTTP/1.1 200"):
                    wait = time.monotonic() - start
                seen.errors += line.startswith(b"HTTP/1.1 500")
        seen.longest_s = max(seen.longest_s, wait)
        await asyncio.sleep(max(0.0, start + PROBE_S - time.monotonic()))


async def _watch_children(pid: int, seen: Watched, stop: asyncio.Event) -> None:
    process = psutil.Process(pid)
    while not stop.is_set():
        with contextlib.suppress(psutil.NoSuchProcess):
            total = sum(child.memory_info().rss for child in process.children(recursive=True))
            seen.children_bytes = max(seen.children_bytes, total)
        await asyncio.sleep(CHILDREN_S)


def _reset_peak(pid: int) -> int:
    """Reset the peak, and return the present memory, in bytes."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return _peak(pid)


def _peak(pid: int) -> int:
    """Return the peak memory of a process since `_reset_peak`, in bytes.

    Raises:
        RuntimeError: the process has ended.
    """
    status = Path(f"/proc/{pid}/status")
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines()) if status.exists() else {}
    if "VmHWM" not in lines:
        raise RuntimeError(f"found process {pid} ended; wanted a running service")
    return int(lines["VmHWM"].split()[0]) << 10

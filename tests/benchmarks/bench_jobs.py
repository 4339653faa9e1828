"""p99 of GET similar at a fixed 200 requests a second, idle and beside running jobs, alternating in one run.

The service is `riyl serve` with the worker that it starts itself (niced, one thread). Each re-index takes other tables,
so that it embeds, builds and promotes; each evaluation is of a model and the two floors in both conditions. Requests
are sent when they are due, even if earlier ones are unanswered, and a latency counts from the time its request was due.
RIYL_BENCH_TABLES=FOLDER takes a catalog of one's own.
"""

import asyncio
import contextlib
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from itertools import count, repeat
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riyl.app.jobs.client import Jobs
from riyl.app.jobs.types import EvaluateParams, JobKind, JobState, ReindexParams, TrainParams
from riyl.core.db.session import Database
from riyl.core.settings import Settings
from tests.benchmarks.conftest import sized
from tests.conftest import write_tables

K, RATE, CONNECTIONS, PORT = 50, 200, 16, 8441
N, SECONDS, ROUNDS = sized((11_098, 20, 3), (400, 2, 1))


def made_tables(folder):
    """Write tables of N artists with up to two modalities, and links between them."""
    rng = np.random.default_rng(0)
    ids = [f"artist-{i:06d}" for i in range(N)]
    tagged = [i for i in range(N) for _ in range(3) if i % 3]
    links = rng.integers(0, N, (N * 5, 2))
    return write_tables(
        folder,
        artists={"artist_id": ids, "name": [f"Artist Number {i}" for i in range(N)]},
        audio={"artist_id": ids, "vector": list(rng.standard_normal((N, 32)))},
        tags={
            "artist_id": [ids[i] for i in tagged],
            "tag": [f"tag {t}" for t in rng.integers(0, 100, len(tagged))],
            "weight": [1.0] * len(tagged),
        },
        similar={"artist_id": [ids[a] for a in links[:, 0]], "similar_id": [ids[b] for b in links[:, 1]]},
    )


def catalogs(tables, folder):
    """Yield copies of the tables, each without another one of the last artists."""
    for n in count(1):
        (folder / str(n)).mkdir(parents=True)
        for path in tables.glob("*.parquet"):
            table = pq.read_table(path)
            if path.stem == "artists":
                dropped = table.num_rows - n
                table = pa.concat_tables([table.slice(0, dropped), table.slice(dropped + 1)])
            pq.write_table(table, folder / str(n) / path.name)
        yield folder / str(n)


@contextlib.contextmanager
def serving(home):
    command = [Path(sys.executable).parent / "riyl", "--home", home, "serve", "--port", str(PORT)]
    process = subprocess.Popen(command, env={**os.environ, "RIYL_THREADS": "1"}, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{PORT}/healthz")
                break
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


async def ask(requests, start, latencies):
    """Send the requests due on one connection, and record the time from when each was due to its complete answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    for due, request in requests:
        await asyncio.sleep(max(0.0, start + due - time.perf_counter()))
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
        latencies.append(time.perf_counter() - start - due)
    writer.close()


def measured(ids, seed):
    """Return the milliseconds of RATE * SECONDS requests."""
    chosen = random.Random(seed).choices(ids, k=RATE * SECONDS)
    lines = [f"GET /v1/artists/{i}/similar?k={K} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode() for i in chosen]
    due = [(n / RATE, line) for n, line in enumerate(lines)]
    latencies = []

    async def run():
        start = time.perf_counter() + 0.5
        await asyncio.gather(*(ask(due[c::CONNECTIONS], start, latencies) for c in range(CONNECTIONS)))

    asyncio.run(run())
    return np.array(latencies) * 1e3


def reindexes(tables, folder):
    """Yield the parameters of successive re-indexes."""
    return (ReindexParams(tables=str(each)) for each in catalogs(tables, folder))


def evaluations(tables, folder):
    """Yield the parameters of successive evaluations."""
    return repeat(EvaluateParams(systems=["pca"]))


@contextlib.contextmanager
def working(jobs, kind, params, done):
    """Run one job after the other while the block runs."""
    stop = threading.Event()

    def keep():
        while not stop.is_set():
            job, _ = jobs.submit(kind, next(params), by="bench")
            while not (job := jobs.get(job.id)).state.ended:
                time.sleep(0.2)
            assert job.state is JobState.DONE, job.error
            done.append((job.ended - job.started).total_seconds())

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        while jobs.all(limit=1)[0].state is not JobState.RUNNING:
            time.sleep(0.05)
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.bench
@pytest.mark.parametrize(
    ("kind", "asked_for"), [(JobKind.REINDEX, reindexes), (JobKind.EVALUATE, evaluations)], ids=["reindex", "evaluate"]
)
def test_similar_beside_jobs(kind, asked_for, tmp_path, report):
    tables_path = os.environ.get("RIYL_BENCH_TABLES")
    tables = Path(tables_path) if tables_path else made_tables(tmp_path / "tables")
    home = tmp_path / "home"
    settings = Settings(home=home)
    jobs, done, rounds = Jobs(settings, Database.of(settings)), [], []
    with serving(home):
        job, _ = jobs.submit(JobKind.TRAIN, TrainParams(tables=str(tables), config="pca"), by="bench")
        while not (job := jobs.get(job.id)).state.ended:
            time.sleep(0.2)
        assert job.state is JobState.DONE, job.error
        ids = pq.read_table(tables / "artists.parquet").column("artist_id").to_pylist()[:-100]
        with httpx.Client(base_url=f"http://127.0.0.1:{PORT}") as client:
            while client.get("/readyz").status_code != 200:
                time.sleep(0.1)
            ids = [i for i in ids if client.get(f"/v1/artists/{i}/similar").status_code == 200][:5000]
        params = asked_for(tables, tmp_path / "catalogs")
        for n in range(ROUNDS):
            idle = measured(ids, n)
            with working(jobs, kind, params, done):
                busy = measured(ids, n)
            rounds.append((idle, busy))
    jobs.close()
    report(f"{len(ids):,} artists asked at {RATE}/s for {SECONDS} s, k={K}, {CONNECTIONS} connections")
    for idle, busy in rounds:
        parts = [
            f"{name} p50 {np.percentile(t, 50):.2f} p99 {np.percentile(t, 99):.2f} max {t.max():.1f} ms"
            for name, t in (("idle", idle), (f"beside {kind}", busy))
        ]
        report("; ".join(parts))
    ratio = statistics.median(np.percentile(busy, 99) / np.percentile(idle, 99) for idle, busy in rounds)
    report(f"{len(done)} jobs of {min(done):.1f} to {max(done):.1f} s", jobs=len(done))
    report(f"p99 beside {kind} by p99 idle, median of rounds: {ratio:.2f} (wanted: at most 3)", ratio=ratio)

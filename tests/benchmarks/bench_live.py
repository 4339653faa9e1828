"""Changes while it serves: how long a put takes, how soon it is found, and what 10,000 changes cost a ready answer.

On SQLite and on PostgreSQL, with 50 queries a second beside the puts; prints, asserts no times.
"""

import contextlib
import os
import statistics
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from core.changes import ChangeKind, Standing
from core.db.batches import Sender, write_batch
from core.db.changes import Wish
from core.db.keys import Role, create_key
from core.db.session import Database
from core.settings import Settings
from core.tables import Tables
from index.apply import Changing
from index.build import build_version
from index.cold import ColdEncoder
from index.lists import best_of, exact_scores
from index.put import Placer
from index.search import Searcher
from index.stacked import Stacked
from index.versions import promote
from tests.benchmarks.bench_service import N, made_home
from tests.benchmarks.conftest import sized
from tests.conftest import REPOSITORY, forget_database
from tests.faults.processes import RIYL
from training.config import load_config
from training.features.build import build_snapshot
from training.features.recipe import Recipe
from training.train import train

pytestmark = pytest.mark.bench

RATE, PORT = 50, 8451
PUTS, WAITING, ASKED, AWAY = sized((200, 10_000, 2_000, 1_000), (5, 50, 100, 60))


def said(rng, number):
    return {
        "name": f"Put {number}",
        "tags": {f"tag {tag}": 1.0 + float(rng.integers(9)) for tag in rng.permutation(100)[:8]},
    }


@contextlib.contextmanager
def service(home, url, port=PORT):
    """A client of a service over a home, seconds until it was ready, and its process id."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RIYL_")}
    environment |= {"RIYL_HOME": str(home.root), "RIYL_THREADS": "1"} | ({"RIYL_DATABASE_URL": url} if url else {})
    command = [*RIYL, "serve", "--no-worker", "--port", str(port)]
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if client.get("/readyz").status_code == 200:
                        break
                time.sleep(0.05)
            yield client, time.perf_counter() - start, process.pid
    finally:
        process.kill()
        process.wait()


def mebibytes(pid):
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split("kB")[0]) >> 10


def asking(ids, stop):
    """Queries at a fixed rate, for different artists."""
    with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=30) as client:
        start, number = time.perf_counter(), 0
        while not stop.is_set():
            client.get(f"/v1/artists/{ids[number % len(ids)]}/similar?k=50").raise_for_status()
            number += 1
            time.sleep(max(0.0, start + number / RATE - time.perf_counter()))


def puts(client, replica, headers, ids):
    rng, took, found, elsewhere = np.random.default_rng(1), [], [], []
    stop = threading.Event()
    beside = threading.Thread(target=asking, args=(ids, stop))
    beside.start()
    for number in range(PUTS):
        start = time.perf_counter()
        client.put(f"/v1/artists/put-{number}", json=said(rng, number), headers=headers).raise_for_status()
        took.append(time.perf_counter() - start)
        for where, times in ((client, found), (replica, elsewhere)):
            while where.get(f"/v1/artists/put-{number}/similar").status_code != 200:
                time.sleep(0.01)
            times.append(time.perf_counter() - start)
    stop.set()
    beside.join()
    return took, found, elsewhere


def latency(client, ids):
    """Of single answers of k=50 in turn, each for another artist: the first for it, and one that is kept."""
    first, kept = [], []
    for times in (first, kept):
        for artist in ids:
            start = time.perf_counter()
            client.get(f"/v1/artists/{artist}/similar?k=50")
            times.append(time.perf_counter() - start)
    return statistics.median(first), statistics.median(kept)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_puts_while_it_serves(kind, tmp_path, request, report):
    home, all_ids = made_home(tmp_path)
    url = request.getfixturevalue("postgres_url") if kind == "postgres" else None
    settings = Settings(home=home.root, database_url=url)
    database = Database.of(settings)
    if url:
        forget_database(home)  # it was promoted in SQLite
        database.upgrade()
    version = next(path.parent.name for path in home.versions.glob("[!.]*/manifest.json"))
    promote(home.versions, database, version, by="bench", why="bench", force=True)
    _, token = create_key(database, "bench", Role.WRITE)
    headers = {"authorization": f"Bearer {token}"}
    rng = np.random.default_rng(0)
    ids = [all_ids[i] for i in rng.permutation(N)[:ASKED]]
    with service(home, url) as (client, _, _), service(home, url, PORT + 1) as (replica, _, _):
        took, found, elsewhere = puts(client, replica, headers, ids)
    report(
        f"{kind}: a put answered in {1e3 * statistics.median(took):.1f} ms at the median, "
        f"{1e3 * np.quantile(took, 0.99):.1f} at p99; found after {1e3 * statistics.median(found):.0f} ms, "
        f"{1e3 * max(found):.0f} at most, by another replica {1e3 * statistics.median(elsewhere):.0f} and "
        f"{1e3 * max(elsewhere):.0f}; {RATE} queries a second beside",
        put_ms=1e3 * statistics.median(took),
        found_ms=1e3 * statistics.median(found),
        found_elsewhere_ms=1e3 * statistics.median(elsewhere),
    )
    with database.write() as connection:
        connection.exec_driver_sql("DELETE FROM changes")
    with service(home, url) as (client, ready, pid):
        before, memory = latency(client, ids), mebibytes(pid)
    wishes = [Wish(f"waiting-{i}", ChangeKind.PUT, said(rng, i), False) for i in range(WAITING)]
    write_batch(database, wishes, Sender("bench", "bench"), key=None, digest="")
    with service(home, url) as (client, ready_after, pid):
        assert client.get(f"/v1/artists/waiting-{WAITING - 1}").status_code == 200
        after, memory_after = latency(client, ids), mebibytes(pid)
    database.close()
    report(
        f"{kind}: ready in {ready:.1f} s with {memory} MiB, with {WAITING:,} changes in {ready_after:.1f} s with "
        f"{memory_after} MiB; an answer in {1e6 * before[0]:.0f} us the first time, {1e6 * before[1]:.0f} kept; "
        f"with changes {after[0] / before[0]:.2f} and {after[1] / before[1]:.2f} times that",
        first_ratio=after[0] / before[0],
        kept_ratio=after[1] / before[1],
        ready_s=ready_after,
        rss_mib=memory_after,
    )


def test_live_artists_agree_with_indexed_ones(catalog, tmp_path, report):
    """1,000 artists of a real catalog put live instead of indexed; the model, the basis and the others are the same."""
    tables = Tables.open(catalog)
    artists = tables.artists().column("artist_id").to_pylist()
    away = set(np.array(artists)[np.random.default_rng(0).permutation(len(artists))[:AWAY]].tolist())
    for name in ("artists", *tables.modalities.values()):
        table = pq.read_table(tables.files[name])
        kept = pc.invert(pc.is_in(table.column("artist_id").cast(pa.string()), pa.array(sorted(away))))
        (tmp_path / "rest").mkdir(exist_ok=True)
        pq.write_table(table.filter(kept), tmp_path / "rest" / f"{name}.parquet")
    whole = build_snapshot(tables, Recipe(), tmp_path / "snapshots")
    model = train(*load_config("default"), whole, tmp_path / "models")
    rest = build_snapshot(Tables.open(tmp_path / "rest"), Recipe(), tmp_path / "snapshots", keep=whole)
    indexed, without = (build_version(model, snapshot, tmp_path / "versions") for snapshot in (whole, rest))
    said = {artist: {} for artist in sorted(away)}
    for row in tables.artists().to_pylist():
        if row["artist_id"] in away:
            said[row["artist_id"]]["name"] = row["name"]
    for table, text, number in (("tags", "tag", "weight"), ("plays", "user_id", "count")):
        for batch in tables.batches(table):
            for row in batch.to_pylist():
                if row["artist_id"] in away:
                    said[row["artist_id"]].setdefault(table, {})[row[text]] = row[number]
    for batch in tables.batches("audio"):
        for row in batch.to_pylist():
            if row["artist_id"] in away:
                said[row["artist_id"]].setdefault("vectors", {}).setdefault("audio", []).append(row["vector"])
    searcher, reference = Searcher(without), Searcher(indexed)
    placer = Placer(without, ColdEncoder.open(model, rest))
    changing = Changing(without, placer, searcher.row_of_own, searcher.own_names)
    start = time.perf_counter()
    live = searcher.under(changing({artist: Standing(artist, False, said[artist]) for artist in said}, 1))
    seconds = time.perf_counter() - start
    # the same h on both sides: each version measures it in its own lists
    h = np.array([live.live.h.at(live.row_of_id(artist)) for artist in indexed.artist_ids], np.float32)
    same = Searcher(indexed)
    same = same.under(replace(same.live))
    same.live.__dict__["h"] = Stacked(h, np.empty(0, np.float32))
    recalls = {"own h": [], "the same h": []}
    for artist in said:
        row, own = live.row_of_id(artist), reference.row_of_id(artist)
        if not reference.is_known(own):
            continue
        found = set(live.ids_of(live.similar(row, 50).rows))
        scores = exact_scores(same.live, own, raw=False)
        scores[own] = -np.inf
        for name, wanted in (("own h", reference.similar(own, 50)), ("the same h", best_of(same.live, scores, 50))):
            recalls[name].append(len(found & set(reference.ids_of(wanted.rows))) / 50)
    found = ", ".join(f"{np.mean(each):.4f} by {name}" for name, each in recalls.items())
    lists = len(recalls["own h"])
    report(
        f"{len(said):,} artists put in {seconds:.2f} s; recall@50 of {lists} of their lists: {found}",
        put_s=seconds,
        **{f"recall@50, {name}": float(np.mean(each)) for name, each in recalls.items()},
    )

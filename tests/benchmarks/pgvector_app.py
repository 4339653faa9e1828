"""The query of POST similar, answered by pgvector: FastAPI, asyncpg's pool, one statement a query.

It is what a careful user of pgvector would write: seeds are blended, filtered, searched and named in the database, by a
statement that every connection keeps prepared; answers are sent without a second validation. Its vectors and its
metric are those of the version (`riyl.index.scoring.score.Scoring.stored`), so it searches for the same artists.

Run as: python -m tests.benchmarks.pgvector_app PORT DSN CONNECTIONS EF_SEARCH
"""

import contextlib
import sys
from collections.abc import AsyncIterator

import asyncpg
import orjson
import uvicorn
from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.responses import Response

TABLES = """
CREATE EXTENSION vector;
CREATE TABLE seeds (artist_id text PRIMARY KEY, embedding vector({d}) NOT NULL, beside vector({b}) NOT NULL);
CREATE TABLE artists (
    artist_id text PRIMARY KEY, name text NOT NULL, mbid text, tenth int NOT NULL, rare int NOT NULL,
    stored vector({w}) NOT NULL
);
ALTER TABLE seeds ALTER embedding SET STORAGE PLAIN, ALTER beside SET STORAGE PLAIN;
ALTER TABLE artists ALTER stored SET STORAGE PLAIN;
"""

INDEXES = """
CREATE INDEX ON artists USING hnsw (stored vector_l2_ops) WITH (m = 16, ef_construction = 128);
CREATE INDEX ON artists (tenth);
CREATE INDEX ON artists (rare);
"""

STATEMENT = """
WITH asked AS MATERIALIZED (
    SELECT l2_normalize(avg(embedding)) || avg(beside) AS vector FROM seeds WHERE artist_id = ANY($1)
)
SELECT artist_id, name, mbid, stored <-> (SELECT vector FROM asked) AS distance
FROM artists
WHERE artist_id <> ALL($1) {filter}
ORDER BY stored <-> (SELECT vector FROM asked)
LIMIT $2
"""
"""Statement of the query. The query vector is Scoring.asked of the seeds' mean; all weights are 1 here."""


SETTINGS = {"hnsw.iterative_scan": "relaxed_order", "jit": "off"}


def filtered(names: list[str]) -> str:
    """Return the statement with conditions on these columns."""
    return STATEMENT.format(filter=" ".join(f"AND {name} = ${3 + i}" for i, name in enumerate(names)))


class Seed(BaseModel):
    id: str


class Condition(BaseModel):
    eq: int


class Filters(BaseModel):
    attributes: dict[str, Condition] = {}


class Asked(BaseModel):
    seeds: list[Seed]
    k: int = 10
    filters: Filters = Filters()


def create_app(dsn: str, connections: int, ef_search: int) -> FastAPI:
    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        settings = {**SETTINGS, "hnsw.ef_search": str(ef_search)}
        async with asyncpg.create_pool(
            dsn, min_size=connections, max_size=connections, server_settings=settings
        ) as pool:
            app.state.pool = pool
            yield

    app = FastAPI(lifespan=lifespan, telemetry={"tracing": False, "metrics": False, "logs": False})

    @app.post("/v1/similar")
    async def similar(question: Asked, request: Request) -> Response:
        conditions = question.filters.attributes
        if not conditions.keys() <= {"tenth", "rare"}:
            return Response(status_code=422)
        statement, values = filtered(list(conditions)), [condition.eq for condition in conditions.values()]
        async with request.app.state.pool.acquire() as connection:
            rows = await connection.fetch(statement, [seed.id for seed in question.seeds], question.k, *values)
        answer = {
            "similar": [
                {"id": row["artist_id"], "name": row["name"], "mbid": row["mbid"], "distance": row["distance"]}
                for row in sorted(rows, key=lambda row: row["distance"])
            ]
        }
        return Response(orjson.dumps(answer), media_type="application/json")

    return app


if __name__ == "__main__":
    port, dsn, connections, ef_search = sys.argv[1:]
    uvicorn.run(
        create_app(dsn, int(connections), int(ef_search)),
        host="127.0.0.1",
        port=int(port),
        log_config=None,
        access_log=False,
        http="httptools",
        loop="uvloop",
    )

"""Routes that find artists similar to a mixed query: artists, tags, vectors and plays, with filters."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext

from fastapi import APIRouter
from starlette.responses import Response

from riyl.app.http.dependencies import TheState
from riyl.app.http.errors import batch_problem, problems
from riyl.app.http.limited_route import RequestLimits, TheLimits
from riyl.app.http.media_types import JSON, NO_STORE
from riyl.app.http.off_loop_body import OffLoopBodyRoute
from riyl.app.http.route_facts import Concurrency, RouteFacts
from riyl.app.schemas.query import (
    HEAVY_SHARES,
    BatchEntry,
    BatchRequest,
    BatchResponse,
    QueryResponse,
    SimilarRequest,
)
from riyl.app.services.query import query_bytes
from riyl.app.serving.state import ServingState
from riyl.core.errors import RiylError

router = APIRouter(prefix="/v1", tags=["similar"], route_class=OffLoopBodyRoute)

MAX_QUERY_BYTES, MAX_BATCH_BYTES = 1 << 20, 2 << 20
"""Maximum body of a query and of a batch, in bytes: parsing JSON of that size holds the interpreter for some 50 ms."""

UNKNOWN = {404: "A seed does not exist; `near` lists artists with similar names."}
UNCLEAR = {
    409: "Several artists share the name or mbid of a seed (`candidates`), there is no data on any part of the query, "
    "the model cannot use it, or the version holds no reasons."
}


@router.post(
    "/similar",
    summary="Find artists similar to a mixed query",
    response_model=QueryResponse,
    responses=problems(UNKNOWN | UNCLEAR),
)
@RouteFacts(concurrency=Concurrency.QUESTIONS, max_body_bytes=MAX_QUERY_BYTES)
async def similar_to(state: TheState, limits: TheLimits, request: SimilarRequest) -> Response:
    """Find the artists most similar to a mix of artists, tags, vectors and plays, best first.

    The artists of the query are not among them.
    """
    async with _heavy_entered(limits, request.n_shares):
        body = await asyncio.to_thread(query_bytes, state, request)
    return Response(body, headers=NO_STORE, media_type=JSON)


@router.post("/similar:batch", summary="Answer up to 1,000 mixed queries", response_model=BatchResponse)
@RouteFacts(concurrency=Concurrency.BATCHES, max_body_bytes=MAX_BATCH_BYTES)
async def similar_to_each(state: TheState, limits: TheLimits, request: BatchRequest) -> Response:
    """Answer each query, or describe its problem, in order; all use the same version and rules."""
    async with _heavy_entered(limits, request.n_shares):
        body = await asyncio.to_thread(_batch_body, state, request)
    return Response(body, headers=NO_STORE, media_type=JSON)


def _heavy_entered(limits: RequestLimits, n_shares: int) -> AbstractAsyncContextManager[None]:
    """Enter the limiter for heavy explanations, in addition to the limiter of the request's class."""
    return limits.limiters[Concurrency.HEAVY].entered() if n_shares > HEAVY_SHARES else nullcontext()


def _batch_body(state: ServingState, request: BatchRequest) -> bytes:
    """Serialize the response entry by entry.

    Serializing all entries at once would hold the interpreter, and every entry in memory twice.
    """
    entries = b",".join(_entry(state, query) for query in request.queries)
    empty = BatchResponse(version=state.searcher.version_id, answers=[]).model_dump_json()
    return empty.removesuffix("]}").encode() + entries + b"]}"


def _entry(state: ServingState, request: SimilarRequest) -> bytes:
    """Serialize a `BatchEntry`."""
    try:
        return b'{"answer":' + query_bytes(state, request) + b',"problem":null}'
    except RiylError as error:
        return BatchEntry(answer=None, problem=batch_problem(error)).model_dump_json().encode()

"""Route that exports the similar artists of every artist."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from riyl.app.http.dependencies import VERSIONED, TheState
from riyl.app.http.errors import problems
from riyl.app.http.media_types import NDJSON, PARQUET, negotiated
from riyl.app.http.request_errors import NotAcceptableError
from riyl.app.http.request_scope import request_context_of
from riyl.app.http.route_facts import Concurrency, RouteFacts
from riyl.app.http.strict_route import StrictRoute
from riyl.app.services.neighbour_export import export_lines, export_parquet
from riyl.app.services.similar import MAX_K

router = APIRouter(prefix="/v1/export", tags=["export"], route_class=StrictRoute)

FORMATS = {NDJSON: export_lines, PARQUET: export_parquet}

DEFAULT_EXPORT_K = 50

BODIES = {
    NDJSON: {
        "schema": {
            "type": "string",
            "description": "One line per artist: what GET /v1/artists/{id}/similar answers for it, a SimilarResponse.",
        }
    },
    PARQUET: {
        "schema": {
            "type": "string",
            "format": "binary",
            "description": "One row per pair: artist_id, rank from 1, similar_id, score.",
        }
    },
}


@router.get(
    "/neighbours",
    summary="Export the similar artists of every artist",
    response_class=StreamingResponse,
    responses={
        **VERSIONED,
        200: {"content": BODIES},
        **problems({406: f"The header Accept allows neither {NDJSON} nor {PARQUET}."}),
    },
)
@RouteFacts(concurrency=Concurrency.EXPORTS)
async def export_neighbours(
    request: Request,
    state: TheState,
    k: Annotated[int, Query(ge=1, le=MAX_K, description="Maximum number of similar artists.")] = DEFAULT_EXPORT_K,
) -> Response:
    """Stream the similar artists of every artist that has some, under the rules and changes of one moment.

    The header Accept chooses between lines of JSON, the default, and a Parquet file. An answer that breaks off has no
    end of its chunked body, which clients report as an error.
    """
    accept = ",".join(request.headers.getlist("accept"))
    media_type = negotiated(accept, list(FORMATS))
    if media_type is None:
        raise NotAcceptableError(f"Accept: found {accept[:200]!r}; wanted {' or '.join(FORMATS)}")
    etag = state.etag if media_type == NDJSON else f'{state.etag[:-1]}-parquet"'
    headers = {"etag": etag, "cache-control": "no-cache", "vary": "Accept"}
    if state.not_modified(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    if request_context_of(request.scope).is_head:
        return Response(headers=headers, media_type=media_type)
    # Starlette takes each part from a worker thread, and the next one once the server has passed the last one on
    return StreamingResponse(FORMATS[media_type](state, k), headers=headers, media_type=media_type)

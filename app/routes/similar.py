"""Who is similar to anything: artists, words, vectors, a listener's plays, and any mix, under conditions."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.responses import Response

from app.asking import answer
from app.deps import BODY, INVALID, NOT_SERVED, TheServed, fresh
from app.errors import problems, status_of
from app.schemas_query import BatchAnswer, BatchAsked, BatchEntry, BatchProblem, QueryAnswer, SimilarAsked
from app.served import Served
from app.strict_route import StrictRoute
from core.errors import RiylError

router = APIRouter(prefix="/v1", tags=["similar"], route_class=StrictRoute)

UNKNOWN = {404: "A seed is no artist; `near` has artists with near names."}
UNCLEAR = {
    409: "A seed's name or mbid is that of several (`candidates`), nothing is known of what was asked with, the model "
    "does not take it, or the version holds no reasons."
}


@router.post(
    "/similar",
    summary="Who is similar to artists, words, vectors, plays, or a mix of them",
    response_model=QueryAnswer,
    responses=problems(BODY | UNKNOWN | UNCLEAR | INVALID | NOT_SERVED),
)
async def similar_to(served: TheServed, asked: SimilarAsked) -> Response:
    """The artists that fit all that is asked best, best first, none of those asked with among them."""
    return fresh(await asyncio.to_thread(answer, served, asked))


@router.post(
    "/similar:batch",
    summary="Up to 1,000 such questions at once",
    response_model=BatchAnswer,
    responses=problems(BODY | INVALID | NOT_SERVED),
)
async def similar_to_each(served: TheServed, asked: BatchAsked) -> Response:
    """Each question's answer, or what was wrong with it, in their order; all by one version and its rules."""
    entries = await asyncio.to_thread(lambda: [_entry(served, one) for one in asked.queries])
    return fresh(BatchAnswer(version=served.searcher.version_id, answers=entries))


def _entry(served: Served, asked: SimilarAsked) -> BatchEntry:
    try:
        return BatchEntry(answer=answer(served, asked), problem=None)
    except RiylError as error:
        known = status_of(error)
        if known is None:
            raise
        return BatchEntry(answer=None, problem=BatchProblem(status=known[0], title=known[1], detail=str(error)))

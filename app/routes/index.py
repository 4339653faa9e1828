"""What the version that serves is made of."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.deps import NOT_SERVED, VERSIONED, TheServed, versioned
from app.errors import problems
from app.schemas import Gate, IndexAnswer, Pattern
from app.strict_route import StrictRoute
from core.files import Manifest

router = APIRouter(prefix="/v1", tags=["index"], route_class=StrictRoute)


@router.get(
    "/index",
    summary="What answers",
    response_model=IndexAnswer,
    responses={**VERSIONED, **problems(NOT_SERVED)},
)
async def get_index(request: Request, served: TheServed) -> Response:
    """The version that serves: its model and snapshot, how many artists it has and knows, and its gate report."""
    return versioned(request, served, described(served.searcher.manifest))


def described(manifest: Manifest) -> IndexAnswer:
    """A version's manifest as the API tells it."""
    counts = manifest["counts"]
    by_pattern = counts["by_pattern"]
    sets = [(names, by_pattern["+".join(names) or "nothing"]) for names in manifest["patterns"]]
    every = sorted({name for names, _ in sets for name in names})
    return IndexAnswer(
        version=manifest["id"],
        format=manifest["format"],
        model=manifest["model"],
        model_name=manifest["model_name"],
        snapshot=manifest["snapshot"],
        last_change=manifest["last_change"],
        artists=counts["artists"],
        embedded=counts["embedded"],
        left_out=counts["left_out"],
        modalities={name: sum(artists for names, artists in sets if name in names) for name in every},
        patterns=[Pattern(modalities=names, artists=artists) for names, artists in sets],
        gate=Gate.model_validate(manifest["gate"]),
    )

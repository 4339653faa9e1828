"""Route that describes the version that serves."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from riyl.app.http.dependencies import VERSIONED, TheState, versioned
from riyl.app.http.route_facts import Concurrency, RouteFacts
from riyl.app.http.strict_route import StrictRoute
from riyl.app.schemas.index import IndexResponse, Pattern, QualityChecks
from riyl.core.files import Manifest

router = APIRouter(prefix="/v1", tags=["index"], route_class=StrictRoute)


@router.get("/index", summary="Get the version that serves", response_model=IndexResponse, responses=VERSIONED)
@RouteFacts(concurrency=Concurrency.QUESTIONS)
async def get_index(request: Request, state: TheState) -> Response:
    """Get the version that serves.

    Returns its model and snapshot, the number of artists with and without embeddings, and its quality checks.
    """
    return versioned(request, state, described(state.searcher.manifest))


def described(manifest: Manifest) -> IndexResponse:
    """Convert a version's manifest to a response."""
    counts = manifest["counts"]
    by_pattern = counts["by_pattern"]
    sets = [(names, by_pattern.get("+".join(names) or "nothing", 0)) for names in manifest["patterns"]]
    every = sorted({name for names, _ in sets for name in names})
    return IndexResponse(
        version=manifest["id"],
        format=manifest["format"],
        model=manifest["model"],
        model_name=manifest["model_name"],
        snapshot=manifest["snapshot"],
        last_change=manifest["last_change"],
        artists=counts["artists"],
        embedded=counts["embedded"],
        not_embedded=counts["not_embedded"],
        modalities={name: sum(artists for names, artists in sets if name in names) for name in every},
        patterns=[Pattern(modalities=names, artists=artists) for names, artists in sets],
        quality_checks=QualityChecks.model_validate(manifest["quality_checks"]),
    )

"""Artists by name and by id, and who is similar to them."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from riyl.app.http.dependencies import VERSIONED, TheState, versioned
from riyl.app.http.errors import problems
from riyl.app.http.request_errors import AmbiguousNameError
from riyl.app.http.route_facts import Concurrency, RouteFacts
from riyl.app.http.strict_route import StrictRoute
from riyl.app.schemas.artists import ArtistResponse, ArtistsResponse, Details, ResolveResponse, SimilarResponse
from riyl.app.schemas.explanation import ExplainedResponse
from riyl.app.services.artists import known_row, summaries, summary, unknown_artist
from riyl.app.services.query import explain_similar
from riyl.app.services.similar import DEFAULT_K, MAX_K, similar_model
from riyl.app.serving.state import ServingState

router = APIRouter(prefix="/v1", tags=["artists"], route_class=StrictRoute)

QUESTION = RouteFacts(concurrency=Concurrency.QUESTIONS)

SIMILAR = "/similar"
"""What the address of an artist's similar ones ends in."""

MAX_NAME_LENGTH = 1000
"""Characters of a name that is searched for."""

UNKNOWN = {404: "There is no such artist; `near` has artists with near names."}
UNCLEAR = {
    409: "The artist is there, but cannot be answered for: several share the name or mbid (`candidates`), or nothing "
    "is known of it yet."
}
SHARED = {409: "Several artists share the mbid (`candidates`)."}

MOVED: dict[int | str, dict[str, Any]] = {301: {"description": "The artist was merged into another one: Location."}}

ArtistPath = Annotated[str, Path(description="The catalog's own id of the artist, or its MusicBrainz id.")]
NameQuery = Annotated[str, Query(max_length=MAX_NAME_LENGTH, description="The whole name.")]


@router.get("/artists", summary="Search artists by name", response_model=ArtistsResponse, responses=VERSIONED)
@QUESTION
async def search_artists(
    request: Request,
    state: TheState,
    q: Annotated[
        str,
        Query(
            max_length=MAX_NAME_LENGTH,
            description="The name or its beginning; accents, case and one typo do not matter. Empty finds nothing.",
        ),
    ],
    limit: Annotated[int, Query(ge=1, le=50, description="How many at most.")] = 10,
) -> Response:
    """Artists whose name or alias begins like `q`, the best match first and among equals the most listened to."""
    searcher = state.searcher
    artists = summaries(searcher, searcher.search_names(q, limit, state.rules.blocked))
    return versioned(request, state, ArtistsResponse(version=searcher.version_id, artists=artists))


@router.get(
    "/artists:resolve",
    summary="Find the one artist of a name",
    response_model=ResolveResponse,
    responses={**VERSIONED, **problems(UNKNOWN | UNCLEAR)},
)
@QUESTION
async def resolve_artist(request: Request, state: TheState, name: NameQuery) -> Response:
    """The artist that is called `name`. 409 with `candidates` when several are, 404 with `near` names when none is."""
    searcher = state.searcher
    rows = searcher.named(name, state.rules.blocked)
    if not rows:
        raise unknown_artist(state, name)
    artists = summaries(searcher, rows)
    if len(artists) > 1:
        raise AmbiguousNameError(f"{len(artists)} artists have this name; choose one of them by its id", artists)
    return versioned(request, state, ResolveResponse(version=searcher.version_id, artist=artists[0]))


# before the next one, whose id would take "/similar" in: ids may hold slashes
@router.get(
    f"/artists/{{id:path}}{SIMILAR}",
    summary="Who is similar to an artist",
    response_model=SimilarResponse | ExplainedResponse,
    responses={**VERSIONED, **MOVED, **problems(UNKNOWN | UNCLEAR)},
)
@QUESTION
async def similar_artists(
    request: Request,
    state: TheState,
    id: ArtistPath,
    k: Annotated[int, Query(ge=1, le=MAX_K, description="How many at most.")] = DEFAULT_K,
    uncorrected: Annotated[
        bool,
        Query(
            description="Leave the version's corrections out: the nearest by cosine, whoever is near everybody and "
            "whatever is known of them. Searched for anew, so slower.",
        ),
    ] = False,
    explain: Annotated[
        bool,
        Query(
            description="Say why, with each answer: its score in shares by two modalities, the tags in common, and "
            "what is known of it.",
        ),
    ] = False,
) -> Response:
    """The artists most similar to this one, best first, behind those that are pinned to it by rule.

    409 when nothing is known yet that could tell.
    """
    if (moved := moved_to(request, state, id, SIMILAR)) is not None:
        return moved
    row = known_row(state, id)
    if explain:
        return versioned(
            request, state, await asyncio.to_thread(explain_similar, state, row, k, uncorrected=uncorrected)
        )
    if uncorrected or state.rules:  # what is searched for, and not read, takes its time
        return versioned(request, state, await asyncio.to_thread(similar_model, state, row, k, uncorrected=uncorrected))
    return versioned(request, state, similar_model(state, row, k))


@router.get(
    "/artists/{id:path}",
    summary="What is known of an artist",
    response_model=ArtistResponse,
    responses={**VERSIONED, **MOVED, **problems(UNKNOWN | SHARED)},
)
@QUESTION
async def get_artist(request: Request, state: TheState, id: ArtistPath) -> Response:
    """Names, attributes, modalities and popularity of one artist."""
    if (moved := moved_to(request, state, id)) is not None:
        return moved
    artist = state.searcher.artist(known_row(state, id))
    details = Details(
        **summary(artist).model_dump(),
        aliases=list(artist.aliases),
        attributes=dict(artist.attributes),
        plays=artist.plays,
    )
    return versioned(request, state, ArtistResponse(version=state.searcher.version_id, artist=details))


def moved_to(request: Request, state: ServingState, artist: str, behind: str = "") -> Response | None:
    """The way to the artist into whom that one was merged, by the same question; None where it is there itself."""
    if state.searcher.rows_of(artist) or (to := state.searcher.moved_to(artist)) is None:
        return None
    query = f"?{request.url.query}" if request.url.query else ""
    where = f"/v1/artists/{quote(to, safe='')}{behind}{query}"
    # the client may keep it while nothing changes: an artist that is put again is there again
    return Response(status_code=301, headers={"location": where, "cache-control": "no-cache"})

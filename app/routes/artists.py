"""Routes of artists: search by name, details by id, and similar artists."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from riyl.app.http.dependencies import VERSIONED, TheState, versioned
from riyl.app.http.errors import problems
from riyl.app.http.paging import PAGED, Offset, address_of_pages, page_links
from riyl.app.http.request_errors import AmbiguousNameError
from riyl.app.http.route_facts import Concurrency, RouteFacts
from riyl.app.http.strict_route import StrictRoute
from riyl.app.schemas.artists import ArtistResponse, ArtistsResponse, Details, ResolveResponse, SimilarResponse
from riyl.app.schemas.explanation import ExplainedResponse
from riyl.app.services.artists import known_row, summaries, summary, unknown_artist
from riyl.app.services.query import explain_similar
from riyl.app.services.similar import DEFAULT_K, MAX_K, similar_response
from riyl.app.serving.state import ServingState
from riyl.index.search.rules import apply_rules, ready

router = APIRouter(prefix="/v1", tags=["artists"], route_class=StrictRoute)

QUESTION = RouteFacts(concurrency=Concurrency.QUESTIONS)

SIMILAR = "/similar"
"""End of the address of an artist's similar artists."""

MAX_NAME_LENGTH = 1000
"""Maximum length of a searched name, in characters."""

UNKNOWN = {404: "There is no such artist; `near` lists artists with similar names."}
UNCLEAR = {
    409: "The artist exists, but there is no answer: several artists share the name or mbid (`candidates`), or the "
    "artist has no data yet."
}
SHARED = {409: "Several artists share the mbid (`candidates`)."}

MOVED: dict[int | str, dict[str, Any]] = {301: {"description": "The artist was merged into the one at Location."}}

ArtistPath = Annotated[str, Path(description="The catalog's own id of the artist, or its MusicBrainz id.")]
NameQuery = Annotated[str, Query(max_length=MAX_NAME_LENGTH, description="The whole name as people type it.")]


@router.get(
    "/artists", summary="Search artists by name", response_model=ArtistsResponse, responses={**VERSIONED, **PAGED}
)
@QUESTION
async def search_artists(
    request: Request,
    state: TheState,
    q: Annotated[
        str,
        Query(
            max_length=MAX_NAME_LENGTH,
            description="Name or its beginning; accents, case and one typo are ignored. An empty text finds nothing.",
        ),
    ],
    limit: Annotated[int, Query(ge=1, le=50, description="Maximum number of artists.")] = 10,
    offset: Offset = 0,
) -> Response:
    """Search artists whose name or alias begins with `q`, best match first, equal matches by number of listeners."""
    searcher, end = state.searcher, offset + limit
    rows = searcher.search_names(q, end + 1, state.rules.blocked)
    address = address_of_pages("/v1/artists", request.query_params.items(), "limit")
    link = page_links(address, limit, offset, has_next=len(rows) > end)
    artists = summaries(searcher, rows[offset:end])
    return versioned(request, state, ArtistsResponse(version=searcher.version_id, artists=artists), link)


@router.get(
    "/artists:resolve",
    summary="Find the artist with a given name",
    response_model=ResolveResponse,
    responses={**VERSIONED, **problems(UNKNOWN | UNCLEAR)},
)
@QUESTION
async def resolve_artist(request: Request, state: TheState, name: NameQuery) -> Response:
    """Find the artist called `name`: 409 with `candidates` if several are, 404 with `near` names if none is."""
    searcher = state.searcher
    rows = searcher.named(name, state.rules.blocked)
    if not rows:
        raise unknown_artist(state, name)
    artists = summaries(searcher, rows)
    if len(artists) > 1:
        raise AmbiguousNameError(f"{len(artists)} artists have this name; choose one of them by its id", artists)
    return versioned(request, state, ResolveResponse(version=searcher.version_id, artist=artists[0]))


# registered before the next route, whose id would match "/similar" too: ids may contain slashes
@router.get(
    f"/artists/{{id:path}}{SIMILAR}",
    summary="Find artists similar to an artist",
    response_model=SimilarResponse | ExplainedResponse,
    responses={**VERSIONED, **PAGED, **MOVED, **problems(UNKNOWN | UNCLEAR)},
)
@QUESTION
async def similar_artists(
    request: Request,
    state: TheState,
    id: ArtistPath,
    k: Annotated[int, Query(ge=1, le=MAX_K, description="Maximum number of artists.")] = DEFAULT_K,
    offset: Offset = 0,
    uncorrected: Annotated[
        bool,
        Query(
            description="Score by cosine alone, without the corrections for hubness and for the modalities that an "
            "artist has. Slower, because it needs a new search.",
        ),
    ] = False,
    explain: Annotated[
        bool,
        Query(
            description="Add reasons to each artist: the shares of its score by pairs of modalities, common tags, and "
            "the amount of its data.",
        ),
    ] = False,
) -> Response:
    """Find the artists most similar to this one: first those pinned by editorial rules, then the best ones.

    Answers 409 if the artist has no data yet.
    """
    if (moved := moved_to(request, state, id, SIMILAR)) is not None:
        return moved
    row = known_row(state, id)
    searcher, rules = state.searcher, state.rules
    page = None if uncorrected else ready(searcher, rules, row, k, offset)
    if page is None:
        page = await asyncio.to_thread(apply_rules, searcher, rules, row, k, offset=offset, uncorrected=uncorrected)
    address = address_of_pages(f"/v1/artists/{quote(id, safe='')}{SIMILAR}", request.query_params.items(), "k")
    link = page_links(address, k, offset, has_next=not page.whole)
    if explain:
        explained = await asyncio.to_thread(explain_similar, state, row, page, uncorrected=uncorrected)
        return versioned(request, state, explained, link)
    return versioned(request, state, similar_response(state, row, page), link)


@router.get(
    "/artists/{id:path}",
    summary="Get an artist",
    response_model=ArtistResponse,
    responses={**VERSIONED, **MOVED, **problems(UNKNOWN | SHARED)},
)
@QUESTION
async def get_artist(request: Request, state: TheState, id: ArtistPath) -> Response:
    """Get the names, attributes, modalities and popularity of an artist."""
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
    """Redirect the request to the artist that `artist` was merged into; None if `artist` was not merged."""
    if state.searcher.rows_of(artist) or (to := state.searcher.moved_to(artist)) is None:
        return None
    query = f"?{request.url.query}" if request.url.query else ""
    where = f"/v1/artists/{quote(to, safe='')}{behind}{query}"
    # the client must revalidate the redirect: a merged artist that is put again exists again
    return Response(status_code=301, headers={"location": where, "cache-control": "no-cache"})

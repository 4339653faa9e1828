"""Custom list of Lidarr: MusicBrainz ids of the artists similar to an artist, or to several and tags together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from riyl.app.compat.artists import with_mbid
from riyl.app.compat.json_dialect import JSON_DIALECT, json_response
from riyl.app.http.dependencies import TheState
from riyl.app.http.limited_route import LimitedRoute
from riyl.app.http.route_facts import Concurrency, RouteFacts
from riyl.app.schemas.artists import Similar
from riyl.app.schemas.query import MAX_SEEDS, MAX_TAGS, Seed, SimilarRequest, Text
from riyl.app.services.artists import known_row, row_of_mbid, row_of_name, unknown_artist
from riyl.app.services.query import run_query
from riyl.app.services.similar import similar_model
from riyl.app.serving.state import ServingState
from riyl.core.errors import InputError

router = APIRouter(route_class=LimitedRoute)

DEFAULT_LIMIT, MAX_LIMIT = 100, 500


@router.get("/lidarr/similar", include_in_schema=False)
@RouteFacts(concurrency=Concurrency.QUESTIONS, dialect=JSON_DIALECT)
def similar_artists(
    state: TheState,
    artist: Annotated[list[Text], Query()] = [],  # noqa: B006 - FastAPI copies it
    mbid: Annotated[list[Text], Query()] = [],  # noqa: B006
    id: Annotated[list[Text], Query()] = [],  # noqa: B006
    tag: Annotated[list[Text], Query(max_length=MAX_TAGS)] = [],  # noqa: B006
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
) -> Response:
    """List the artists that have an mbid and are similar to artists (by name, mbid or our id) and tags together.

    A name or an mbid of several artists means the best known of them. An artist that does not exist is an error, so
    that a mistyped list is noticed where it is configured.
    """
    n_seeds = len(artist) + len(mbid) + len(id)
    if n_seeds > MAX_SEEDS:
        raise InputError(f"artist, mbid, id: found {n_seeds} artists; wanted at most {MAX_SEEDS}")
    if not n_seeds and not tag:
        raise InputError("found none of artist, mbid, id and tag; wanted at least one of them")
    rows = list(_rows(state, artist, mbid, id))
    similar = with_mbid(partial(_similar, state, rows, dict.fromkeys(tag, 1.0)), limit)
    return json_response([{"MusicBrainzId": similar_mbid} for similar_mbid, _ in similar])


def _similar(state: ServingState, rows: Sequence[int], tags: dict[str, float], k: int) -> Sequence[Similar]:
    """Return the artists of GET similar for one artist, else those of POST /v1/similar."""
    if len(rows) == 1 and not tags:
        return similar_model(state, rows[0], k).similar
    seeds = [Seed(id=state.searcher.id_of(row)) for row in rows]
    return run_query(state, SimilarRequest(seeds=seeds, tags=tags, k=k)).similar


def _rows(state: ServingState, names: Sequence[str], mbids: Sequence[str], ids: Sequence[str]) -> Iterator[int]:
    """Yield the rows of the seeds.

    Raises:
        UnknownArtistError: one does not exist.
    """
    for find, texts in ((row_of_name, names), (row_of_mbid, mbids)):
        for text in texts:
            row = find(state, text, state.rules.blocked)
            if row is None:
                raise unknown_artist(state, text)
            yield row
    for text in ids:
        yield known_row(state, text)

"""Similar artists as AudioMuse-AI lists them, for its plugins of Navidrome and Jellyfin: /api/similar_artists."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import Response

from riyl.app.compat.json_dialect import JSON_DIALECT, json_response
from riyl.app.http.dependencies import TheDatabase, TheMetrics, TheState
from riyl.app.http.limited_route import LimitedRoute
from riyl.app.http.route_facts import Concurrency, RouteFacts
from riyl.app.services.aliases import normalized_alias
from riyl.app.services.artists import row_of_name
from riyl.app.services.similar import MAX_K, similar_model
from riyl.app.serving.state import ServingState
from riyl.core.db.aliases import AliasKind, aliases_of_artists, artists_of_alias
from riyl.core.db.session import Database
from riyl.core.errors import InputError
from riyl.core.rules import MAX_ID_LENGTH
from riyl.core.types import ArtistId

router = APIRouter(route_class=LimitedRoute)

DEFAULT_N = 10


@router.get("/api/similar_artists", include_in_schema=False)
@RouteFacts(concurrency=Concurrency.DATABASE, dialect=JSON_DIALECT)
def similar_artists(request: Request, state: TheState, database: TheDatabase, metrics: TheMetrics) -> Response:
    """List the artists similar to one, named by its id in a media server, else by its name.

    `artist_id` of a row is its id in the media server by whose id the artist was found; null for an artist without one,
    and where the artist was found by name. `divergence` is 1 minus the score, and at least 0.
    """
    query = request.query_params
    id_or_name = query.get("artist") or query.get("artist_id")
    if not id_or_name:
        raise InputError("found neither artist nor artist_id; wanted one of them")
    row, kind = _row_of_alias(state, database, id_or_name)
    if row is None:
        row = row_of_name(state, id_or_name, state.rules.blocked)
    if row is None:
        metrics.artist_unmapped()
    if row is None or not state.searcher.is_searchable(row) or (n := _n(query)) < 1:
        return json_response([])
    similar = similar_model(state, row, n).similar
    ids: Mapping[ArtistId, str] = {}
    if kind is not None:
        ids = aliases_of_artists(database, kind, [artist.id for artist in similar])
    # of songs, which RIYL does not have
    matches: dict[str, list[object]] = {}
    if query.get("include_component_matches", "").lower() == "true":
        matches["component_matches"] = []
    return json_response(
        [
            {
                "artist": artist.name,
                "artist_id": ids.get(artist.id),
                "divergence": max(0.0, round(1 - artist.score, 6)),
                **matches,
            }
            for artist in similar
        ]
    )


def _row_of_alias(state: ServingState, database: Database, alias: str) -> tuple[int | None, AliasKind | None]:
    """Return the row of the artist with this id in a media server, and that media server; (None, None) without one."""
    if len(alias) > MAX_ID_LENGTH or "\0" in alias:
        return None, None
    artists = artists_of_alias(database, {kind: normalized_alias(alias, kind) for kind in AliasKind})
    for kind, artist in artists.items():
        row = state.searcher.row_now(artist, state.rules.blocked)
        if row is not None:
            return row, kind
    return None, None


def _n(query: Mapping[str, str]) -> int:
    """Return the number of artists that a query wants; AudioMuse-AI takes its default where it is no number."""
    try:
        return min(int(query.get("n", DEFAULT_N)), MAX_K)
    except ValueError:
        return DEFAULT_N

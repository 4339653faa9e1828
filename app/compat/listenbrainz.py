"""Similar artists as ListenBrainz labs lists them: /similar-artists/json, by GET and POST."""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.responses import Response

from riyl.app.compat.artists import MAX_DEPTH, with_mbid
from riyl.app.compat.json_dialect import JSON_DIALECT, json_response
from riyl.app.http.dependencies import TheState
from riyl.app.http.limited_route import LimitedRoute
from riyl.app.http.route_facts import Concurrency, RouteFacts
from riyl.app.services.artists import row_of_mbid
from riyl.app.services.similar import MAX_K, similar_model
from riyl.app.serving.state import ServingState
from riyl.core.errors import InputError

router = APIRouter(route_class=LimitedRoute)

SPELLINGS = ("artist_mbids", "artist_mbid")
"""Names of the parameter, and of the member of a body, that lists the artists."""

MAX_SEEDS = 50
"""Maximum number of artists that one request asks about."""

ROWS = 100
"""Maximum number of rows for each of them; ListenBrainz's default."""

SCORE_UNIT = 10_000
"""Score of a row whose similarity is 1: ListenBrainz's scores are integers."""

WANTED_BODY = 'wanted a JSON list such as [{"artist_mbids": ["..."], "algorithm": "..."}]'

_MBID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@router.api_route("/similar-artists/json", methods=["GET", "POST"], include_in_schema=False)
@RouteFacts(concurrency=Concurrency.QUESTIONS, dialect=JSON_DIALECT)
async def similar_artists(request: Request, state: TheState) -> Response:
    """List the artists similar to each of some artists; an unknown one has no rows. The algorithm is not looked at."""
    if request.method == "POST":
        mbids = _checked(list(_mbids_of_body(await request.body())))
    else:
        mbids = _checked(list(_mbids_of_query(request.query_params)))
    depth = MAX_DEPTH if len(mbids) == 1 else MAX_K  # no request searches for many artists
    rows = await run_in_threadpool(lambda: [row for mbid in mbids for row in _rows(state, mbid, depth)])
    return json_response(rows)


def score_of(similarity: float) -> int:
    """Return a similarity as an integer score: `SCORE_UNIT` times it, rounded, and 0 where it is negative."""
    return max(0, round(SCORE_UNIT * similarity))


def _rows(state: ServingState, mbid: str, depth: int) -> Iterator[dict[str, object]]:
    """Yield the rows of an artist, best first; neighbours without an mbid have none."""
    seed = row_of_mbid(state, mbid, state.rules.blocked)
    if seed is None or not state.searcher.is_searchable(seed):
        return
    for similar_mbid, artist in with_mbid(lambda k: similar_model(state, seed, k).similar, ROWS, depth):
        row = state.searcher.row_of_id(artist.id)
        attributes = {} if row is None else state.searcher.artist(row).attributes
        yield {
            "artist_mbid": similar_mbid,
            "name": artist.name,
            "comment": _text(attributes.get("comment")) or "",
            "type": _text(attributes.get("type")),
            "gender": _text(attributes.get("gender")),
            "score": score_of(artist.score),
            "reference_mbid": mbid,
        }


def _text(attribute: object) -> str | None:
    return attribute if isinstance(attribute, str) else None


def _mbids_of_query(query: QueryParams) -> Iterator[str]:
    for spelling in SPELLINGS:
        for value in query.getlist(spelling):
            yield from value.split(",")


def _mbids_of_body(body: bytes) -> Iterator[str]:
    """Yield the mbids of a body, as lists or separated by commas.

    Raises:
        InputError: it is no list of objects with mbids.
    """
    try:
        queries = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InputError(f"body: found no JSON ({error}); {WANTED_BODY}") from error
    if not isinstance(queries, list) or not all(isinstance(query, dict) for query in queries):
        raise InputError(f"body: found another value than a list of objects; {WANTED_BODY}")
    for query in queries:
        for spelling in SPELLINGS:
            value = query.get(spelling, [])
            mbids = value.split(",") if isinstance(value, str) else value
            if not isinstance(mbids, list) or not all(isinstance(mbid, str) for mbid in mbids):
                raise InputError(f"body.{spelling}: found another value than texts; {WANTED_BODY}")
            yield from mbids


def _checked(mbids: list[str]) -> list[str]:
    """Return each mbid once, in lower case.

    Raises:
        InputError: there is none, one is no MusicBrainz id, or there are too many.
    """
    stripped = list(dict.fromkeys(mbid.strip().lower() for mbid in mbids if mbid.strip()))
    if not 0 < len(stripped) <= MAX_SEEDS:
        raise InputError(f"artist_mbids: found {len(stripped)} artists; wanted 1 to {MAX_SEEDS}")
    invalid = next((mbid for mbid in stripped if not _MBID.fullmatch(mbid)), None)
    if invalid is not None:
        raise InputError(
            f"artist_mbids: found {invalid[:50]!r}; wanted a MusicBrainz id such as "
            "a74b1b7f-71a5-4011-9441-d0b5e4122711"
        )
    return stripped

"""Similar artists as plain rows, equal to the answers of the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from riyl.app.python.parameters import check_names, described
from riyl.app.schemas.artists import Similar
from riyl.app.schemas.query import SimilarRequest
from riyl.app.services.artists import find_row
from riyl.app.services.query import run_query
from riyl.app.services.similar import MAX_K, similar_list
from riyl.app.serving.state import ServingState
from riyl.core.errors import InputError
from riyl.index.search.rules import apply_rules

TEXT = pa.string()

ANSWERS = pa.schema(
    {
        "rank": pa.int64(),
        "artist_id": TEXT,
        "name": TEXT,
        "mbid": TEXT,
        "score": pa.float64(),
        "modalities": TEXT,
        "pinned": pa.bool_(),
    }
)

SIMILAR = pa.schema([pa.field("query_id", TEXT), *ANSWERS])

UNFIT = ("explain",)
"""Fields of a query over HTTP that the rows cannot show."""


def similar_rows(
    state: ServingState, artists: Sequence[str], k: int, *, uncorrected: bool = False
) -> list[dict[str, Any]]:
    """List the artists similar to each of several artists: columns of `SIMILAR`.

    Args:
        state: the version, the changes on it and the rules.
        artists: ids, mbids or whole names.
        k: maximum length of each list.
        uncorrected: whether scores are cosines, without the corrections of the model.

    Raises:
        NotFoundError: there is no such artist; the message lists artists with similar names.
        InputError: several artists have the mbid or the name, or k is out of range.
        NothingKnownError: the version has no input of an artist.
    """
    if not 1 <= k <= MAX_K:
        raise InputError(f"k: found {k}; wanted 1 to {MAX_K}")
    rows = []
    for artist in artists:
        row = find_row(state, artist)
        neighbours = apply_rules(state.searcher, state.rules, row, k, uncorrected=uncorrected)
        query_id = state.searcher.id_of(row)
        rows += [{"query_id": query_id, **answer} for answer in _answers(similar_list(state, neighbours))]
    return rows


def query_rows(state: ServingState, query: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the artists similar to a mix of artists, tags, vectors and plays: columns of `ANSWERS`.

    Args:
        state: the version, the changes on it and the rules.
        query: fields of `riyl.app.schemas.query.SimilarRequest`; seeds and avoid also as ids, mbids or whole names, in
            a list or with a weight each.

    Raises:
        NotFoundError: there is no such artist.
        InputError: an unknown or invalid field, or several artists have an mbid or a name.
        NothingKnownError: nothing is known of the query.
        MismatchError: the model does not accept the described inputs.
    """
    check_names("query", query, [name for name in SimilarRequest.model_fields if name not in UNFIT])
    resolved = {
        name: _seeds(state, value) if name in ("seeds", "avoid") and value is not None else value
        for name, value in query.items()
    }
    try:
        request = SimilarRequest.model_validate(resolved)
    except ValidationError as error:
        raise InputError(f"query: {described(error)}") from error
    return _answers(run_query(state, request).similar)


def _answers(similar: Sequence[Similar]) -> list[dict[str, Any]]:
    return [
        {
            "rank": rank,
            "artist_id": answer.id,
            "name": answer.name,
            "mbid": answer.mbid,
            "score": answer.score,
            "modalities": "+".join(answer.modalities),
            "pinned": answer.pinned,
        }
        for rank, answer in enumerate(similar, 1)
    ]


def _seeds(state: ServingState, artists: str | Sequence[Any] | Mapping[str, float]) -> list[Any]:
    """Return seeds as the request has them; texts are resolved to ids."""
    if isinstance(artists, str):
        artists = [artists]
    if isinstance(artists, Mapping):
        return [{"id": _id(state, artist), "weight": weight} for artist, weight in artists.items()]
    return [{"id": _id(state, each)} if isinstance(each, str) else each for each in artists]


def _id(state: ServingState, artist: str) -> str:
    return state.searcher.id_of(find_row(state, artist))

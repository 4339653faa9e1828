"""The methods: Last.fm's questions as those of our services."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias
from urllib.parse import quote

import numpy as np

from riyl.app.compat.lastfm.answers import (
    Answer,
    Correction,
    Info,
    LastfmArtist,
    LastfmTag,
    SearchResults,
    SimilarTags,
    TopArtists,
    TopTags,
)
from riyl.app.compat.lastfm.errors import UnknownArtistError
from riyl.app.compat.lastfm.parameters import Parameters, number, required
from riyl.app.compat.lastfm.similar_form import page_of
from riyl.app.schemas.query import MAX_K as MAX_TAGGED
from riyl.app.schemas.query import MAX_TEXT_LENGTH, SimilarRequest
from riyl.app.services.artists import row_of_mbid, row_of_name
from riyl.app.services.query import run_query
from riyl.app.services.similar import MAX_K
from riyl.app.serving.state import ServingState
from riyl.core.errors import NothingKnownError
from riyl.index.encoding.cold_start import TAGS
from riyl.index.overlay.artist_parts import terms_of_artist
from riyl.index.overlay.artists import Artist
from riyl.index.search.neighbours import Neighbours
from riyl.index.search.rules import apply_rules

SIMILAR = "artist.getsimilar"

DEFAULT_SIMILAR = DEFAULT_FOUND = 30
DEFAULT_TAGGED = 50
"""Lengths of lists where a request names none, as Last.fm has them."""

MAX_FOUND = 200
"""Maximum number of results of a search, on all pages together; `totalResults` counts these."""

MAX_TOP_TAGS = 100
INFO_SIMILAR = INFO_TAGS = 5
"""Lengths of the lists of artist.getInfo."""

TAG_ARTISTS = 100
"""Number of artists near to a tag whose tags are similar to it."""

MAX_SIMILAR_TAGS = 50

Method: TypeAlias = Callable[[ServingState, Parameters, str], Answer]
"""Method that answers from the serving state, the parameters, and the address of the service's root."""


def find_artist(state: ServingState, parameters: Parameters) -> int:
    """Return the row of the artist that `mbid` or else `artist` names; where several fit, the most popular one.

    A merged artist resolves to its target by its mbid. A blocked artist is not found.

    Raises:
        UnknownArtistError: there is none.
        LastfmError: the request has neither parameter.
    """
    blocked = state.rules.blocked
    row = row_of_mbid(state, parameters["mbid"], blocked) if "mbid" in parameters else None
    if row is None and ("mbid" not in parameters or "artist" in parameters):
        row = row_of_name(state, required(parameters, "artist"), blocked)
    if row is None:
        raise UnknownArtistError
    return row


def similar_limit(parameters: Parameters) -> int:
    """Return the length of a list of similar artists. Raises LastfmError where it is no number."""
    return number(parameters, "limit", DEFAULT_SIMILAR, MAX_K)


def similar_artists(state: ServingState, row: int, k: int) -> Neighbours:
    """Return the artists of GET similar; none where nothing is known of the artist."""
    try:
        return apply_rules(state.searcher, state.rules, row, k)
    except NothingKnownError:
        return Neighbours(np.empty(0, np.int32), np.empty(0, np.float32))


def _get_info(state: ServingState, parameters: Parameters, base: str) -> Info:
    row = find_artist(state, parameters)
    artist = state.searcher.artist(row)
    similar = similar_artists(state, row, INFO_SIMILAR)
    return Info(
        _shown(artist, base),
        round(artist.plays),
        _artists(state, similar.rows.tolist(), base),
        _tags(_weights(state, row)[:INFO_TAGS], base),
    )


def _search(state: ServingState, parameters: Parameters, base: str) -> SearchResults:
    text = required(parameters, "artist")
    per_page = number(parameters, "limit", DEFAULT_FOUND, MAX_FOUND)
    page = number(parameters, "page", 1, MAX_FOUND + 1)
    rows = state.searcher.search_names(text[:MAX_TEXT_LENGTH], MAX_FOUND, state.rules.blocked)
    shown = rows[(page - 1) * per_page : page * per_page]
    return SearchResults(text, _artists(state, shown, base), page, per_page, len(rows))


def _get_top_tags(state: ServingState, parameters: Parameters, base: str) -> TopTags:
    row = find_artist(state, parameters)
    return TopTags(state.searcher.artist(row).name, _tags(_weights(state, row)[:MAX_TOP_TAGS], base))


def _get_correction(state: ServingState, parameters: Parameters, base: str) -> Correction:
    try:
        row = find_artist(state, {"artist": required(parameters, "artist")})
    except UnknownArtistError:
        return Correction(None)
    return Correction(_shown(state.searcher.artist(row), base))


def _get_top_artists(state: ServingState, parameters: Parameters, base: str) -> TopArtists:
    tag = required(parameters, "tag")
    per_page = number(parameters, "limit", DEFAULT_TAGGED, MAX_TAGGED)
    page = number(parameters, "page", 1, MAX_TAGGED + 1)
    rows = [row for row, _ in _tagged(state, tag, MAX_TAGGED)]
    shown = rows[(page - 1) * per_page : page * per_page]
    return TopArtists(tag, _artists(state, shown, base), page, per_page, len(rows))


def _get_similar_tags(state: ServingState, parameters: Parameters, base: str) -> SimilarTags:
    """Rank the tags of the artists nearest to a tag: by the sum of share of the artist's weights times its score."""
    tag = required(parameters, "tag")
    shares: dict[str, float] = {}
    for row, score in _tagged(state, tag, TAG_ARTISTS):
        weights = _weights(state, row)
        total = sum(weight for _, weight in weights)
        for word, weight in weights:
            shares[word] = shares.get(word, 0.0) + max(score, 0.0) * weight / total
    others = sorted((word for word in shares if word.casefold() != tag.casefold()), key=lambda word: -shares[word])
    return SimilarTags(tag, [LastfmTag(word, _page_of_tag(word, base)) for word in others[:MAX_SIMILAR_TAGS]])


METHODS: Mapping[str, Method] = {
    "artist.getinfo": _get_info,
    "artist.search": _search,
    "artist.gettoptags": _get_top_tags,
    "artist.getcorrection": _get_correction,
    "tag.gettopartists": _get_top_artists,
    "tag.getsimilar": _get_similar_tags,
}
"""Methods besides `SIMILAR`, by name in lower case."""


def _tagged(state: ServingState, tag: str, k: int) -> list[tuple[int, float]]:
    """Return rows and scores of the artists nearest to a tag, as POST /v1/similar has them; none for an unknown tag."""
    if len(tag) > MAX_TEXT_LENGTH or not tag.strip():
        return []
    try:
        response = run_query(state, SimilarRequest(tags={tag: 1.0}, k=k))
    except NothingKnownError:
        return []
    rows = ((state.searcher.row_of_id(entry.id), entry.score) for entry in response.similar)
    return [(row, score) for row, score in rows if row is not None]


def _weights(state: ServingState, row: int) -> Sequence[tuple[str, float]]:
    """Return the tags of an artist with their weights, heaviest first."""
    overlay = state.searcher.overlay
    terms = terms_of_artist(overlay, row).get(TAGS)
    if terms is None:
        return ()
    positions, weights = terms
    words = overlay.version.terms(TAGS).take(positions).to_pylist()
    return list(zip(words, weights.tolist(), strict=True))


def _tags(weights: Sequence[tuple[str, float]], base: str) -> list[LastfmTag]:
    """Return tags with counts, the heaviest 100 and the others in proportion to it, at least 1."""
    return [
        LastfmTag(word, _page_of_tag(word, base), max(1, round(100 * weight / weights[0][1])))
        for word, weight in weights
    ]


def _artists(state: ServingState, rows: Iterable[int], base: str) -> list[LastfmArtist]:
    return [_shown(state.searcher.artist(row), base) for row in rows]


def _shown(artist: Artist, base: str) -> LastfmArtist:
    return LastfmArtist(artist.name, artist.mbid or "", base + page_of(artist.id), artist.listeners)


def _page_of_tag(tag: str, base: str) -> str:
    return f"{base}/?tag={quote(tag, safe='')}"

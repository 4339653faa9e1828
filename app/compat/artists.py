"""Artists as clients of other services name them, and lists of artists that have a MusicBrainz id."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from riyl.app.schemas.artists import Similar
from riyl.app.schemas.query import MAX_TEXT_LENGTH
from riyl.app.services.similar import MAX_K
from riyl.app.serving.state import ServingState

MAX_DEPTH = 1000
"""Number of most similar artists among which those with an mbid are looked for."""


def row_of_mbid(state: ServingState, mbid: str) -> int | None:
    """Return the row of the artist with this mbid, of several the best known; None where there is none."""
    rows = state.searcher.rows_now(mbid, state.rules.blocked)
    return max(rows, key=lambda row: state.searcher.artist(row).listeners, default=None)


def row_of_name(state: ServingState, name: str) -> int | None:
    """Return the row of the artist of this name, of several the best known; None where there is none."""
    if len(name) > MAX_TEXT_LENGTH:
        return None
    return next(iter(state.searcher.named(name, state.rules.blocked)), None)


def with_mbid(similar_of: Callable[[int], Sequence[Similar]], n: int) -> list[tuple[str, Similar]]:
    """Return the first n similar artists that have an mbid, with it in lower case; of several with one mbid the first.

    They are among the `MAX_DEPTH` most similar artists.

    Args:
        similar_of: returns the k most similar artists, best first.
        n: maximum length of the list.
    """
    by_mbid: dict[str, Similar] = {}
    for k in (MAX_K, MAX_DEPTH):
        similar = similar_of(k)
        by_mbid.clear()
        for artist in similar:
            if artist.mbid:
                by_mbid.setdefault(artist.mbid.lower(), artist)
        if len(by_mbid) >= n or len(similar) < k:
            break
    return list(by_mbid.items())[:n]

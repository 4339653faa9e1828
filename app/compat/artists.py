"""Lists of artists that have a MusicBrainz id."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from riyl.app.schemas.artists import Similar
from riyl.app.services.similar import MAX_K

MAX_DEPTH = 1000
"""Maximum number of most similar artists among which those with an mbid are looked for."""


def with_mbid(
    similar_of: Callable[[int], Sequence[Similar]], n: int, depth: int = MAX_DEPTH
) -> list[tuple[str, Similar]]:
    """Return the first n similar artists that have an mbid, with it in lower case; of several with one mbid the first.

    Args:
        similar_of: returns the k most similar artists, best first.
        n: maximum length of the list.
        depth: number of most similar artists among which those with an mbid are looked for; above `MAX_K` they are
            searched.
    """
    by_mbid: dict[str, Similar] = {}
    for k in dict.fromkeys((MAX_K, depth)):
        similar = similar_of(k)
        by_mbid.clear()
        for artist in similar:
            if artist.mbid:
                by_mbid.setdefault(artist.mbid.lower(), artist)
        if len(by_mbid) >= n or len(similar) < k:
            break
    return list(by_mbid.items())[:n]

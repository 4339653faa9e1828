"""Look-up of artists by id, mbid or name for responses, and the errors that explain a failed look-up."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

import numpy as np

from riyl.app.http.request_errors import AmbiguousMbidError, UnknownArtistError
from riyl.app.schemas.artists import Summary
from riyl.app.schemas.query import MAX_TEXT_LENGTH
from riyl.app.serving.state import ServingState
from riyl.core.errors import InputError, NotFoundError
from riyl.core.types import ArtistId
from riyl.index.overlay.artists import Artist
from riyl.index.search.searcher import Searcher

NEAR = 5
"""Number of artists with similar names in the error for an unknown artist."""

MAX_CANDIDATES = 50
"""Maximum number of artists with the same mbid that an error lists."""


def summary(artist: Artist) -> Summary:
    """Return an artist as lists show it."""
    return Summary.model_validate(artist, from_attributes=True)


def summaries(searcher: Searcher, rows: Iterable[int]) -> list[Summary]:
    """Return the artists of these rows, in their order."""
    return [summary(searcher.artist(row)) for row in rows]


def names_of(searcher: Searcher | None, ids: Iterable[ArtistId]) -> dict[ArtistId, str]:
    """Return the names of those artists that the serving version has, by id; empty where no version serves."""
    if searcher is None:
        return {}
    known_rows = [row for row in map(searcher.row_of, dict.fromkeys(ids)) if row is not None]
    rows = np.array(known_rows, np.int32)
    return dict(zip(searcher.ids_of(rows), searcher.names_of(rows), strict=True))


def row_of_mbid(state: ServingState, mbid: str, without: Container[int] = ()) -> int | None:
    """Return the row of the artist with an mbid or id, of several the best known; None where there is none."""
    rows = state.searcher.rows_now(mbid, without)
    return max(rows, key=lambda row: state.searcher.artist(row).listeners, default=None)


def row_of_name(state: ServingState, name: str, without: Container[int] = ()) -> int | None:
    """Return the row of the artist of a name, of several the best known; None where there is none."""
    if len(name) > MAX_TEXT_LENGTH:
        return None
    return next(iter(state.searcher.named(name, without)), None)


def known_row(state: ServingState, artist: str) -> int:
    """Return the row of an artist by id or mbid; a merged artist resolves to its target, a blocked one is not found.

    Raises:
        UnknownArtistError: no artist has this id or mbid; the error lists artists with similar names.
        AmbiguousMbidError: several artists share the mbid; the error lists them.
    """
    rows = state.searcher.rows_now(artist, state.rules.blocked)
    if not rows:
        raise unknown_artist(state, artist)
    if len(rows) > 1:
        raise shared_mbid(state.searcher, artist, rows)
    return rows[0]


def shared_mbid(searcher: Searcher, mbid: str, rows: Sequence[int]) -> AmbiguousMbidError:
    """Return the error for several artists with the same mbid; it lists the first of them by id."""
    candidates = summaries(searcher, rows[:MAX_CANDIDATES])
    ids = ", ".join([*(artist.id for artist in candidates[:NEAR]), *(["..."] if len(rows) > NEAR else [])])
    message = f"{len(rows)} artists have the mbid {mbid!r}: {ids}; choose one of them by its id"
    return AmbiguousMbidError(message, candidates)


def unknown_artist(state: ServingState, identifier: str) -> UnknownArtistError:
    """Return the error for an unknown artist; it lists artists with similar names."""
    searcher = state.searcher
    shown = identifier if len(identifier) <= 100 else identifier[:97] + "..."
    near = summaries(searcher, searcher.search_names(identifier, NEAR, state.rules.blocked))
    return UnknownArtistError(f"there is no artist {shown!r} in version {searcher.version_id}", near)


def find_row(state: ServingState, text: str) -> int:
    """Return the row of an artist by id, mbid or whole name, for callers who type it.

    Raises:
        NotFoundError: there is no such artist; the message lists artists with similar names.
        InputError: several artists have the mbid or the name; the message lists them.
    """
    searcher, blocked = state.searcher, state.rules.blocked
    rows = searcher.rows_now(text, blocked)
    if len(rows) == 1:
        return rows[0]
    if rows:
        raise InputError(f"several artists have the mbid {text!r}; name one by its id: {_listed(searcher, rows)}")
    named = searcher.named(text, blocked)
    if len(named) == 1:
        return named[0]
    if named:
        raise InputError(f"several artists are called {text!r}; name one by its id: {_listed(searcher, named)}")
    near = searcher.search_names(text, NEAR, blocked)
    hint = f"; similar names: {_listed(searcher, near)}" if near else ""
    raise NotFoundError(f"there is no artist {text!r} in version {searcher.version_id}{hint}")


def _listed(searcher: Searcher, rows: Sequence[int]) -> str:
    artists = [searcher.artist(row) for row in rows]
    return ", ".join(f"{a.name} ({a.id}, {a.listeners:,} listeners)" for a in artists)

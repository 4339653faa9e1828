"""Changes onto a version: what stands of artists becomes rows behind the version's, and entries in lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.changes import Standing
from core.types import ArtistId, Rows
from index.artifact import LIST_LENGTH, Version
from index.artists import LiveArtist
from index.live import Columns, Entries, Live, widened
from index.measure import SLACK, Ground, exactly, measure
from index.names import LiveNames, NameIndex
from index.put import Placer
from index.scoring import scored
from index.stacked import Growing

AT_ONCE = 1024
"""Artists that are placed and measured at a time."""

_CELLS = 1 << 22

_CLEARED_FROM = 1000
"""Rows that are gone, from which on they are cleared away once they are more than those that are there."""

_Pairs: TypeAlias = tuple[Rows, Rows, NDArray[np.float32]]
"""(e,) who asks, (e,) who enters the list, and (e,) with which score; rows."""


class Changing:
    """A version under changes, for one writer: each call gives the next `Live`; those given before stay as they are.

    What is there depends on the version and on what stands, not on the order in which it came: a service that starts
    late has the same.

    Args:
        version: what changes are on.
        placer: makes the artists, of that version.
        row_of: the version's rows by artist.
        names: the version's.
    """

    def __init__(self, version: Version, placer: Placer, row_of: Mapping[ArtistId, int], names: NameIndex) -> None:
        self._version = version
        self._placer = placer
        self._row_of = row_of
        self._base_names = names
        self._ground = Ground(version)
        self._keys: dict[ArtistId, list[str]] = {}  # of those merged away, what they are asked for by
        self._begin()
        self.live = Live.of(version)

    def __call__(self, standing: Mapping[ArtistId, Standing | None], number: int) -> Live:
        """What is there after changes.

        Args:
            standing: what stands now of each artist that was changed since; None where nothing does any more.
            number: of the last change that counts in it.
        """
        before = self.live
        gone, rows, by_mbid = before.gone.copy(), dict(before.row_of_id), dict(before.rows_of_mbid)
        put: list[Standing] = []
        for id, found in standing.items():
            stands, own = found or Standing(id, False, {}), self._row_of.get(id, -1)
            if (row := rows.pop(id, None)) is not None:
                gone[row] = True
                _unlist(by_mbid, before.artist(row).mbid, row)
            more = self._placer.says_more(stands, own)
            if own >= 0:
                gone[own] = more or stands.deleted
            if more:
                put.append(stands)
        patterns = list(before.patterns)
        for start in range(0, len(put), AT_ONCE):
            chunk = put[start : start + AT_ONCE]
            made = self._placer(chunk, [self._row_of.get(each.artist, -1) for each in chunk])
            there = [artist for artist in made if artist is not None]
            first = self._version.n_artists + len(self._artists)
            gone = np.concatenate([gone, np.zeros(len(there), bool)])
            rows |= {artist.id: first + at for at, artist in enumerate(there)}
            self._add(there, patterns, np.array(list(rows.values()), np.int64))
            for at, artist in enumerate(there):
                _list(by_mbid, artist.mbid, first + at, self._artists, self._version.n_artists)
        self.live = self._taken(
            replace(
                before,
                number=number,
                gone=gone,
                row_of_id=rows,
                rows_of_mbid=by_mbid,
                into=self._redirected(before.into, standing),
                patterns=patterns,
            )
        )
        if len(self._artists) - len(rows) > max(_CLEARED_FROM, len(rows)):
            self._clear()
        return self.live

    def _begin(self) -> None:
        """Nobody behind the version's rows."""
        none = Columns.none(self._version.embeddings.shape[1])
        self._artists: list[LiveArtist] = []
        self._columns: dict[str, Growing[Any]] = {
            name: Growing(array.shape[1:], array.dtype.type) for name, array in vars(none).items()
        }
        self._entries: dict[int, Entries] = {}
        self._names: LiveNames | None = None

    def _taken(self, live: Live) -> Live:
        """The same with all rows that there are."""
        columns = Columns(**{name: column.taken() for name, column in self._columns.items()})
        live = replace(live, artists=self._artists, columns=columns, entries=self._entries)
        if self._names is None:
            return replace(live, names=None)
        self._names.commit()
        return replace(live, names=self._base_names.beside(self._names, live.popular))

    def _add(self, made: Sequence[LiveArtist], patterns: list[tuple[str, ...]], there: NDArray[np.int64]) -> None:
        """Add artists at the end, measured against the version and against each other.

        Args:
            patterns: the sets of modalities; new ones are added.
            there: the live rows that are there, the new ones among them.
        """
        if not made:
            return
        n, m = self._version.n_artists, len(self._artists)
        patterns += [p for p in dict.fromkeys(artist.modalities for artist in made) if p not in patterns]
        c = widened(self._version.scoring.c, len(patterns))
        listeners = np.array([artist.listeners for artist in made], np.int64)
        own = np.array([artist.own for artist in made], np.int32)
        known = np.array([artist.known for artist in made])
        columns: dict[str, NDArray[Any]] = {
            "vectors": np.stack([artist.vector for artist in made]),
            "known": known,
            "patterns": np.array([patterns.index(artist.modalities) for artist in made], np.int32),
            "h": np.zeros(len(made), np.float32),
            "popularity": np.array(
                [self._ground.popularity(*one) for one in zip(listeners, own, strict=True)], np.float32
            ),
            "listeners": listeners,
            "plays": np.array([artist.plays for artist in made], np.float64),
            "lists": np.full((len(made), LIST_LENGTH), -1, np.int32),
            "scores": np.full((len(made), LIST_LENGTH), np.nan, np.float32),
        }
        vectors, of_pattern, popularity = (columns[name][known] for name in ("vectors", "patterns", "popularity"))
        found = measure(self._ground, vectors, of_pattern, popularity, own[known], c)
        columns["h"][known], columns["lists"][known], columns["scores"][known] = found.h, found.lists, found.scores
        for name, rows in columns.items():
            self._columns[name].add(rows)
        self._artists += made
        self._name(made, n + m)
        entering = (n + m + np.flatnonzero(known)[found.which]).astype(np.int32)
        self._enter((found.asking, entering, found.entering))
        alive = there[self._columns["known"].taken()[there - n]] - n
        new = alive[alive >= m]
        for asking, candidates in ((alive, new), (new, alive[alive < m])):
            for pairs in self._pairs(asking, candidates, c):
                self._enter(pairs)

    def _name(self, artists: Sequence[LiveArtist], first: int) -> None:
        """Let artists, from that row on, be found by name once it is committed."""
        for row, artist in enumerate(artists, first):
            self._names = self._names or LiveNames(self._version.n_artists)
            self._names.add(row, [artist.name, *artist.aliases], artist.listeners)

    def _pairs(
        self, asking: NDArray[np.int64], candidates: NDArray[np.int64], c: NDArray[np.float32]
    ) -> Iterator[_Pairs]:
        """Whose lists the candidates enter, of live artists by their places among these, with the scores."""
        vectors, patterns, h = (self._columns[name].taken() for name in ("vectors", "patterns", "h"))
        lists, scores = self._columns["lists"].taken(), self._columns["scores"].taken()
        n = self._version.n_artists
        least = np.where(lists[asking, -1] >= 0, scores[asking, -1], np.float32(-np.inf))
        step = max(1, _CELLS // max(1, len(asking)))
        for start in range(0, len(candidates), step):
            some = candidates[start : start + step]
            found = vectors[asking] @ vectors[some].T + c[patterns[asking]][:, patterns[some]] - h[some]
            x, y = np.nonzero((found >= least[:, None] - SLACK) & (asking[:, None] != some))
            ask, enter = asking[x], some[y]
            values = scored(exactly(vectors[ask], vectors[enter]), c[patterns[ask], patterns[enter]], h[enter])
            kept = values >= least[x]
            yield (n + ask[kept]).astype(np.int32), (n + enter[kept]).astype(np.int32), values[kept]

    def _enter(self, pairs: _Pairs) -> None:
        asking, rows, scores = pairs
        order = np.argsort(asking, kind="stable")
        asking, rows, scores = asking[order], rows[order], scores[order]
        starts = np.flatnonzero(np.diff(asking, prepend=-1))
        for start, end in zip(starts, np.append(starts, len(asking))[1:], strict=True):
            row, new = int(asking[start]), (rows[start:end], scores[start:end])
            if (old := self._entries.get(row)) is not None:
                new = (np.concatenate([old[0], new[0]]), np.concatenate([old[1], new[1]]))
            self._entries[row] = new

    def _redirected(
        self, before: Mapping[str, ArtistId], standing: Mapping[ArtistId, Standing | None]
    ) -> Mapping[str, ArtistId]:
        into = dict(before)
        for artist, stands in standing.items():
            for key in self._keys.pop(artist, ()):
                into.pop(key, None)
            if stands is None or stands.into is None:
                continue
            own = self._row_of.get(artist)
            mbids = [stands.mbid, None if own is None else self._version.artists.column("mbid")[own].as_py()]
            self._keys[artist] = [artist, *(mbid.lower() for mbid in mbids if mbid)]
            into |= dict.fromkeys(self._keys[artist], stands.into)
        return into

    def _clear(self) -> None:
        """Give those who are there the first rows behind the version's; what was measured of them stays."""
        before, n = self.live, self._version.n_artists
        kept = np.sort(np.array(list(before.row_of_id.values()), np.int64))
        to = np.full(before.n_rows, -1, np.int64)
        to[:n] = np.arange(n)
        to[kept] = n + np.arange(len(kept))
        artists, entries = [before.artist(row) for row in kept.tolist()], self._entries
        self._begin()
        self._artists = artists
        for name, column in vars(before.columns).items():
            self._columns[name].add(column[kept - n])
        for row, (rows, scores) in entries.items():
            there = to[rows] >= 0
            if to[row] >= 0 and there.any():
                self._entries[int(to[row])] = (to[rows[there]].astype(np.int32), scores[there])
        self._name(artists, n)
        self.live = self._taken(
            replace(
                before,
                gone=np.concatenate([before.gone[:n], np.zeros(len(kept), bool)]),
                row_of_id={artist: int(to[row]) for artist, row in before.row_of_id.items()},
                rows_of_mbid={m: [int(to[row]) for row in rows] for m, rows in before.rows_of_mbid.items()},
            )
        )


def _list(
    by_mbid: dict[str, Sequence[int]], mbid: str | None, row: int, artists: Sequence[LiveArtist], first: int
) -> None:
    if mbid:
        rows = [*by_mbid.get(mbid.lower(), ()), row]
        by_mbid[mbid.lower()] = sorted(rows, key=lambda one: artists[one - first].id)


def _unlist(by_mbid: dict[str, Sequence[int]], mbid: str | None, row: int) -> None:
    if mbid:
        by_mbid[mbid.lower()] = [one for one in by_mbid[mbid.lower()] if one != row]

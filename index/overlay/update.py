"""Changes onto a version: what stands of artists becomes rows behind the version's, and entries in lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riyl.core.changes.effective import EffectiveByArtist, EffectiveChanges
from riyl.core.types import ArtistId, Matrix, Scores
from riyl.index.artifact.names import LiveNames, NameIndex
from riyl.index.artifact.version import LIST_LENGTH, Version
from riyl.index.overlay.arrays import AppendBuffer
from riyl.index.overlay.artists import LiveArtist
from riyl.index.overlay.encode import LiveArtistEncoder
from riyl.index.overlay.overlay import Columns, Entries, VersionOverlay, widened
from riyl.index.overlay.statistics import VersionStatistics, measure
from riyl.index.scoring.exact import exactly, rescored

AT_ONCE = 1024
"""Artists that are placed and measured at a time."""

_CELLS = 1 << 22

_CLEARED_FROM = 1000
"""Rows that are gone, from which on they are cleared away once they are more than those that are there."""


class OverlayUpdater:
    """A version under changes, for one writer: each call gives the next `VersionOverlay`; those given before stay as
    they are.

    What is there depends on the version and on what stands, not on the order in which it came: a service that starts
    late has the same.

    Args:
        version: what changes are on.
        placer: makes the artists, of that version.
        row_of: the version's rows by artist.
        names: the version's.
    """

    def __init__(
        self, version: Version, placer: LiveArtistEncoder, row_of: Mapping[ArtistId, int], names: NameIndex
    ) -> None:
        self._version = version
        self._placer = placer
        self._row_of = row_of
        self._base_names = names
        self._statistics = VersionStatistics(version)
        self._keys: dict[ArtistId, list[str]] = {}  # of those merged away, what they are asked for by
        self._begin()
        self.overlay = VersionOverlay.of(version)

    def __call__(self, effective: EffectiveByArtist, number: int) -> VersionOverlay:
        """What is there after changes.

        Args:
            effective: what stands now of each artist that was changed since; None where nothing does any more.
            number: of the last change that counts in it.
        """
        before = self.overlay
        tombstones, rows, by_mbid = before.tombstones.copy(), dict(before.row_of_id), dict(before.rows_of_mbid)
        put: list[EffectiveChanges] = []
        for id, changes in effective.items():
            stands, own_row = changes or EffectiveChanges(id, False, {}), self._row_of.get(id, -1)
            if (row := rows.pop(id, None)) is not None:
                tombstones[row] = True
                _unlist(by_mbid, before.artist(row).mbid, row)
            more = self._placer.says_more(stands, own_row)
            if own_row >= 0:
                tombstones[own_row] = more or stands.deleted
            if more:
                put.append(stands)
        patterns = list(before.patterns)
        for start in range(0, len(put), AT_ONCE):
            chunk = put[start : start + AT_ONCE]
            encoded = self._placer(chunk, [self._row_of.get(each.artist, -1) for each in chunk])
            artists = [artist for artist in encoded if artist is not None]
            first = self._version.n_artists + len(self._artists)
            tombstones = np.concatenate([tombstones, np.zeros(len(artists), bool)])
            rows |= {artist.id: first + at for at, artist in enumerate(artists)}
            self._add(artists, patterns, np.array(list(rows.values()), np.int64))
            for at, artist in enumerate(artists):
                _list(by_mbid, artist.mbid, first + at, self._artists, self._version.n_artists)
        self.overlay = self._taken(
            replace(
                before,
                number=number,
                tombstones=tombstones,
                row_of_id=rows,
                rows_of_mbid=by_mbid,
                into=self._redirected(before.into, effective),
                patterns=patterns,
            )
        )
        if len(self._artists) - len(rows) > max(_CLEARED_FROM, len(rows)):
            self._clear()
        return self.overlay

    def _begin(self) -> None:
        """Nobody behind the version's rows."""
        none = Columns.none(self._version.embeddings.shape[1])
        self._artists: list[LiveArtist] = []
        self._columns: dict[str, AppendBuffer[Any]] = {
            name: AppendBuffer(array.shape[1:], array.dtype.type) for name, array in vars(none).items()
        }
        self._entries: dict[int, Entries] = {}
        self._names: LiveNames | None = None

    def _taken(self, overlay: VersionOverlay) -> VersionOverlay:
        """The same with all rows that there are."""
        columns = Columns(**{name: column.taken() for name, column in self._columns.items()})
        overlay = replace(overlay, artists=self._artists, columns=columns, entries=self._entries)
        if self._names is None:
            return replace(overlay, names=None)
        self._names.commit()
        return replace(overlay, names=self._base_names.joined_with(self._names, overlay.popular))

    def _add(self, artists: Sequence[LiveArtist], patterns: list[tuple[str, ...]], present: NDArray[np.int64]) -> None:
        """Add artists at the end, measured against the version and against each other.

        Args:
            patterns: the sets of modalities; new ones are added.
            present: the live rows that are there, the new ones among them.
        """
        if not artists:
            return
        n, m = self._version.n_artists, len(self._artists)
        patterns += [p for p in dict.fromkeys(artist.modalities for artist in artists) if p not in patterns]
        c = widened(self._version.scoring.c, len(patterns))
        listeners = np.array([artist.listeners for artist in artists], np.int64)
        own_rows = np.array([artist.version_row for artist in artists], np.int32)
        has_embedding = np.array([artist.has_embedding for artist in artists])
        columns: dict[str, NDArray[Any]] = {
            "vectors": np.stack([artist.vector for artist in artists]),
            "has_embedding": has_embedding,
            "patterns": np.array([patterns.index(artist.modalities) for artist in artists], np.int32),
            "h": np.zeros(len(artists), np.float32),
            "popularity": np.array(
                [self._statistics.popularity(*pair) for pair in zip(listeners, own_rows, strict=True)], np.float32
            ),
            "listeners": listeners,
            "plays": np.array([artist.plays for artist in artists], np.float64),
            "lists": np.full((len(artists), LIST_LENGTH), -1, np.int32),
            "scores": np.full((len(artists), LIST_LENGTH), np.nan, np.float32),
        }
        vectors, of_pattern, popularity = (
            columns[name][has_embedding] for name in ("vectors", "patterns", "popularity")
        )
        measured = measure(self._statistics, vectors, of_pattern, popularity, own_rows[has_embedding], c)
        for name in ("h", "lists", "scores"):
            columns[name][has_embedding] = getattr(measured, name)
        for name, rows in columns.items():
            self._columns[name].add(rows)
        self._artists += artists
        self._name(artists, n + m)
        self._enter(measured.query_rows, n + m + np.flatnonzero(has_embedding)[measured.which], measured.entering)
        alive = present[self._columns["has_embedding"].taken()[present - n]] - n
        new = alive[alive >= m]
        for query_rows, candidates in ((alive, new), (new, alive[alive < m])):
            self._compare(query_rows, candidates, c)

    def _name(self, artists: Sequence[LiveArtist], first: int) -> None:
        """Let artists, from that row on, be found by name once it is committed."""
        for row, artist in enumerate(artists, first):
            self._names = self._names or LiveNames(self._version.n_artists)
            self._names.add(row, [artist.name, *artist.aliases], artist.listeners)

    def _compare(self, query_rows: NDArray[np.int64], candidates: NDArray[np.int64], c: Matrix) -> None:
        """Enter the candidates in the lists of others, all live artists by their positions among these."""
        vectors, patterns, h = (self._columns[name].taken() for name in ("vectors", "patterns", "h"))
        lists, scores = self._columns["lists"].taken(), self._columns["scores"].taken()
        n, queries = self._version.n_artists, vectors[query_rows]
        least = np.where(lists[query_rows, -1] >= 0, scores[query_rows, -1], np.float32(-np.inf))
        step = max(1, _CELLS // max(1, len(query_rows)))
        for start in range(0, len(candidates), step):
            chunk = candidates[start : start + step]
            cosines = queries @ vectors[chunk].T
            cosines[query_rows[:, None] == chunk] = -np.inf
            (x, y), values = rescored(
                cosines,
                lambda x, y, chunk=chunk: exactly(queries[x], vectors[chunk[y]]),
                c[patterns[query_rows]][:, patterns[chunk]],
                h[chunk],
                least=least[:, None],
            )
            self._enter(n + query_rows[x], n + chunk[y], values)

    def _enter(self, query_rows: NDArray[np.integer], entering: NDArray[np.integer], values: Scores) -> None:
        """Enter artists in lists: (e,) rows whose lists, (e,) rows that enter, and their (e,) scores."""
        order = np.argsort(query_rows, kind="stable")
        query_rows, rows, scores = query_rows[order], entering[order].astype(np.int32), values[order].astype(np.float32)
        starts = np.flatnonzero(np.diff(query_rows, prepend=-1))
        for start, end in zip(starts, np.append(starts, len(query_rows))[1:], strict=True):
            row, new = int(query_rows[start]), (rows[start:end], scores[start:end])
            if (old := self._entries.get(row)) is not None:
                new = (np.concatenate([old[0], new[0]]), np.concatenate([old[1], new[1]]))
            self._entries[row] = new

    def _redirected(self, before: Mapping[str, ArtistId], effective: EffectiveByArtist) -> Mapping[str, ArtistId]:
        into = dict(before)
        for artist, stands in effective.items():
            for key in self._keys.pop(artist, ()):
                into.pop(key, None)
            if stands is None or stands.into is None:
                continue
            own_row = self._row_of.get(artist)
            mbids = [stands.mbid, None if own_row is None else self._version.artists.column("mbid")[own_row].as_py()]
            self._keys[artist] = [artist, *(mbid.lower() for mbid in mbids if mbid)]
            into |= dict.fromkeys(self._keys[artist], stands.into)
        return into

    def _clear(self) -> None:
        """Give those who are there the first rows behind the version's; what was measured of them stays."""
        before, n = self.overlay, self._version.n_artists
        present = np.sort(np.array(list(before.row_of_id.values()), np.int64))
        to = np.full(before.n_rows, -1, np.int64)
        to[:n] = np.arange(n)
        to[present] = n + np.arange(len(present))
        artists, entries = [before.artist(row) for row in present.tolist()], self._entries
        self._begin()
        self._artists = artists
        for name, column in vars(before.columns).items():
            self._columns[name].add(column[present - n])
        for row, (rows, scores) in entries.items():
            mask = to[rows] >= 0
            if to[row] >= 0 and mask.any():
                self._entries[int(to[row])] = (to[rows[mask]].astype(np.int32), scores[mask])
        self._name(artists, n)
        self.overlay = self._taken(
            replace(
                before,
                tombstones=np.concatenate([before.tombstones[:n], np.zeros(len(present), bool)]),
                row_of_id={artist: int(to[row]) for artist, row in before.row_of_id.items()},
                rows_of_mbid={m: [int(to[row]) for row in rows] for m, rows in before.rows_of_mbid.items()},
            )
        )


def _list(
    by_mbid: dict[str, Sequence[int]], mbid: str | None, row: int, artists: Sequence[LiveArtist], first: int
) -> None:
    if mbid:
        rows = [*by_mbid.get(mbid.lower(), ()), row]
        by_mbid[mbid.lower()] = sorted(rows, key=lambda other: artists[other - first].id)


def _unlist(by_mbid: dict[str, Sequence[int]], mbid: str | None, row: int) -> None:
    if mbid:
        by_mbid[mbid.lower()] = [other for other in by_mbid[mbid.lower()] if other != row]

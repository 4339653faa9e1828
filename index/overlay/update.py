"""Application of effective changes to a version: each becomes rows behind the version's, and entries in lists."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riyl.core.changes.effective import EffectiveByArtist, EffectiveChanges
from riyl.core.types import ArtistId, Matrix, Scores
from riyl.index.artifact.arrays import LIST_LENGTH
from riyl.index.artifact.names import LiveNames, NameIndex
from riyl.index.artifact.version import Version
from riyl.index.overlay.arrays import AppendBuffer
from riyl.index.overlay.artists import LiveArtist, list_mbid, unlist_mbid
from riyl.index.overlay.encode import LiveArtistEncoder
from riyl.index.overlay.entries import NO_ENTRIES, Entries, Keys, in_front, is_before
from riyl.index.overlay.groups import Groups, LiveScores, blocks, written_out
from riyl.index.overlay.overlay import Columns, VersionOverlay, widened
from riyl.index.overlay.statistics import VersionStatistics, measure
from riyl.index.scoring.tie_breaking import tie_keys

log = logging.getLogger(__name__)

AT_ONCE = 256
"""Artists that are encoded and measured at a time."""

_CLEARED_FROM = 1000
"""Tombstones of live rows above which they are cleared, once they also outnumber the remaining live rows."""


class OverlayUpdater:
    """Updater of a version's overlay, for one writer; earlier overlays never change.

    The result depends on the version and the effective changes, not on their order of arrival: a service that starts
    later has the same overlay.

    Args:
        version: the version that the changes are on.
        placer: encoder of that version's live artists.
        row_of: the version's rows by artist.
        names: the version's name index.

    Attributes:
        set_aside: artists whose changes an error keeps from being encoded; they stay as the version has them.
    """

    def __init__(
        self, version: Version, placer: LiveArtistEncoder, row_of: Mapping[ArtistId, int], names: NameIndex
    ) -> None:
        self._version = version
        self._placer = placer
        self._row_of = row_of
        self._base_names = names
        self._statistics = VersionStatistics(version)
        self._keys: dict[ArtistId, list[str]] = {}  # ids and mbids of merged artists
        self.set_aside: set[ArtistId] = set()
        self._begin()
        self.overlay = VersionOverlay.of(version)

    def __call__(self, effective: EffectiveByArtist, number: int) -> VersionOverlay:
        """Apply changes and return the new overlay.

        Args:
            effective: effective changes of each artist changed since; None where none remain.
            number: number of the last change included.
        """
        before = self.overlay
        tombstones, rows, by_mbid = before.tombstones.copy(), dict(before.row_of_id), dict(before.rows_of_mbid)
        put: list[EffectiveChanges] = []
        for id, changes in effective.items():
            stands, own_row = changes or EffectiveChanges(id, False, {}), self._row_of.get(id, -1)
            if (row := rows.pop(id, None)) is not None:
                tombstones[row] = True
                unlist_mbid(by_mbid, before.artist(row).mbid, row)
            more = self._placer.says_more(stands, own_row)
            if own_row >= 0:
                tombstones[own_row] = more or stands.deleted
            if more:
                put.append(stands)
        patterns = list(before.patterns)
        self.set_aside.difference_update(effective)
        for start in range(0, len(put), AT_ONCE):
            chunk = put[start : start + AT_ONCE]
            artists = [artist for artist in self._encoded(chunk) if artist is not None]
            first = self._version.n_artists + len(self._artists)
            tombstones = np.concatenate([tombstones, np.zeros(len(artists), bool)])
            rows |= {artist.id: first + at for at, artist in enumerate(artists)}
            self._add(artists, patterns, np.array(list(rows.values()), np.int64))
            for at, artist in enumerate(artists):
                list_mbid(by_mbid, artist.mbid, first + at, self._artists, self._version.n_artists)
        tombstones[[self._row_of[artist] for artist in self.set_aside if artist in self._row_of]] = False
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

    def _encoded(self, effective: Sequence[EffectiveChanges]) -> list[LiveArtist | None]:
        """Encode artists; an artist whose encoding fails is set aside and stays as the version has it."""
        try:
            return self._placer(effective, [self._row_of.get(each.artist, -1) for each in effective])
        except Exception:
            if len(effective) > 1:
                middle = len(effective) // 2
                return self._encoded(effective[:middle]) + self._encoded(effective[middle:])
            log.exception("change_set_aside artist=%s", effective[0].artist)
            self.set_aside.add(effective[0].artist)
            return [None]

    def _begin(self) -> None:
        """Start without live artists."""
        none = Columns.none(self._version.embeddings.shape[1])
        self._artists: list[LiveArtist] = []
        self._columns: dict[str, AppendBuffer[Any]] = {
            name: AppendBuffer(array.shape[1:], array.dtype.type) for name, array in vars(none).items()
        }
        self._tie_keys = AppendBuffer((), np.uint64)
        self._entries: dict[int, Entries] = {}
        self._names: LiveNames | None = None

    def _taken(self, overlay: VersionOverlay) -> VersionOverlay:
        """Return the overlay with all rows added so far; it drops its names, which keep the overlay before it."""
        columns = Columns(**{name: column.taken() for name, column in self._columns.items()})
        overlay = replace(overlay, artists=self._artists, columns=columns, entries=self._entries, names=None)
        if self._names is None:
            return overlay
        self._names.commit()
        return replace(overlay, names=self._base_names.joined_with(self._names, overlay.popular))

    def _add(self, artists: Sequence[LiveArtist], patterns: list[tuple[str, ...]], present: NDArray[np.int64]) -> None:
        """Append artists, and measure them against the version and against each other.

        New sets of modalities are appended to `patterns`. `present` holds the live rows without a tombstone, the new
        ones included.
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
        keys = tie_keys(artist.id for artist in artists)
        self._tie_keys.add(keys)
        with_embedding = np.flatnonzero(has_embedding)
        for name, rows in columns.items():
            self._columns[name].add(rows)
        self._artists += artists
        self._name(artists, n + m)
        if not len(with_embedding):
            return
        targets = self._statistics.targets(listeners)
        values = [*(columns[name] for name in ("vectors", "patterns", "popularity")), own_rows, targets]
        groups = Groups.of([each[with_embedding] for each in values], keys[with_embedding])
        of_group = with_embedding[groups.first]
        vectors, of_pattern, popularity = (columns[name][of_group] for name in ("vectors", "patterns", "popularity"))
        measured = measure(self._statistics, vectors, of_pattern, popularity, targets[of_group], own_rows[of_group], c)
        group_of_member = np.repeat(np.arange(len(of_group)), groups.sizes)
        for name in ("h", "lists", "scores"):
            self._columns[name].taken()[m + with_embedding[groups.members]] = getattr(measured, name)[group_of_member]
        statistics, pairs = self._statistics, (measured.query_rows.astype(np.int64), measured.which.astype(np.int64))
        for rows, which, scores in written_out(Groups.alone(n), groups, pairs, measured.entering):
            self._enter(rows, m + with_embedding[which], scores, statistics.least[rows], statistics.least_keys[rows])
        alive = present[self._columns["has_embedding"].taken()[present - n]] - n
        new = alive[alive >= m]
        for queries, candidates in ((alive, new), (new, alive[alive < m])):
            self._compare(queries, candidates, c)

    def _name(self, artists: Sequence[LiveArtist], first: int) -> None:
        """Add the names of artists, of which `first` is the first row; they are found once committed."""
        for row, artist in enumerate(artists, first):
            self._names = self._names or LiveNames(self._version.n_artists)
            self._names.add(row, [artist.name, *artist.aliases], artist.listeners)

    def _compare(self, queries: NDArray[np.int64], candidates: NDArray[np.int64], c: Matrix) -> None:
        """Enter candidates in the lists of queries; both are positions among the live artists."""
        vectors, patterns, h = (self._columns[name].taken() for name in ("vectors", "patterns", "h"))
        live = LiveScores(vectors, patterns, h, self._tie_keys.taken(), c)
        for block, others in itertools.product(blocks(queries), blocks(candidates)):
            least, least_keys = self._least(block)  # again for each pair of blocks: the lists fill up
            for query, candidate, scores in live.pairs(block, others, least):
                rows = self._version.n_artists + block[query]
                self._enter(rows, others[candidate], scores, least[query], least_keys[query])

    def _least(self, live: NDArray[np.int64]) -> tuple[NDArray[np.float32], Keys]:
        """Return the score to reach for the list of each live artist, and the tie key to precede at that score."""
        lists, scores = (self._columns[name].taken()[live] for name in ("lists", "scores"))
        least = np.where(lists[:, -1] < 0, np.float32(-np.inf), scores[:, -1])
        least_keys = self._statistics.tie_keys[lists[:, -1]]
        for at, row in enumerate((self._version.n_artists + live).tolist()):
            floor = self._entries.get(row, NO_ENTRIES).floor
            if floor is not None and is_before(floor, (float(least[at]), int(least_keys[at]))):
                least[at], least_keys[at] = floor
        return least, least_keys

    def _enter(
        self,
        query_rows: NDArray[np.int64],
        entering: NDArray[np.int64],
        values: Scores,
        least: NDArray[np.float32],
        least_keys: Keys,
    ) -> None:
        """Enter artists in lists.

        Args:
            query_rows: (e,) rows whose lists are entered.
            entering: (e,) positions of the live artists that enter.
            values: (e,) their scores there.
            least: (e,) minimum scores.
            least_keys: (e,) tie keys that an artist at exactly the minimum score must precede.
        """
        first, keys = self._version.n_artists, self._tie_keys.taken()
        scores = values.astype(np.float32)
        enters = in_front(scores, keys[entering], least, least_keys)
        query_rows, entering, scores = query_rows[enters], entering[enters], scores[enters]
        order = np.argsort(query_rows, kind="stable")
        query_rows, rows, scores = query_rows[order], (first + entering[order]).astype(np.int32), scores[order]
        starts = np.flatnonzero(np.diff(query_rows, prepend=-1))
        for start, end in zip(starts, np.append(starts, len(query_rows))[1:], strict=True):
            row = int(query_rows[start])
            before = self._entries.get(row, NO_ENTRIES)
            self._entries[row] = before.with_more(rows[start:end], scores[start:end], keys, first)

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
        """Renumber the remaining live artists without gaps; their measurements stay."""
        before, n = self.overlay, self._version.n_artists
        present = np.sort(np.array(list(before.row_of_id.values()), np.int64))
        to = np.full(before.n_rows, -1, np.int64)
        to[:n] = np.arange(n)
        to[present] = n + np.arange(len(present))
        artists, entries = [before.artist(row) for row in present.tolist()], self._entries
        tie_keys_before = self._tie_keys.taken()
        self._begin()
        self._artists = artists
        for name, column in vars(before.columns).items():
            self._columns[name].add(column[present - n])
        self._tie_keys.add(tie_keys_before[present - n])
        for row, each in entries.items():
            mask = to[each.rows] >= 0
            if to[row] >= 0 and (mask.any() or each.floor is not None):
                moved = to[each.rows[mask]].astype(np.int32)
                self._entries[int(to[row])] = Entries(moved, each.scores[mask], each.floor)
        self._name(artists, n)
        self.overlay = self._taken(
            replace(
                before,
                tombstones=np.concatenate([before.tombstones[:n], np.zeros(len(present), bool)]),
                row_of_id={artist: int(to[row]) for artist, row in before.row_of_id.items()},
                rows_of_mbid={m: [int(to[row]) for row in rows] for m, rows in before.rows_of_mbid.items()},
            )
        )

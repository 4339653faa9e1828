"""The read side of a version and the changes on it: who an artist is, who is similar, who is called so. No model."""

from __future__ import annotations

from collections.abc import Container, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riyl.core.errors import InputError, NothingKnownError
from riyl.core.types import ArtistId, Mask, Rows
from riyl.index.artifact.names import NameIndex
from riyl.index.artifact.version import NAMES, Version
from riyl.index.overlay.artists import Artist
from riyl.index.overlay.overlay import VersionOverlay
from riyl.index.search.mbids import MbidIndex
from riyl.index.search.neighbours import Neighbours, best_of, exact_scores, ready_list


class Searcher:
    """An opened version, for reading from any number of threads. It stays whole when its folder is pruned.

    Rows are the version's, and behind them those of live artists; see `riyl.index.overlay.overlay`.

    Attributes:
        version, version_id, manifest: what is searched.
        overlay: the version with the changes on it.
        row_of_own: the version's rows by artist, whatever changes say.
        own_names: the version's names.
    """

    def __init__(self, version: Version) -> None:
        self.version = version
        self.version_id = version.id
        self.manifest = version.manifest
        self.overlay = VersionOverlay.of(version)
        self._ids = _column(version.artists, "artist_id")
        self.row_of_own = {artist_id: row for row, artist_id in enumerate(self._ids.to_pylist())}
        self._mbids = MbidIndex(_column(version.artists, "mbid").to_pylist())
        self.own_names = NameIndex.open(version.files.in_folder(NAMES), version.by_popularity)
        version.hold()
        self.ids_of(np.empty(0, np.int32))  # pyarrow's first array loads pandas, where that is: not in a request

    @staticmethod
    def open(folder: Path, *, verify: bool = True) -> Searcher:
        """Open a version folder; sha256 of every file is checked unless `verify` is off.

        Raises:
            FormatError: it is damaged, of another kind or of a newer format; the message names found and wanted.
        """
        return Searcher(Version.open(folder, verify=verify))

    def under(self, overlay: VersionOverlay) -> Searcher:
        """The same version with these changes on it; what was opened is shared."""
        searcher = copy(self)
        searcher.overlay = overlay
        return searcher

    @property
    def artist_ids(self) -> pa.Array:
        """The ids of those who are there."""
        overlay = self.overlay
        if not overlay:
            return self._ids
        version_ids = self._ids.filter(pa.array(~overlay.tombstones[: overlay.first]))
        return pa.concat_arrays([version_ids, pa.array(list(overlay.row_of_id), pa.string())])

    @property
    def n_artists(self) -> int:
        """Artists who are there."""
        return self.overlay.n_artists

    def row_of(self, id_or_mbid: str, without: Container[int] = ()) -> int | None:
        """The artist with that id, else the only one with that mbid, in either case.

        None where there is none, or where several artists share the mbid: `rows_of` has these.

        Args:
            without: rows that are passed over as if they were not there.
        """
        row = self.row_of_id(id_or_mbid)
        return row if row is not None and row not in without else _only(self.rows_of(id_or_mbid, without))

    def row_now(self, id_or_mbid: str, without: Container[int] = ()) -> int | None:
        """The same, and of an artist that was merged into another one that one's."""
        return _only(self.rows_now(id_or_mbid, without))

    def rows_of(self, id_or_mbid: str, without: Container[int] = ()) -> list[int]:
        """The artist with that id, else all those with that mbid, in either case, ascending by id.

        Args:
            without: rows that are passed over as if they were not there.
        """
        row = self.row_of_id(id_or_mbid)
        if row is not None and row not in without:
            return [row]
        mbid = id_or_mbid.lower()
        rows = [*self._mbids.rows_of(mbid), *self.overlay.rows_of_mbid.get(mbid, ())]
        if self.overlay:
            rows = [row for row in rows if not self.overlay.tombstones[row]]
        return sorted((row for row in rows if row not in without), key=self.id_of)

    def rows_now(self, id_or_mbid: str, without: Container[int] = ()) -> list[int]:
        """The same, and of an artist that was merged into another one that one's."""
        rows = self.rows_of(id_or_mbid, without)
        if not rows and (moved := self.moved_to(id_or_mbid)) is not None:
            return self.rows_of(moved, without)
        return rows

    def rows_meant(self, id_or_mbid: str) -> list[int]:
        """As `rows_of`; where nobody is there, the version's artists of that id or mbid who are gone."""
        own_row = self.row_of_own.get(id_or_mbid)
        tombstones = [own_row] if own_row is not None else self._mbids.rows_of(id_or_mbid.lower())
        return self.rows_of(id_or_mbid) or tombstones

    def row_of_id(self, artist_id: ArtistId) -> int | None:
        """The artist with that id, and none that has it for an mbid."""
        overlay = self.overlay
        if not overlay:
            return self.row_of_own.get(artist_id)
        row = overlay.row_of_id.get(artist_id)
        if row is None:
            row = self.row_of_own.get(artist_id)
            if row is not None and overlay.tombstones[row]:
                return None
        return row

    def moved_to(self, id_or_mbid: str) -> ArtistId | None:
        """The artist into whom that one was merged, and this one perhaps into another; None where nobody was, or who
        it is now is not there either."""
        into, seen = self.overlay.into, set[str]()
        target = into.get(id_or_mbid) or into.get(id_or_mbid.lower())
        while target is not None and self.row_of_id(target) is None and target not in seen:
            seen.add(target)
            target = into.get(target)
        return target if target is not None and self.row_of_id(target) is not None else None

    def id_of(self, row: int) -> ArtistId:
        """The artist's id."""
        return str(self._ids[row].as_py()) if row < len(self._ids) else self.overlay.artist(row).id

    def artist(self, row: int) -> Artist:
        """Everything about one artist."""
        return self.overlay.about(row)

    def is_searchable(self, row: int) -> bool:
        """Whether the artist has an embedding."""
        return bool(self.overlay.embedded.at(row))

    def check_known(self, row: int) -> None:
        """See that the artist has an embedding.

        Raises:
            NothingKnownError: it has none.
        """
        if not self.is_searchable(row):
            artist = self.artist(row)
            raise NothingKnownError(
                f"nothing known yet of {artist.name} ({artist.id}): nothing that the model takes, so nobody is similar"
            )

    def similar(self, row: int, k: int, *, uncorrected: bool = False) -> Neighbours:
        """The k artists most similar to one: of its ready list, where that is enough, else searched for among all.

        Args:
            uncorrected: leave the version's corrections out: the k nearest by cosine, searched for.

        Raises:
            InputError: k is below 1.
            NothingKnownError: the artist has no embedding.
        """
        if k < 1:
            raise InputError(f"k: found {k}; wanted at least 1")
        uncorrected = uncorrected and self.corrects
        if not uncorrected:
            listed = self.ready(row)
            if len(listed.rows) >= k or listed.whole:
                return Neighbours(listed.rows[:k], listed.scores[:k])
        self.check_known(row)
        scores = exact_scores(self.overlay, row, uncorrected=uncorrected)
        scores[row] = -np.inf
        return best_of(self.overlay, scores, k)

    def ready(self, row: int) -> Neighbours:
        """The artist's ready list, with whoever came since.

        Raises:
            NothingKnownError: the artist has no embedding.
        """
        self.check_known(row)
        return ready_list(self.overlay, row)

    @property
    def corrects(self) -> bool:
        """Whether scores differ from cosines at all."""
        return self.version.scoring.corrects

    def vector(self, row: int) -> NDArray[np.float64]:
        """(d,) the artist's embedding, of unit length; zeros where it has none."""
        return np.asarray(self.overlay.embeddings.at(row), np.float64)

    def pattern(self, row: int) -> int:
        """Which of the availability patterns the artist has; see `VersionOverlay.patterns`."""
        return int(self.overlay.patterns_of.at(row))

    def ids_of(self, rows: Rows) -> list[ArtistId]:
        """The ids of some artists, in the order asked for."""
        return self.overlay.ids_of(rows)

    def names_of(self, rows: Rows) -> list[str]:
        """The names of some artists, in the order asked for."""
        return self.overlay.texts("name", rows, lambda artist: artist.name)

    def mbids_of(self, rows: Rows) -> list[str | None]:
        """The mbids of some artists, in the order asked for."""
        return self.overlay.texts("mbid", rows, lambda artist: artist.mbid)

    def modalities_of(self, rows: Rows) -> list[tuple[str, ...]]:
        """The modalities that some artists have, in the order asked for."""
        return [self.overlay.patterns[pattern] for pattern in self.overlay.patterns_of[rows].tolist()]

    def search_names(self, text: str, limit: int, without: Container[int] = ()) -> list[int]:
        """Rows of the artists whose name or alias fits what was typed: exactly, then begun, then with a typo a word.

        Case, accents and punctuation do not matter; inside a class the most popular come first. Any text will do;
        where there is nothing to go by, the list is empty.

        Args:
            without: rows that are passed over as if they were not there.
        """
        return self._names_there.search(text, limit, self._not_there(without))

    def named(self, name: str, without: Container[int] = ()) -> list[int]:
        """Rows of the artists with that name or alias, the most popular first.

        Case and Unicode form do not matter; accents only matter where somebody is called so with them.

        Args:
            without: see `search_names`.
        """
        return self._names_there.named(name, self._not_there(without))

    @property
    def _names_there(self) -> NameIndex:
        return self.overlay.names or self.own_names

    def _not_there(self, without: Container[int]) -> Container[int]:
        return _Without(self.overlay.tombstones, without) if self.overlay else without


@dataclass(frozen=True)
class _Without:
    """Rows that are gone, and others."""

    tombstones: Mask
    others: Container[int]

    def __contains__(self, row: object) -> bool:
        return isinstance(row, int) and (bool(self.tombstones[row]) or row in self.others)


def _only(rows: Sequence[int]) -> int | None:
    return rows[0] if len(rows) == 1 else None


def _column(table: pa.Table, name: str) -> Any:
    """A column as one array; of a mapped table without a copy."""
    return table.column(name).combine_chunks()

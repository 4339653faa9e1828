"""Reading of a version and the changes on it, without a model: artists, similar artists, and search by name."""

from __future__ import annotations

from collections.abc import Container, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riyl.core.errors import NothingKnownError
from riyl.core.types import ArtistId, Mask, Rows
from riyl.index.artifact.names import NameIndex
from riyl.index.artifact.version import NAMES, Version
from riyl.index.overlay.artists import Artist
from riyl.index.overlay.overlay import VersionOverlay
from riyl.index.search.mbids import MbidIndex
from riyl.index.search.neighbours import Neighbours, best_of, check_page, exact_scores, ready_list


class Searcher:
    """An opened version, for reading from any number of threads; it stays usable when its folder is pruned.

    Rows are the version's, followed by those of live artists; see `riyl.index.overlay.overlay`.

    Attributes:
        version, version_id, manifest: the version that is searched.
        overlay: the version with the changes on it.
        row_of_own: the version's rows by artist, without regard to changes.
        own_names: the version's name index.
    """

    def __init__(self, version: Version) -> None:
        self.version = version
        self.version_id = version.id
        self.manifest = version.manifest
        self.overlay = VersionOverlay.of(version)
        self._ids = _column(version.artists, "artist_id")
        self.row_of_own = {artist_id: row for row, artist_id in enumerate(self._ids.to_pylist())}
        self._mbids = MbidIndex(_column(version.artists, "mbid").to_pylist())
        self.own_names = NameIndex.open(
            version.files.in_folder(NAMES), version.by_popularity, version.manifest["format"]
        )
        version.hold()
        self.ids_of(np.empty(0, np.int32))  # pyarrow's first array imports pandas if installed: not in a request

    @staticmethod
    def open(folder: Path, *, verify: bool = True) -> Searcher:
        """Open a version folder; the sha256 of every file is checked unless `verify` is false.

        Raises:
            FormatError: it is damaged, of another kind or of a newer format; the message names found and wanted.
        """
        return Searcher(Version.open(folder, verify=verify))

    def under(self, overlay: VersionOverlay) -> Searcher:
        """Return a searcher of the same version with these changes on it; opened files are shared."""
        searcher = copy(self)
        searcher.overlay = overlay
        return searcher

    @property
    def artist_ids(self) -> pa.Array:
        """Ids of the artists without a tombstone."""
        overlay = self.overlay
        if not overlay:
            return self._ids
        version_ids = self._ids.filter(pa.array(~overlay.tombstones[: overlay.first]))
        return pa.concat_arrays([version_ids, pa.array(list(overlay.row_of_id), pa.string())])

    @property
    def n_artists(self) -> int:
        """Number of artists without a tombstone."""
        return self.overlay.n_artists

    def row_of(self, id_or_mbid: str, without: Container[int] = ()) -> int | None:
        """Return the row of the artist with this id, else of the only one with this mbid, in upper or lower case.

        None where there is none, or where several artists share the mbid: `rows_of` returns these. Rows in `without`
        are treated as absent.
        """
        row = self.row_of_id(id_or_mbid)
        return row if row is not None and row not in without else _only(self.rows_of(id_or_mbid, without))

    def row_now(self, id_or_mbid: str, without: Container[int] = ()) -> int | None:
        """Return the row as `row_of` does; for a merged artist, that of the artist it was merged into."""
        return _only(self.rows_now(id_or_mbid, without))

    def rows_of(self, id_or_mbid: str, without: Container[int] = ()) -> list[int]:
        """Return the row of the artist with this id, else of all with this mbid, in upper or lower case, by id.

        Rows in `without` are treated as absent.
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
        """Return the rows as `rows_of` does; for a merged artist, those of the artist it was merged into."""
        rows = self.rows_of(id_or_mbid, without)
        if not rows and (moved := self.moved_to(id_or_mbid)) is not None:
            return self.rows_of(moved, without)
        return rows

    def rows_meant(self, id_or_mbid: str) -> list[int]:
        """Return the rows as `rows_of` does; where there are none, the version's rows with a tombstone that match."""
        own_row = self.row_of_own.get(id_or_mbid)
        tombstones = [own_row] if own_row is not None else self._mbids.rows_of(id_or_mbid.lower())
        return self.rows_of(id_or_mbid) or tombstones

    def row_of_id(self, artist_id: ArtistId) -> int | None:
        """Return the row of the artist with this id; mbids are not looked up."""
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
        """Return the artist that this one was merged into, through further merges; None where there is none.

        None also where the last artist of the chain has a tombstone itself.
        """
        into, seen = self.overlay.into, set[str]()
        target = into.get(id_or_mbid) or into.get(id_or_mbid.lower())
        while target is not None and self.row_of_id(target) is None and target not in seen:
            seen.add(target)
            target = into.get(target)
        return target if target is not None and self.row_of_id(target) is not None else None

    def id_of(self, row: int) -> ArtistId:
        """Return the artist's id."""
        return str(self._ids[row].as_py()) if row < len(self._ids) else self.overlay.artist(row).id

    def artist(self, row: int) -> Artist:
        """Return everything about one artist besides its embedding."""
        return self.overlay.about(row)

    def is_searchable(self, row: int) -> bool:
        """Return whether the artist has an embedding."""
        return bool(self.overlay.embedded.at(row))

    def check_known(self, row: int) -> None:
        """Check that the artist has an embedding.

        Raises:
            NothingKnownError: it has none.
        """
        if not self.is_searchable(row):
            artist = self.artist(row)
            raise NothingKnownError(
                f"{artist.name} ({artist.id}) has no embedding, so no similar artists: it has no input for the model"
            )

    def similar(self, row: int, k: int, *, offset: int = 0, uncorrected: bool = False) -> Neighbours:
        """Return artists most similar to one: from its ready list, and behind its end by exact search among all.

        The pages of one artist are the parts of one list, whatever their lengths.

        Args:
            row: the artist.
            k: length of the page.
            offset: number of better artists before the page.
            uncorrected: leave out the version's corrections: search for the nearest by cosine.

        Raises:
            InputError: k is below 1, or offset below 0.
            NothingKnownError: the artist has no embedding.
        """
        check_page(offset, k)
        uncorrected = uncorrected and self.corrects
        listed = self.ready(row)
        if uncorrected:  # ready lists have corrected scores
            listed = Neighbours(listed.rows[:0], listed.scores[:0])
        if not listed.reaches(offset + k):
            scores = exact_scores(self.overlay, row, uncorrected=uncorrected)
            scores[row] = -np.inf
            scores[listed.rows] = -np.inf
            listed = listed.followed_by(best_of(self.overlay, scores, offset + k + 1 - len(listed.rows)))
        return listed.page(offset, k)

    def ready(self, row: int) -> Neighbours:
        """Return the artist's ready list, with the live artists that enter it.

        Raises:
            NothingKnownError: the artist has no embedding.
        """
        self.check_known(row)
        return ready_list(self.overlay, row)

    @property
    def corrects(self) -> bool:
        """Whether scores differ from cosines."""
        return self.version.scoring.corrects

    def vector(self, row: int) -> NDArray[np.float64]:
        """Return the artist's embedding, (d,) of unit length; zeros where it has none."""
        return np.asarray(self.overlay.embeddings.at(row), np.float64)

    def pattern(self, row: int) -> int:
        """Return the artist's availability pattern as an index into `VersionOverlay.patterns`."""
        return int(self.overlay.patterns_of.at(row))

    def ids_of(self, rows: Rows) -> list[ArtistId]:
        """Return the ids of some artists, in the order of `rows`."""
        return self.overlay.ids_of(rows)

    def names_of(self, rows: Rows) -> list[str]:
        """Return the names of some artists, in the order of `rows`."""
        return self.overlay.texts("name", rows, lambda artist: artist.name)

    def mbids_of(self, rows: Rows) -> list[str | None]:
        """Return the mbids of some artists, in the order of `rows`."""
        return self.overlay.texts("mbid", rows, lambda artist: artist.mbid)

    def modalities_of(self, rows: Rows) -> list[tuple[str, ...]]:
        """Return the modalities that some artists have, in the order of `rows`."""
        return [self.overlay.patterns[pattern] for pattern in self.overlay.patterns_of[rows].tolist()]

    def search_names(self, text: str, limit: int, without: Container[int] = ()) -> list[int]:
        """Return the rows of artists whose name or alias matches: exactly, then by prefix, then with a typo per word.

        Case, accents and punctuation are ignored, in exact matches also articles and words for '&'; within each class
        the most popular come first. Where nothing matches 'A feat. B', 'A' is searched. Any text is accepted; a text
        without searchable characters gives an empty list. Rows in `without` are treated as absent.
        """
        return self._names_there.search(text, limit, self._not_there(without))

    def named(self, name: str, without: Container[int] = ()) -> list[int]:
        """Return the rows of artists with this name or alias, the most popular first.

        They are those that fit at the first level of `riyl.core.catalog.name_forms` at which any fits. Rows in
        `without` are treated as absent.
        """
        return self._names_there.named(name, self._not_there(without))

    @property
    def _names_there(self) -> NameIndex:
        return self.overlay.names or self.own_names

    def _not_there(self, without: Container[int]) -> Container[int]:
        return _Without(self.overlay.tombstones, without) if self.overlay else without


@dataclass(frozen=True)
class _Without:
    """Rows with a tombstone, and other rows to treat as absent."""

    tombstones: Mask
    others: Container[int]

    def __contains__(self, row: object) -> bool:
        return isinstance(row, int) and (bool(self.tombstones[row]) or row in self.others)


def _only(rows: Sequence[int]) -> int | None:
    return rows[0] if len(rows) == 1 else None


def _column(table: pa.Table, name: str) -> Any:
    """Return a column as one array; without a copy where the table is mapped."""
    return table.column(name).combine_chunks()

"""A version with changes on it: tombstones, live artists, and their entries in lists; one value, read like a version.

Its rows are the version's, followed by one for each artist that was added or changed. A row never changes: an artist
that changes again gets a new row, and its earlier row gets a tombstone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from riyl.core.catalog.attributes import as_type, type_for
from riyl.core.errors import InputError
from riyl.core.types import ArtistId, Lists, Mask, Matrix, Rows
from riyl.index.artifact.arrays import LIST_LENGTH
from riyl.index.artifact.names import NameIndex
from riyl.index.artifact.version import COLUMNS, Version
from riyl.index.overlay.arrays import Number, OverlayArray
from riyl.index.overlay.artists import Artist, LiveArtist
from riyl.index.overlay.entries import Entries
from riyl.index.scoring.factors import Patterns


@dataclass(frozen=True)
class Columns:
    """Arrays of m live artists, one row each, laid out as in a version.

    `lists` holds the 256 most similar rows of the version, and `scores` their scores.
    """

    vectors: Matrix
    has_embedding: Mask
    patterns: Patterns
    h: NDArray[np.float32]
    popularity: NDArray[np.float32]
    listeners: NDArray[np.int64]
    plays: NDArray[np.float64]
    lists: Lists
    scores: Matrix

    @staticmethod
    def none(dim: int) -> Columns:
        """Return the columns of no artists."""
        return Columns(
            vectors=np.empty((0, dim), np.float32),
            has_embedding=np.empty(0, np.bool_),
            patterns=np.empty(0, np.int32),
            h=np.empty(0, np.float32),
            popularity=np.empty(0, np.float32),
            listeners=np.empty(0, np.int64),
            plays=np.empty(0, np.float64),
            lists=np.empty((0, LIST_LENGTH), np.int32),
            scores=np.empty((0, LIST_LENGTH), np.float32),
        )


def _with_live(
    of_version: Callable[[Version], NDArray[Number]], of_live: Callable[[Columns], NDArray[Number]]
) -> cached_property[OverlayArray[Number]]:
    """Return a property that joins an array of the version and that of its live artists, made on first use."""
    return cached_property(lambda overlay: OverlayArray(of_version(overlay.version), of_live(overlay.columns)))


@dataclass(frozen=True)
class VersionOverlay:
    """A version with changes on it.

    Attributes:
        version: the version that the changes are on.
        number: number of the last change included.
        tombstones: (n + m,) bool, true for a row that is hidden: deleted, merged, or replaced by a later row.
        artists: the live artists; more may be appended later, only the first m count.
        columns: arrays of these m.
        entries: by row, the live artists that enter its list; those from row n + m on do not count.
        row_of_id: rows of the live artists without a tombstone, by id.
        rows_of_mbid: the same by mbid in lower case, ascending by id.
        into: by the id, and the mbid in lower case, of a merged artist, the id of the artist it was merged into.
        patterns: the version's sets of modalities, followed by those that only live artists have.
        names: name index of all artists; None where no live artist was added.
        hidden_upto: number of the last change whose deletions are applied, where that is later than `number`.
    """

    version: Version
    number: int
    tombstones: Mask
    artists: Sequence[LiveArtist]
    columns: Columns
    entries: Mapping[int, Entries] = field(default_factory=dict)
    row_of_id: Mapping[ArtistId, int] = field(default_factory=dict)
    rows_of_mbid: Mapping[str, Sequence[int]] = field(default_factory=dict)
    into: Mapping[str, ArtistId] = field(default_factory=dict)
    patterns: Sequence[tuple[str, ...]] = ()
    names: NameIndex | None = None
    hidden_upto: int = 0

    @staticmethod
    def of(version: Version, number: int | None = None) -> VersionOverlay:
        """Return a version without further changes; `number` defaults to the last change folded into it."""
        return VersionOverlay(
            version,
            int(version.manifest["last_change"]) if number is None else number,
            np.zeros(version.n_artists, bool),
            (),
            Columns.none(version.embeddings.shape[1]),
            patterns=version.patterns_of_modalities,
        )

    def without(self, artists: Collection[ArtistId], row_of: Mapping[ArtistId, int], number: int) -> VersionOverlay:
        """Return the overlay with some artists hidden; a fault in other changes cannot prevent this.

        Args:
            artists: the artists to hide.
            row_of: the version's rows by artist.
            number: number of the last change whose deletions are applied.
        """
        tombstones, live = self.tombstones.copy(), dict(self.row_of_id)
        rows = {*(live.pop(artist) for artist in artists if artist in live)}
        tombstones[[*rows, *(row_of[artist] for artist in artists if artist in row_of)]] = True
        by_mbid = {mbid: [row for row in of_mbid if row not in rows] for mbid, of_mbid in self.rows_of_mbid.items()}
        return replace(self, tombstones=tombstones, row_of_id=live, rows_of_mbid=by_mbid, hidden_upto=number)

    def __bool__(self) -> bool:
        """Return whether anything differs from the version."""
        return self._changes

    @cached_property
    def _changes(self) -> bool:
        return bool(self.tombstones.any() or len(self.columns.has_embedding) or self.into)

    @property
    def first(self) -> int:
        """Row of the first live artist."""
        return self.version.n_artists

    @property
    def n_rows(self) -> int:
        return len(self.tombstones)

    @cached_property
    def n_artists(self) -> int:
        """Number of artists without a tombstone."""
        return self.n_rows - int(np.count_nonzero(self.tombstones))

    embeddings = _with_live(lambda version: version.embeddings, lambda live: live.vectors)
    embedded = _with_live(lambda version: version.has_embedding, lambda live: live.has_embedding)
    """Whether each row has an embedding, tombstone or not."""
    patterns_of = _with_live(lambda version: version.patterns, lambda live: live.patterns)
    """Index into `patterns` of each row."""
    h = _with_live(lambda version: version.scoring.h, lambda live: live.h)
    listeners = _with_live(lambda version: version.listeners, lambda live: live.listeners)
    plays = _with_live(lambda version: version.plays, lambda live: live.plays)

    @cached_property
    def searchable(self) -> Mask:
        """Rows with an embedding and without a tombstone, (n + m,) bool."""
        if not self:
            return self.version.has_embedding
        return self.embedded.whole() & ~self.tombstones

    @cached_property
    def c(self) -> Matrix:
        """Calibration, (P, P) float32; 0 for patterns that the version lacks, as it has no estimate of them."""
        return widened(self.version.scoring.c, len(self.patterns))

    @cached_property
    def popularity(self) -> OverlayArray[np.float32]:
        """Popularity of each row, -1 to 1; see `riyl.index.scoring.popularity.popularity_of`."""
        base = self.version.scoring.popularity
        if base is None:
            raise TypeError("the scoring of a version is loaded with its popularity")
        return OverlayArray(base.ranks, self.columns.popularity)

    def ids_of(self, rows: Rows) -> list[ArtistId]:
        """Return the ids of some artists, in the order of `rows`."""
        return self.texts("artist_id", rows, lambda artist: artist.id)

    def texts(self, column: str, rows: Rows, of: Callable[[LiveArtist], Any]) -> list[Any]:
        """Return a column of the version for some artists, in the order of `rows`; `of` reads it from live artists."""
        values = self.version.artists.column(column)
        if not (rows >= self.first).any():
            return list(values.take(pa.array(rows)).to_pylist())
        base_texts = iter(values.take(pa.array(rows[rows < self.first])).to_pylist())
        return [next(base_texts) if row < self.first else of(self.artist(row)) for row in rows.tolist()]

    def popular(self, row: int) -> tuple[int, float, ArtistId]:
        """Return the sort key of an artist that puts the most popular first."""
        return -int(self.listeners.at(row)), -float(self.plays.at(row)), self.ids_of(np.array([row]))[0]

    def artist(self, row: int) -> LiveArtist:
        """Return a live artist by its row."""
        return self.artists[row - self.first]

    def about(self, row: int) -> Artist:
        """Return everything about one artist besides its embedding."""
        if row >= self.first:
            artist = self.artist(row)
            about = (artist.id, artist.name, artist.mbid, artist.aliases, artist.attributes, artist.modalities)
        else:
            table = self.version.artists
            id, name, mbid, aliases = (table.column(column)[row].as_py() for column in COLUMNS)
            attributes = {column: table.column(column)[row].as_py() for column in self.version.attributes}
            has_embedding = self.patterns[self.patterns_of.at(row)]
            about = (id, name, mbid, tuple(a for a in aliases or () if a is not None), attributes, has_embedding)
        return Artist(*about, listeners=int(self.listeners.at(row)), plays=float(self.plays.at(row)), row=row)

    @cached_property
    def attributes(self) -> list[str]:
        """Names of the attributes that any artist has, those of the version first."""
        names = self.version.attributes
        new = {name for row in self.row_of_id.values() for name in self.artist(row).attributes}
        return names + sorted(new - set(names))

    def column(self, name: str) -> tuple[pa.Array, pa.Array]:
        """Return an attribute of the version's artists and of the m live ones, of one type; null where absent.

        An attribute that the version lacks takes the type of its first value, by artist id, as in a re-index.
        """
        artists, m = self.version.artists, len(self.columns.has_embedding)
        if name in artists.column_names and not pa.types.is_null(artists.schema.field(name).type):
            kind = artists.schema.field(name).type
        else:
            values = (self.artist(row).attributes.get(name) for _, row in sorted(self.row_of_id.items()))
            payload = [value for value in values if value is not None]
            kind = type_for(payload) if payload else pa.null()  # type: ignore[arg-type]
        if name in artists.column_names and artists.schema.field(name).type == kind:
            column = artists.column(name)
            base = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()  # the latter copies even one
        else:
            base = pa.nulls(len(artists), kind)
        return base, pa.array([_typed(kind, artist.attributes.get(name)) for artist in self.artists[:m]], kind)


def widened(c: Matrix, patterns: int) -> Matrix:
    """Return c padded with zeros to `patterns` rows and columns, (P, P) float32."""
    if len(c) == patterns:
        return c
    wide = np.zeros((patterns, patterns), np.float32)
    wide[: len(c), : len(c)] = c
    return wide


def _typed(kind: pa.DataType, value: object) -> object:
    """Return the value in this type; None where it does not fit, as the first value sets the type."""
    if value is None or pa.types.is_nested(kind) or not isinstance(value, str | bool | int | float):
        return value
    try:
        return as_type(kind, value)
    except InputError:
        return value if pa.types.is_temporal(kind) else None

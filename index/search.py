"""The read side of a version and the changes on it: who an artist is, who is similar, who is called so. No model."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.errors import InputError, NothingKnownError
from core.files import Manifest
from core.types import ArtistId, Mask, Rows
from index.artifact import NAMES, Version
from index.artists import Artist
from index.lists import Neighbours, best_of, exact_scores, ready_list
from index.live import Live
from index.mbids import MbidIndex
from index.names import NameIndex


class Searcher:
    """An opened version, for reading from any number of threads. It stays whole when its folder is pruned.

    Rows are the version's, and behind them those of live artists; see `index.live`.
    """

    def __init__(self, version: Version) -> None:
        self._version = version
        self._live = Live.of(version)
        self._ids = _column(version.artists, "artist_id")
        self._row_of_id = {artist_id: row for row, artist_id in enumerate(self._ids.to_pylist())}
        self._mbids = MbidIndex(_column(version.artists, "mbid").to_pylist())
        self._name_index = NameIndex.open(version.folder / NAMES, version.by_popularity)
        version.hold()
        self.ids_of(np.empty(0, np.int32))  # pyarrow's first array loads pandas, where that is: not in a request

    @staticmethod
    def open(folder: Path, *, verify: bool = True) -> Searcher:
        """Open a version folder; sha256 of every file is checked unless `verify` is off.

        Raises:
            FormatError: it is damaged, of another kind or of a newer format; the message names found and wanted.
        """
        return Searcher(Version.open(folder, verify=verify))

    def under(self, live: Live) -> Searcher:
        """The same version with these changes on it; what was opened is shared."""
        found = copy(self)
        found._live = live
        return found

    @property
    def version(self) -> Version:
        """What is searched."""
        return self._version

    @property
    def live(self) -> Live:
        """The version with the changes on it."""
        return self._live

    @property
    def row_of_own(self) -> Mapping[ArtistId, int]:
        """The version's rows by artist, whatever changes say."""
        return self._row_of_id

    @property
    def own_names(self) -> NameIndex:
        """The version's names."""
        return self._name_index

    @property
    def version_id(self) -> str:
        return self._version.id

    @property
    def manifest(self) -> Manifest:
        return self._version.manifest

    @property
    def artist_ids(self) -> pa.Array:
        """The ids of those who are there."""
        live = self._live
        if not live:
            return self._ids
        own = self._ids.filter(pa.array(~live.gone[: live.first]))
        return pa.concat_arrays([own, pa.array(list(live.row_of_id), pa.string())])

    @property
    def n_rows(self) -> int:
        """Rows that there are, those that are gone among them."""
        return self._live.n_rows

    @property
    def n_artists(self) -> int:
        """Artists who are there."""
        return self._live.n_artists

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
        rows = [*self._mbids.rows_of(mbid), *self._live.rows_of_mbid.get(mbid, ())]
        if self._live:
            rows = [row for row in rows if not self._live.gone[row]]
        return sorted((row for row in rows if row not in without), key=self.id_of)

    def rows_now(self, id_or_mbid: str, without: Container[int] = ()) -> list[int]:
        """The same, and of an artist that was merged into another one that one's."""
        rows = self.rows_of(id_or_mbid, without)
        if not rows and (moved := self.moved_to(id_or_mbid)) is not None:
            return self.rows_of(moved, without)
        return rows

    def rows_meant(self, id_or_mbid: str) -> list[int]:
        """As `rows_of`; where nobody is there, the version's artists of that id or mbid who are gone."""
        own = self._row_of_id.get(id_or_mbid)
        gone = [own] if own is not None else self._mbids.rows_of(id_or_mbid.lower())
        return self.rows_of(id_or_mbid) or gone

    def row_of_id(self, artist_id: ArtistId) -> int | None:
        """The artist with that id, and none that has it for an mbid."""
        live = self._live
        if not live:
            return self._row_of_id.get(artist_id)
        row = live.row_of_id.get(artist_id)
        if row is None:
            row = self._row_of_id.get(artist_id)
            if row is not None and live.gone[row]:
                return None
        return row

    def moved_to(self, id_or_mbid: str) -> ArtistId | None:
        """The artist into whom that one was merged, and this one perhaps into another; None where nobody was, or who
        it is now is not there either."""
        into, seen = self._live.into, set[str]()
        found = into.get(id_or_mbid) or into.get(id_or_mbid.lower())
        while found is not None and self.row_of_id(found) is None and found not in seen:
            seen.add(found)
            found = into.get(found)
        return found if found is not None and self.row_of_id(found) is not None else None

    def id_of(self, row: int) -> ArtistId:
        """The artist's id."""
        return str(self._ids[row].as_py()) if row < len(self._ids) else self._live.artist(row).id

    def artist(self, row: int) -> Artist:
        """Everything about one artist."""
        return self._live.about(row)

    def is_known(self, row: int) -> bool:
        """Whether the artist has an embedding."""
        return bool(self._live.has_embedding.at(row))

    def check_known(self, row: int) -> None:
        """See that the artist has an embedding.

        Raises:
            NothingKnownError: it has none.
        """
        if not self.is_known(row):
            artist = self.artist(row)
            raise NothingKnownError(
                f"nothing known yet of {artist.name} ({artist.id}): nothing that the model takes, so nobody is similar"
            )

    def similar(self, row: int, k: int, *, raw: bool = False) -> Neighbours:
        """The k artists most similar to one: of its ready list, where that is enough, else searched for among all.

        Args:
            raw: leave the version's corrections out: the k nearest by cosine, searched for.

        Raises:
            InputError: k is below 1.
            NothingKnownError: the artist has no embedding.
        """
        if k < 1:
            raise InputError(f"k: found {k}; wanted at least 1")
        raw = raw and self.corrects
        if not raw:
            listed = self.ready(row)
            if len(listed.rows) >= k or listed.whole:
                return Neighbours(listed.rows[:k], listed.scores[:k])
        self.check_known(row)
        scores = exact_scores(self._live, row, raw=raw)
        scores[row] = -np.inf
        return best_of(self._live, scores, k)

    def ready(self, row: int) -> Neighbours:
        """The artist's ready list, with whoever came since.

        Raises:
            NothingKnownError: the artist has no embedding.
        """
        self.check_known(row)
        return ready_list(self._live, row)

    @property
    def corrects(self) -> bool:
        """Whether scores differ from cosines at all."""
        return self._version.scoring.corrects

    def vector(self, row: int) -> NDArray[np.float64]:
        """(d,) the artist's embedding, of unit length; zeros where it has none."""
        return np.asarray(self._live.embeddings.at(row), np.float64)

    def pattern(self, row: int) -> int:
        """Which of the availability patterns the artist has; see `Live.patterns`."""
        return int(self._live.patterns_of.at(row))

    def ids_of(self, rows: Rows) -> list[ArtistId]:
        """The ids of some artists, in the order asked for."""
        return self._live.ids_of(rows)

    def names_of(self, rows: Rows) -> list[str]:
        """The names of some artists, in the order asked for."""
        return self._live.texts("name", rows, lambda artist: artist.name)

    def mbids_of(self, rows: Rows) -> list[str | None]:
        """The mbids of some artists, in the order asked for."""
        return self._live.texts("mbid", rows, lambda artist: artist.mbid)

    def modalities_of(self, rows: Rows) -> list[tuple[str, ...]]:
        """The modalities that some artists have, in the order asked for."""
        return [self._live.patterns[pattern] for pattern in self._live.patterns_of[rows].tolist()]

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
        return self._live.names or self._name_index

    def _not_there(self, without: Container[int]) -> Container[int]:
        return _Without(self._live.gone, without) if self._live else without


@dataclass(frozen=True)
class _Without:
    """Rows that are gone, and others."""

    gone: Mask
    others: Container[int]

    def __contains__(self, row: object) -> bool:
        return isinstance(row, int) and (bool(self.gone[row]) or row in self.others)


def _only(rows: Sequence[int]) -> int | None:
    return rows[0] if len(rows) == 1 else None


def _column(table: pa.Table, name: str) -> Any:
    """A column as one array; of a mapped table without a copy."""
    return table.column(name).combine_chunks()

"""The read side of a version: who an artist is, who is similar, who is called so. No model and no torch."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.errors import InputError, NothingKnownError
from core.files import Manifest
from core.types import ArtistId, Rows
from index.artifact import COLUMNS, NAMES, Version
from index.names import NameIndex

_AT_ONCE = 1 << 14


@dataclass(frozen=True)
class Artist:
    """What a version knows of an artist besides its embedding.

    Attributes:
        row: its position in the version.
        mbid: MusicBrainz id, where the catalog has one.
        attributes: the catalog's further columns; None where it says nothing.
        modalities: those that it has, names ascending; empty where nothing is known of it.
        listeners, plays: 0 where none is known.
    """

    row: int
    id: ArtistId
    name: str
    mbid: str | None
    aliases: tuple[str, ...]
    attributes: Mapping[str, object]
    modalities: tuple[str, ...]
    listeners: int
    plays: float


@dataclass(frozen=True)
class Neighbours:
    """Similar artists: (k,) rows and (k,) float32 scores, best first; shorter where fewer exist.

    The first `n_pinned` stand there by rule, whatever their score.
    """

    rows: Rows
    scores: NDArray[np.float32]
    n_pinned: int = 0


class Searcher:
    """An opened version, for reading from any number of threads. It stays whole when its folder is pruned."""

    def __init__(self, version: Version) -> None:
        self._version = version
        self._artists = version.artists
        self._ids = _column(self._artists, "artist_id")
        self._names = _column(self._artists, "name")
        self._row_of_id = {artist_id: row for row, artist_id in enumerate(self._ids.to_pylist())}
        mbids = _column(self._artists, "mbid").to_pylist()
        self._row_of_mbid = {mbids[row].lower(): row for row in range(len(mbids) - 1, -1, -1) if mbids[row]}
        self._later_of_mbid = _later(mbids, self._row_of_mbid)
        self._attributes = [name for name in self._artists.column_names if name not in COLUMNS]
        self._patterns = version.patterns_of_modalities
        self._pattern_of, self._known = version.patterns, version.known
        self._neighbours, self._scores = version.neighbours, version.scores
        self._listeners, self._plays = version.listeners, version.plays
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

    @property
    def version(self) -> Version:
        """What is searched."""
        return self._version

    @property
    def version_id(self) -> str:
        return self._version.id

    @property
    def manifest(self) -> Manifest:
        return self._version.manifest

    @property
    def n_artists(self) -> int:
        return self._version.n_artists

    @property
    def artist_ids(self) -> pa.Array:
        """(n,) strings, row by row."""
        return self._ids

    def row_of(self, id_or_mbid: str, without: Container[int] = ()) -> int | None:
        """The artist with that id, else with that mbid, in either case; the first by id where several have it.

        Args:
            without: rows that are passed over as if they were not there.
        """
        row = self._row_of_id.get(id_or_mbid)
        if row is None or row in without:
            mbid = id_or_mbid.lower()
            row = self._row_of_mbid.get(mbid)
            if row in without:
                row = next((later for later in self._later_of_mbid.get(mbid, ()) if later not in without), None)
        return row

    def row_of_id(self, artist_id: ArtistId) -> int | None:
        """The artist with that id, and none that has it for an mbid."""
        return self._row_of_id.get(artist_id)

    def id_of(self, row: int) -> ArtistId:
        """The artist's id."""
        return str(self._ids[row].as_py())

    def artist(self, row: int) -> Artist:
        """Everything about one artist."""
        return Artist(
            row=row,
            id=self._ids[row].as_py(),
            name=self._names[row].as_py(),
            mbid=self._artists.column("mbid")[row].as_py(),
            aliases=tuple(alias for alias in self._artists.column("aliases")[row].as_py() or () if alias is not None),
            attributes={name: self._artists.column(name)[row].as_py() for name in self._attributes},
            modalities=self._patterns[self._pattern_of[row]],
            listeners=int(self._listeners[row]),
            plays=float(self._plays[row]),
        )

    def is_known(self, row: int) -> bool:
        """Whether the artist has an embedding."""
        return bool(self._known[row])

    def check_known(self, row: int) -> None:
        """See that the artist has an embedding.

        Raises:
            NothingKnownError: it has none.
        """
        if not self._known[row]:
            raise NothingKnownError(
                f"nothing known yet of {self._names[row].as_py()} ({self._ids[row].as_py()}): "
                "nothing that the model takes, so nobody is similar"
            )

    def similar(self, row: int, k: int, *, raw: bool = False) -> Neighbours:
        """The first k of the artist's ready list, which holds 256 at most.

        Args:
            raw: leave the version's corrections out: the k nearest by cosine, searched for now among all artists.

        Raises:
            InputError: k is below 1.
            NothingKnownError: the artist has no embedding.
        """
        if k < 1:
            raise InputError(f"k: found {k}; wanted at least 1")
        self.check_known(row)
        if raw and self.corrects:
            cosines = self.scores(self.vector(row), None)
            cosines[row] = -np.inf
            return self.best(cosines, k)
        rows = self._neighbours[row, :k]
        length = int(np.count_nonzero(rows >= 0))
        return Neighbours(rows[:length], self._scores[row, :length])

    @property
    def corrects(self) -> bool:
        """Whether scores differ from cosines at all."""
        return self._version.scoring.corrects

    def vector(self, row: int) -> NDArray[np.float64]:
        """(d,) the artist's embedding, of unit length; zeros where it has none."""
        return np.asarray(self._version.embeddings[row], np.float64)

    def pattern(self, row: int) -> int:
        """Which of the version's availability patterns the artist has."""
        return int(self._pattern_of[row])

    def scores(self, vector: NDArray[np.float64], pattern: int | None, rows: Rows | None = None) -> NDArray[np.float32]:
        """What artists score for a query, exactly: summed in float64, all of them in bounded memory.

        Args:
            vector: (d,) the query, of unit length.
            pattern: its availability pattern; None leaves the version's corrections out: cosines.
            rows: (m,) whose scores; None takes every artist.

        Returns:
            (m,) or (n,) float32; -inf where an artist has no embedding.
        """
        version, total = self._version, self.n_artists if rows is None else len(rows)
        found = np.empty(total, np.float32)
        for start in range(0, total, _AT_ONCE):
            part = slice(start, min(start + _AT_ONCE, total))
            chosen = part if rows is None else rows[part]
            scores = version.embeddings[chosen].astype(np.float64) @ vector
            if pattern is not None:
                scores += version.scoring.corrections(pattern, chosen, self._pattern_of)
            found[part] = np.where(self._known[chosen], scores, -np.inf)
        return found

    def best(self, scores: NDArray[np.float32], k: int) -> Neighbours:
        """The k artists of the highest scores; equal ones by a seeded hash of the id, as in the ready lists.

        Args:
            scores: (n,) float32 of every artist; -inf leaves one out.
        """
        # here, so that who only reads ready lists needs no Faiss
        from index.ann import tie_order
        from index.neighbours import TIE_SEED

        k = min(k, int(np.count_nonzero(scores > -np.inf)))
        if k < 1:
            return Neighbours(np.empty(0, np.int32), np.empty(0, np.float32))
        found = np.flatnonzero(scores >= -np.partition(-scores, k - 1)[k - 1]).astype(np.int32)
        ties = tie_order(self.ids_of(found), TIE_SEED)
        rows = found[np.lexsort((ties, -scores[found]))][:k]
        return Neighbours(rows, scores[rows])

    def ids_of(self, rows: Rows) -> list[ArtistId]:
        """The ids of some artists, in the order asked for."""
        return list(self._ids.take(pa.array(rows)).to_pylist())

    def names_of(self, rows: Rows) -> list[str]:
        """The names of some artists, in the order asked for."""
        return list(self._names.take(pa.array(rows)).to_pylist())

    def mbids_of(self, rows: Rows) -> list[str | None]:
        """The mbids of some artists, in the order asked for."""
        return list(self._artists.column("mbid").take(pa.array(rows)).to_pylist())

    def modalities_of(self, rows: Rows) -> list[tuple[str, ...]]:
        """The modalities that some artists have, in the order asked for."""
        return [self._patterns[pattern] for pattern in self._pattern_of[rows].tolist()]

    def search_names(self, text: str, limit: int, without: Container[int] = ()) -> list[int]:
        """Rows of the artists whose name or alias fits what was typed: exactly, then begun, then with a typo a word.

        Case, accents and punctuation do not matter; inside a class the most popular come first. Any text will do;
        where there is nothing to go by, the list is empty.

        Args:
            without: rows that are passed over as if they were not there.
        """
        return self._name_index.search(text, limit, without)

    def named(self, name: str, without: Container[int] = ()) -> list[int]:
        """Rows of the artists with that name or alias, the most popular first.

        Case and Unicode form do not matter; accents only matter where somebody is called so with them.

        Args:
            without: see `search_names`.
        """
        return self._name_index.named(name, without)


def _column(table: pa.Table, name: str) -> Any:
    """A column as one array; of a mapped table without a copy."""
    return table.column(name).combine_chunks()


def _later(mbids: Sequence[str | None], first: Mapping[str, int]) -> dict[str, list[int]]:
    """By mbid, in lower case, the rows that have it after the first one; only those that several have."""
    later: dict[str, list[int]] = {}
    if len(first) < sum(1 for mbid in mbids if mbid):
        for row, mbid in enumerate(mbids):
            if mbid and first[mbid.lower()] != row:
                later.setdefault(mbid.lower(), []).append(row)
    return later

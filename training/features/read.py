"""Tables as arrays: rows located among the catalog's artists; unknown artists and repeated rows are counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from numpy.typing import NDArray

from riyl.core.catalog.columns import matrix
from riyl.core.catalog.notes import Notes
from riyl.core.catalog.tables import Tables
from riyl.core.catalog.terms import normalised_tags
from riyl.core.types import ArtistId, Mask, Matrix, Progress, Rows, silent


class Positions:
    """Positions of texts in a list of texts; the list may grow."""

    def __init__(self, texts: list[str], *, grow: bool = False) -> None:
        self.texts = list(texts)
        self._at = {text: i for i, text in enumerate(texts)}
        self._grow = grow

    def __call__(self, column: pa.Array) -> NDArray[np.int64]:
        """Return the position of each text of a string column without nulls, (n,); -1 if unknown and not growing."""
        encoded = column.dictionary_encode()
        uniques = encoded.dictionary.to_pylist()
        if self._grow:
            for text in uniques:
                if text not in self._at:
                    self._at[text] = len(self.texts)
                    self.texts.append(text)
        positions = np.array([self._at.get(text, -1) for text in uniques], np.int64)
        return positions[encoded.indices.to_numpy(zero_copy_only=False)] if len(uniques) else np.empty(0, np.int64)


@dataclass(frozen=True)
class Counts:
    """Numbers of rows read from a table and of rows left out of it, for the report."""

    rows: int
    unknown_artists: int
    double_rows: int = 0


@dataclass(frozen=True)
class Incidence:
    """Weights of (artist, term) pairs: (n_artists, n_terms) CSR float64, terms ascending."""

    weights: sp.csr_matrix
    terms: list[str]
    counts: Counts

    def among(self, artists: Mask) -> Incidence:
        """Select the rows of some artists, and the terms that at least one of these has."""
        if artists.all():
            return self
        weights = self.weights[np.flatnonzero(artists)]
        had = np.flatnonzero(np.bincount(weights.indices, minlength=weights.shape[1]))
        return Incidence(weights[:, had], [self.terms[i] for i in had], self.counts)


def read_tags(
    tables: Tables, artist_ids: list[ArtistId], progress: Progress = silent, notes: Notes | None = None
) -> Incidence:
    """Read artists by tags, in the form of `normalised_tags`; weights of equal (artist, tag) rows are added up."""
    return _read_incidence(tables, "tags", "tag", "weight", artist_ids, progress, notes)


def read_plays(
    tables: Tables, artist_ids: list[ArtistId], progress: Progress = silent, notes: Notes | None = None
) -> Incidence:
    """Read artists by listeners, with play counts; counts of equal (listener, artist) rows are added up."""
    return _read_incidence(tables, "plays", "user_id", "count", artist_ids, progress, notes)


def _read_incidence(
    tables: Tables,
    table: str,
    term: str,
    weight: str,
    artist_ids: list[ArtistId],
    progress: Progress,
    notes: Notes | None,
) -> Incidence:
    artists, terms = Positions(artist_ids), Positions([], grow=True)
    total, seen, unknown = tables.count_rows(table), 0, 0
    parts: list[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]] = []
    for batch in tables.batches(table, notes):
        rows = artists(batch.column("artist_id"))
        matched = rows >= 0
        texts = batch.column(term).filter(pa.array(matched))
        columns = terms(normalised_tags(texts) if table == "tags" else texts)
        values = batch.column(weight).to_numpy(zero_copy_only=False)[matched]
        parts.append((rows[matched].astype(np.int32), columns.astype(np.int32), values))
        seen, unknown = seen + batch.num_rows, unknown + int((~matched).sum())
        progress(f"read {table}", seen, total)
    rows, columns, values = (np.concatenate([p[i] for p in parts]) for i in range(3))
    order = np.argsort(np.array(terms.texts, dtype=object)) if terms.texts else np.empty(0, np.int64)
    featurize = np.empty(len(order), np.int64)
    featurize[order] = np.arange(len(order))
    weights = sp.csr_matrix((values, (rows, featurize[columns])), shape=(len(artist_ids), len(order)))
    weights.sum_duplicates()
    counts = Counts(seen, unknown, len(values) - weights.nnz)
    return Incidence(weights, [terms.texts[i] for i in order], counts)


@dataclass(frozen=True)
class Vectors:
    """Mean vectors: row i is the mean over the `tracks[i]` rows of the table that belong to artist rows[i]."""

    rows: Rows
    means: Matrix
    tracks: NDArray[np.int32]
    counts: Counts

    def among(self, artists: Mask) -> Vectors:
        """Select the vectors of some artists."""
        mask = artists[self.rows]
        return Vectors(self.rows[mask], self.means[mask], self.tracks[mask], self.counts)


def read_vectors(
    tables: Tables, table: str, artist_ids: list[ArtistId], progress: Progress = silent, notes: Notes | None = None
) -> Vectors:
    """Read the mean vector of every artist that has vectors; sums in float64, so the order of rows hardly matters."""
    artists = Positions(artist_ids)
    total, seen, unknown = tables.count_rows(table), 0, 0
    tracks = np.zeros(len(artist_ids), np.int32)
    sums: NDArray[np.float64] | None = None
    for batch in tables.batches(table, notes):
        vectors = matrix(batch.column("vector"))
        if sums is None:
            sums = np.zeros((len(artist_ids), vectors.shape[1]))
        rows = artists(batch.column("artist_id"))
        matched = np.flatnonzero(rows >= 0)
        picks = sp.csr_matrix(
            (np.ones(len(matched)), (rows[matched], matched)), shape=(len(artist_ids), len(rows)), dtype=np.float64
        )
        touched = np.unique(rows[matched])
        sums[touched] += picks[touched] @ vectors.astype(np.float64)
        tracks += np.bincount(rows[matched], minlength=len(artist_ids)).astype(np.int32)
        seen, unknown = seen + batch.num_rows, unknown + len(rows) - len(matched)
        progress(f"read {table}", seen, total)
    have = np.flatnonzero(tracks).astype(np.int32)
    means = np.empty((0, 1), np.float32) if sums is None else (sums[have] / tracks[have, None]).astype(np.float32)
    return Vectors(have, means, tracks[have], Counts(seen, unknown))

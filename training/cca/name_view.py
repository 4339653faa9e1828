"""View of artists' names: TF-IDF factors of their character n-grams."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from riyl.core.errors import ConfigError, InputError
from riyl.core.storage.modality import Modality
from riyl.core.storage.part import NAME
from riyl.core.storage.snapshot import Snapshot
from riyl.core.storage.weighted_sets import WeightedSets
from riyl.core.types import Rows
from riyl.training.cca.block_fit import Fourier, fit_unit_block
from riyl.training.cca.blocks import Rows64
from riyl.training.cca.expansion import MAX_FEATURES
from riyl.training.cca.views import RowReader, View
from riyl.training.config_sections import MAIN
from riyl.training.features.name import MAX_NGRAMS, names_as_sets, ngrams_of_name
from riyl.training.features.tfidf import CHUNK, tfidf_table

DIMS = 200
"""Maximum width of the factors."""

MIN_ARTISTS = 3
"""Minimum number of artists that an n-gram must be in to count."""

MAX_ARTISTS = 1_000_000
"""Maximum number of artists that the view is fitted on, evenly spaced; limits time, and memory to some 1 GiB."""

MAX_COUNTED = 4_000_000
"""Maximum number of n-grams that are counted at a time; the rarest are dropped above it."""


def open_name_view(snapshot: Snapshot, seed: int) -> View:
    """Read the names of a snapshot's artists, factor their n-grams, and fit the one block of the view.

    The view is that of artists with a modality; held-out artists, and other artists known by name only, are ignored.

    Args:
        snapshot: the features.
        seed: seed of the start of the factors.

    Raises:
        ConfigError: the snapshot has a modality called `name`.
        InputError: no n-gram is in the names of three artists, or all names are equal.
    """
    if NAME in snapshot.modalities:
        raise ConfigError(
            f"name = true: found a modality called {NAME} in snapshot {snapshot.id}; wanted another name of its table"
        )
    rows = np.flatnonzero(snapshot.having() & ~snapshot.holdout).astype(np.int32)
    rows = rows[:: -(-len(rows) // MAX_ARTISTS) or 1]
    ngrams = count_ngrams(snapshot, rows)
    modality = _modality(snapshot, rows, ngrams)
    n = len(modality.rows)
    if not n or modality.sets is None:
        raise InputError(f"names: found no n-gram in {MIN_ARTISTS} artists' names; wanted some, or name = false")
    table = tfidf_table(modality.sets, len(ngrams), DIMS, MAX_NGRAMS, seed)
    width = table.shape[1]
    reader = RowReader({MAIN: width}, table, MAX_NGRAMS, terms=tuple(ngrams))

    def read(first: int, last: int) -> Rows64:
        return reader.read(modality, first, last)

    block = fit_unit_block(read, n, np.arange(width), 0.0, 1.0, Fourier(0, 1, 1.0, seed))
    if block is None:
        raise InputError(f"names: found the same vector for all {n} artists; wanted other names, or name = false")
    return View(modality, reader, (block,))


def count_ngrams(snapshot: Snapshot, rows: Rows) -> list[str]:
    """Return the n-grams that count, sorted: those in the names of at least three of these artists.

    Of more than `MAX_FEATURES`, those of the most artists count, and of equal ones those that sort first.
    """
    counts, least = Counter[str](), 1
    for _, names in _names(snapshot, rows):
        for name in names:
            counts.update(ngrams_of_name(name))
        while len(counts) > MAX_COUNTED:
            counts = Counter({ngram: count for ngram, count in counts.items() if count > least})
            least += 1
    frequent = [(-count, ngram) for ngram, count in counts.items() if count >= MIN_ARTISTS]
    return sorted(ngram for _, ngram in sorted(frequent)[:MAX_FEATURES])


def _modality(snapshot: Snapshot, rows: Rows, ngrams: list[str]) -> Modality:
    """Return the names of artists as sets, a chunk at a time; their weights take no memory."""
    term_of = {ngram: term for term, ngram in enumerate(ngrams)}
    places, terms, counts = ([np.empty(0, np.int32)] for _ in range(3))
    for chunk, names in _names(snapshot, rows):
        of_chunk = names_as_sets(names, term_of)
        places.append(chunk[of_chunk.rows])
        counts.append(of_chunk.evidence)
        if of_chunk.sets is not None:
            terms.append(of_chunk.sets.terms)
    all_terms, all_counts = np.concatenate(terms), np.concatenate(counts)
    indptr = np.concatenate([[0], np.cumsum(all_counts, dtype=np.int64)])
    sets = WeightedSets(indptr, all_terms, np.broadcast_to(np.float32(1), all_terms.shape))
    return Modality(NAME, np.concatenate(places), np.empty((len(all_counts), 0), np.float32), all_counts, sets)


def _names(snapshot: Snapshot, rows: Rows) -> Iterator[tuple[Rows, list[str]]]:
    column = snapshot.artists.column("name")
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        yield chunk, column.take(chunk).to_pylist()

"""Views: the rows of a modality as a closed-form method reads them, a chunk of artists at a time.

A row x is an artist's vector, with the snapshot's further blocks beside it, or the sum of the factors of its terms. It
becomes z by blocks of its columns (`riyl.training.cca.blocks`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import InputError
from riyl.core.storage.modality import Modality
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import Matrix, Progress, silent
from riyl.training.cca.block_fit import Fourier, fit_descriptor_block, fit_unit_block, missing_together
from riyl.training.cca.blocks import Block, Rows64, z_of
from riyl.training.cca.expansion import EXPANSIONS, expanded_table
from riyl.training.config import CcaConfig
from riyl.training.config_sections import COLUMNS, LISTENERS, MAIN, NGRAMS, WORDS, BlockName, BlockWeights
from riyl.training.features.featurizer import terms_of, zero_vector
from riyl.training.features.tfidf import CHUNK, log1p_weights, tfidf_table


@dataclass(frozen=True)
class RowReader:
    """How rows x of a modality are read.

    Attributes:
        widths: width of each block of x, by name and in their order.
        table: (V, width) float32 if x is made of the modality's sets: the sum over an artist's terms t of
            log(1 + weight) table[t]. None takes the modality's vectors.
        max_terms: maximum number of terms read of a set, the heaviest first; 0 for vectors.
        extra: names of the modality's blocks that follow its vectors.
        terms: for the name, the n-grams that the rows of `table` belong to; a modality's terms are the featurizer's.
    """

    widths: Mapping[BlockName, int]
    table: Matrix | None = None
    max_terms: int = 0
    extra: tuple[BlockName, ...] = ()
    terms: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        return sum(self.widths.values())

    def read(self, modality: Modality, start: int, stop: int) -> Rows64:
        """Return x of the modality's rows start to stop, (stop - start, width)."""
        if self.table is not None and modality.sets is not None:
            weights = log1p_weights(modality.sets, start, stop, len(self.table), self.max_terms)
            return np.asarray(weights @ self.table.astype(np.float64))
        extra = (modality.blocks[name][start:stop] for name in self.extra)
        return np.hstack([modality.vectors[start:stop], *extra]).astype(np.float64)


@dataclass(frozen=True)
class View:
    """One modality as a closed-form method reads it.

    Attributes:
        modality: the modality of the snapshot, without artists that are held out.
        reader: how its rows are read.
        blocks: the blocks of a row.
    """

    modality: Modality
    reader: RowReader
    blocks: tuple[Block, ...]

    @property
    def width(self) -> int:
        """Width of z."""
        return sum(block.out for block in self.blocks)

    def read(self, start: int, stop: int) -> Rows64:
        """Return z of the modality's rows start to stop."""
        return z_of(self.blocks, self.reader.read(self.modality, start, stop))

    def take(self, at: NDArray[np.int64]) -> Rows64:
        """Return z of some of the modality's rows, in the order of `at`."""
        return z_of(self.blocks, self.reader.read(self.modality.take(at), 0, len(at)))


@dataclass(frozen=True)
class Moment:
    """Moments of two views over the n artists that have both, or of one view with itself.

    Attributes:
        n: number of artists.
        left, right: (a,), (b,) mean of each view.
        product: (a, b) mean of the outer products.
    """

    n: int
    left: NDArray[np.float64]
    right: NDArray[np.float64]
    product: NDArray[np.float64]

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Covariance, (a, b), of the n artists, divided by n."""
        return self.product - np.outer(self.left, self.right)


def open_view(snapshot: Snapshot, name: str, config: CcaConfig, seed: int) -> View:
    """Prepare a modality for reading: factor its sets, if any, and fit its blocks. Held-out artists are ignored.

    Args:
        snapshot: the features.
        name: name of the modality.
        config: settings of how the modality is read; blocks that the modality cannot have are ignored.
        seed: seed of the Fourier features, and of the start of the factors.

    Raises:
        InputError: all rows are equal.
    """
    modality, wanted = _fitted_on(snapshot, name), config.blocks.get(name, BlockWeights())
    absent = zero_vector(snapshot, name) if wanted.columns else None
    weights = _available(wanted, modality, descriptors=absent is not None, tables=config.tfidf_dims > 0)
    reader = _reader(snapshot, modality, weights, config, seed)
    shrinkage = config.norm_shrinkage.get(name, 0.0)
    fourier = Fourier(config.n_fourier_features.get(name, 0), config.min_artists_per_feature, config.bandwidth, seed)
    blocks, start, n = list[Block | None](), 0, len(modality.rows)

    def read(first: int, last: int) -> Rows64:
        return reader.read(modality, first, last)

    for block_name, width in reader.widths.items():
        columns, weight = np.arange(start, start + width), weights.get(block_name, 0.0)
        start += width
        if block_name == COLUMNS and absent is not None:
            blocks += [
                fit_descriptor_block(read, n, columns[group], absent[group], weight, fourier)
                for group in missing_together(read, n, columns, absent)
            ]
        elif weight:
            blocks.append(fit_unit_block(read, n, columns, shrinkage, weight, fourier))
    fitted = tuple(block for block in blocks if block is not None)
    if not fitted:
        raise InputError(f"modality {name}: found the same vector for all {n} artists; wanted at least two vectors")
    return View(modality, reader, fitted)


def _available(wanted: BlockWeights, modality: Modality, *, descriptors: bool, tables: bool) -> dict[BlockName, float]:
    """Return the weights of the wanted blocks that a modality can have; its main block if it can have none of them."""
    weights: dict[BlockName, float] = {MAIN: wanted.main}
    if modality.sets is not None and tables:
        weights |= {WORDS: wanted.words, NGRAMS: wanted.ngrams}
    elif descriptors:
        weights = {COLUMNS: wanted.columns}
    if LISTENERS in modality.blocks:
        weights[LISTENERS] = wanted.listeners
    return {name: weight for name, weight in weights.items() if weight} or {MAIN: 1.0}


def _reader(
    snapshot: Snapshot, modality: Modality, weights: Mapping[BlockName, float], config: CcaConfig, seed: int
) -> RowReader:
    """Decide what the rows of a modality consist of, and factor its terms if they are read."""
    name = modality.name
    if modality.sets is None or not config.tfidf_dims:
        extra = (LISTENERS,) if LISTENERS in weights else ()
        widths = {COLUMNS if COLUMNS in weights else MAIN: modality.width}
        return RowReader(widths | {block: modality.blocks[block].shape[1] for block in extra}, extra=extra)
    terms, dims, max_terms = terms_of(snapshot, name), config.tfidf_dims, config.max_terms
    tables = {MAIN: tfidf_table(modality.sets, len(terms), dims, max_terms, seed)} if MAIN in weights else {}
    for block, expansion in EXPANSIONS.items():
        if block in weights:
            tables[block] = expanded_table(modality.sets, expansion(terms), dims, max_terms, seed)
    return RowReader(
        {block: table.shape[1] for block, table in tables.items()}, np.hstack(list(tables.values())), max_terms
    )


def moments(views: Mapping[str, View], n_artists: int, progress: Progress = silent) -> dict[tuple[str, str], Moment]:
    """Compute means and products of each view, and of each pair over the artists that have both; in one chunked pass.

    Returns:
        Moments by two names, equal or ascending; pairs that no artist has are missing.
    """
    pairs = [*((name, name) for name in sorted(views)), *combinations(sorted(views), 2)]
    sums: dict[tuple[str, str], tuple[int, Rows64, Rows64, Rows64]] = {}
    for start in range(0, n_artists, CHUNK):
        stop = min(start + CHUNK, n_artists)
        chunk = dict(_chunk(views, start, stop))
        for pair in pairs:
            (rows_a, z_a), (rows_b, z_b) = chunk[pair[0]], chunk[pair[1]]
            _, at_a, at_b = np.intersect1d(rows_a, rows_b, assume_unique=True, return_indices=True)
            if not len(at_a):
                continue
            a, b = z_a[at_a], z_b[at_b]
            n, left, right, product = sums.get(pair, (0, np.zeros(1), np.zeros(1), np.zeros((1, 1))))
            sums[pair] = (n + len(a), left + a.sum(axis=0), right + b.sum(axis=0), product + a.T @ b)
        progress("covariances", stop, n_artists)
    return {pair: Moment(n, left / n, right / n, product / n) for pair, (n, left, right, product) in sums.items()}


def _fitted_on(snapshot: Snapshot, name: str) -> Modality:
    """Return the modality without the held-out artists; copied into memory if there are any."""
    modality = snapshot.modalities[name]
    positions = np.flatnonzero(~snapshot.holdout[modality.rows])
    if len(positions) == len(modality.rows):
        return modality
    return modality.take(positions)


def _chunk(views: Mapping[str, View], start: int, stop: int) -> Iterator[tuple[str, tuple[NDArray[np.int32], Rows64]]]:
    for name, view in views.items():
        low, high = np.searchsorted(view.modality.rows, (start, stop))
        yield name, (view.modality.rows[low:high], view.read(int(low), int(high)))

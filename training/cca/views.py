"""Views: the rows of a modality as a closed-form method reads them, a chunk of artists at a time.

Row x of a modality becomes z = |x| / sqrt(|x|^2 + norm_shrinkage^2) (x / |x| - mean): its direction, with Fourier
features appended for curved maps, less the mean direction, and shorter where x is short. Vectors of tags and of plays
are short where an artist has few tags or listeners.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import InputError
from riyl.core.storage.modality import Modality
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import Matrix, Progress, silent
from riyl.training.cca.linear import TINY, RandomFourierFeatures
from riyl.training.config import CcaConfig
from riyl.training.features.featurizer import term_factors
from riyl.training.features.tfidf import CHUNK, log1p_weights, tfidf_table

Rows64: TypeAlias = NDArray[np.float64]
"""Rows, (m, width) float64."""

_MEASURED = 1000
"""Maximum number of rows that the median distance is measured on."""

_SAME = 1e-9


@dataclass(frozen=True)
class View:
    """One modality as a closed-form method reads it.

    Attributes:
        modality: the modality of the snapshot.
        table: (V, width) of `riyl.training.features.tfidf.tfidf_table`, if its sets are read in place of its vectors.
        max_terms: maximum number of terms read of a set.
        fourier_features: features appended to the unit rows, for curved maps.
        mean: (width,) mean of the unit rows and their appended features.
        norm_shrinkage: norm shrinkage, in the unit of the rows' length.
    """

    modality: Modality
    table: Matrix | None
    max_terms: int
    fourier_features: RandomFourierFeatures | None
    mean: NDArray[np.float64]
    norm_shrinkage: float

    @property
    def width(self) -> int:
        return len(self.mean)

    def read(self, start: int, stop: int) -> Rows64:
        """Return z of the modality's rows start to stop."""
        return self._z(self.modality, start, stop)

    def take(self, at: NDArray[np.int64]) -> Rows64:
        """Return z of some of the modality's rows, in the order of `at`."""
        return self._z(_taken(self.modality, at), 0, len(at))

    def _z(self, modality: Modality, start: int, stop: int) -> Rows64:
        rows, lengths = _rows(modality, self.table, self.max_terms, self.fourier_features, start, stop)
        return (rows - self.mean) * (lengths / np.sqrt(lengths**2 + self.norm_shrinkage**2))[:, None]


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
    """Prepare a modality for reading: factor its sets, if any, draw its Fourier features, measure mean and length.

    Held-out artists are ignored.

    Args:
        snapshot: the features.
        name: name of the modality.
        config: settings of how the modality is read.
        seed: seed of the Fourier features, and of the start of the factors.

    Raises:
        InputError: all rows are equal.
    """
    modality = _fitted_on(snapshot, name)
    table, n = None, len(modality.rows)
    max_terms = config.max_terms
    if modality.sets is not None and config.tfidf_dims:
        table = tfidf_table(modality.sets, len(term_factors(snapshot, name)), config.tfidf_dims, max_terms, seed)
    fourier_features, number = None, min(config.n_fourier_features.get(name, 0), n // config.min_artists_per_feature)
    if number:
        places = np.unique(np.linspace(0, n - 1, _MEASURED).astype(np.int64))
        measured = np.concatenate([_rows(modality, table, max_terms, None, i, i + 1)[0] for i in places])
        fourier_features = draw_fourier_features(measured, number, config.bandwidth, seed)
    total, square, spread = np.zeros(0), 0.0, 0.0
    for start in range(0, n, CHUNK):
        rows, lengths = _rows(modality, table, max_terms, fourier_features, start, min(start + CHUNK, n))
        total = rows.sum(axis=0) + (total if len(total) else 0)
        square += float(lengths @ lengths)
        spread += float((rows**2).sum())
    mean = total / n
    if spread / n - mean @ mean < 1e-9:
        raise InputError(f"modality {name}: found the same vector for all {n} artists; wanted at least two vectors")
    return View(
        modality,
        table,
        max_terms,
        fourier_features,
        mean,
        config.norm_shrinkage.get(name, 0.0) * float(np.sqrt(square / n)),
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
    return _taken(modality, positions)


def _taken(modality: Modality, at: NDArray[np.int64]) -> Modality:
    sets = None if modality.sets is None else modality.sets.take(at)
    return Modality(modality.name, modality.rows[at], modality.vectors[at], modality.evidence[at], sets)


def _chunk(views: Mapping[str, View], start: int, stop: int) -> Iterator[tuple[str, tuple[NDArray[np.int32], Rows64]]]:
    for name, view in views.items():
        low, high = np.searchsorted(view.modality.rows, (start, stop))
        yield name, (view.modality.rows[low:high], view.read(int(low), int(high)))


def _rows(
    modality: Modality,
    table: Matrix | None,
    max_terms: int,
    fourier_features: RandomFourierFeatures | None,
    start: int,
    stop: int,
) -> tuple[Rows64, NDArray[np.float64]]:
    """Return unit rows with their Fourier features appended, and the rows' original lengths."""
    if table is None or modality.sets is None:
        raw = np.asarray(modality.vectors[start:stop], np.float64)
    else:
        raw = np.asarray(log1p_weights(modality.sets, start, stop, len(table), max_terms) @ table.astype(np.float64))
    lengths = np.maximum(np.linalg.norm(raw, axis=1), TINY)
    unit = raw / lengths[:, None]
    return unit if fourier_features is None else fourier_features.append_to(unit), lengths


def draw_fourier_features(unit: Rows64, number: int, bandwidth: float, seed: int) -> RandomFourierFeatures:
    """Draw features whose kernel width is `bandwidth` times the median distance between the (m, width) unit rows."""
    squared = np.maximum(2 - 2 * unit @ unit.T, 0)[np.triu_indices(len(unit), 1)]
    apart = squared[squared > _SAME]
    width = bandwidth * float(np.sqrt(np.median(apart))) if len(apart) else 1.0
    rng = np.random.default_rng(seed)
    frequencies = rng.standard_normal((unit.shape[1], number)) / width
    phases = rng.uniform(0, 2 * np.pi, number)
    return RandomFourierFeatures(frequencies.astype(np.float32), phases.astype(np.float32))

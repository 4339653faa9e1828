"""Fit of the blocks of a view from its rows, a chunk of artists at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from riyl.core.types import Vector
from riyl.training.cca.blocks import Columns, DescriptorBlock, RandomFourierFeatures, Rows64, UnitBlock
from riyl.training.features.tfidf import CHUNK

Read: TypeAlias = Callable[[int, int], Rows64]
"""Returns the rows x from the first to before the second, (m, width)."""

_MEASURED = 1000
"""Maximum number of rows that the median distance is measured on."""

_SAME = 1e-9

_ALIKE = 0.9
"""Minimum share of the artists without one of two columns that lack both, for columns that are missing together."""

_RARELY = 0.001
"""Maximum share of artists without a column that counts as always present: a descriptor may be 0 by chance."""


@dataclass(frozen=True)
class Fourier:
    """Settings of the random Fourier features of a block.

    Attributes:
        number: maximum number of them.
        min_artists_per_feature: minimum number of artists for each.
        bandwidth: width of the kernel in units of the median distance of two rows.
        seed: seed of their draw.
    """

    number: int
    min_artists_per_feature: int
    bandwidth: float
    seed: int


def fit_unit_block(
    read: Read, n: int, columns: Columns, norm_shrinkage: float, weight: float, fourier: Fourier
) -> UnitBlock | None:
    """Fit a block that uses the direction of its columns.

    Args:
        read: reads rows.
        n: number of rows.
        columns: the block's columns of a row.
        norm_shrinkage: norm shrinkage, in units of the root mean square length of the rows that are not 0.
        weight: factor of z.
        fourier: settings of the Fourier features.

    Returns:
        The block; None if the rows that are not 0 all have the same direction.
    """
    block = UnitBlock(columns, np.zeros(len(columns), np.float32), weight=weight)
    if number := min(fourier.number, n // fourier.min_artists_per_feature):
        sample = _sample(read, np.arange(n), columns)
        unit = block.features(sample[np.any(sample != 0, axis=1)])[0]
        drawn = draw_fourier_features(unit, number, fourier.bandwidth, fourier.seed)
        block = replace(block, fourier_features=drawn)
    total, square, spread, count = np.zeros(0), 0.0, 0.0, 0
    for y in _chunks(read, n, columns):
        features, lengths = block.features(y)
        features = features[lengths > 0]
        total = features.sum(axis=0) + (total if len(total) else 0)
        square += float(lengths @ lengths)
        spread += float((features**2).sum())
        count += len(features)
    if not count or spread / count - float(np.sum((total / count) ** 2)) < _SAME:
        return None
    root_mean_square = float(np.sqrt(square / count))
    return replace(block, mean=(total / count).astype(np.float32), norm_shrinkage=norm_shrinkage * root_mean_square)


def fit_descriptor_block(
    read: Read, n: int, columns: Columns, absent: Vector, weight: float, fourier: Fourier
) -> DescriptorBlock | None:
    """Fit a block that uses the values of its columns.

    Args:
        read: reads rows.
        n: number of rows.
        columns: the block's columns of a row.
        absent: (width,) float32, these columns of an artist without the block.
        weight: factor of z.
        fourier: settings of the Fourier features.

    Returns:
        The block; None if the artists that have it all have the same values.
    """
    width = len(absent)
    zero = np.zeros(width, np.float32)
    block = DescriptorBlock(columns, absent, zero, zero + 1, zero, weight=weight)
    count, total, square, here = 0, np.zeros(width), np.zeros(width), list[NDArray[np.int64]]()
    for i, y in enumerate(_chunks(read, n, columns)):
        present = block.present(y)
        here.append(np.flatnonzero(present) + i * CHUNK)
        total += y[present].sum(axis=0)
        square += (y[present] ** 2).sum(axis=0)
        count += int(present.sum())
    if not count:
        return None
    variance = np.maximum(square / count - (total / count) ** 2, 0)
    deviation = np.sqrt(np.where(variance > _SAME * square / count, variance, np.inf))  # a constant column becomes 0
    if not np.isfinite(deviation).any():
        return None
    centre, scale = (total / count).astype(np.float32), (deviation * np.sqrt(width)).astype(np.float32)
    block = replace(block, centre=centre, scale=scale, share=count / n)
    if number := min(fourier.number, count // fourier.min_artists_per_feature):
        sample = block.features(_sample(read, np.concatenate(here), columns))
        drawn = draw_fourier_features(sample, number, fourier.bandwidth, fourier.seed)
        block = replace(block, fourier_features=drawn)
    sums = sum(block.features(y)[block.present(y)].sum(axis=0) for y in _chunks(read, n, columns))
    return replace(block, mean=np.asarray(sums / count, np.float32))


def missing_together(read: Read, n: int, columns: Columns, absent: Vector) -> list[Columns]:
    """Group columns of rows that the same artists lack.

    Two columns belong together if at least nine tenths of the artists that lack one of them lack both, and columns that
    hardly any artist lacks belong together; and so do columns that are linked through others.

    Args:
        read: reads rows.
        n: number of rows.
        columns: the columns to group.
        absent: (len(columns),) float32, a column's value where an artist lacks it.

    Returns:
        Positions in `columns` of each group's columns, ascending; groups by their first column.
    """
    both = np.zeros((len(absent), len(absent)))
    for y in _chunks(read, n, columns):
        lacks = (y.astype(np.float32) == absent).astype(np.float64)
        both += lacks.T @ lacks
    single = np.diag(both)
    either = single[:, None] + single[None] - both
    rarely = single <= _RARELY * n
    alike = (both >= _ALIKE * np.maximum(either, 1)) | np.outer(rarely, rarely)
    # imported here: reading configs must not need scipy's graphs
    from scipy.sparse.csgraph import connected_components

    _, labels = connected_components(alike, directed=False)
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return sorted(groups, key=lambda group: int(group[0]))


def draw_fourier_features(rows: Rows64, number: int, bandwidth: float, seed: int) -> RandomFourierFeatures:
    """Draw features whose kernel width is `bandwidth` times the median distance between (m, width) rows."""
    squares = np.sum(rows**2, axis=1)
    squared = np.maximum(squares[:, None] + squares[None] - 2 * rows @ rows.T, 0)[np.triu_indices(len(rows), 1)]
    apart = squared[squared > _SAME]
    width = bandwidth * float(np.sqrt(np.median(apart))) if len(apart) else 1.0
    rng = np.random.default_rng(seed)
    frequencies = rng.standard_normal((rows.shape[1], number)) / width
    phases = rng.uniform(0, 2 * np.pi, number)
    return RandomFourierFeatures(frequencies.astype(np.float32), phases.astype(np.float32))


def _sample(read: Read, rows: NDArray[np.int64], columns: Columns) -> Rows64:
    """Return a block's columns of some of these rows, evenly spread."""
    drawn = rows[np.unique(np.linspace(0, len(rows) - 1, _MEASURED).astype(np.int64))]
    return np.concatenate([read(row, row + 1)[:, columns] for row in drawn.tolist()])


def _chunks(read: Read, n: int, columns: Columns) -> Iterator[Rows64]:
    return (read(start, min(start + CHUNK, n))[:, columns] for start in range(0, n, CHUNK))

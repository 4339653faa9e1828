"""Blocks of a view: columns of a modality's rows that are scaled and centred by themselves.

Several blocks of numbers may describe a modality: tags by TF-IDF vectors of their own, of their words and of their
n-grams, sound by several sets of descriptors. `UnitBlock` uses the direction of its columns, `DescriptorBlock` their
values in standard units. The z of a row are those of its blocks, side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from riyl.core.types import Matrix, Vector

TINY = 1e-12
"""Minimum divisor of a vector when it is scaled to unit length; torch's normalize has the same."""

PRESENCE = 0.5
"""Height of the column that tells whether an artist has a block of descriptors, whose rows have length 1 on average."""

Columns: TypeAlias = NDArray[np.int64]
"""Positions of a block's columns in a row, each once."""

Rows64: TypeAlias = NDArray[np.float64]
"""Rows, (m, width) float64."""


@dataclass(frozen=True)
class RandomFourierFeatures:
    """Random Fourier features (Rahimi and Recht 2007): u to sqrt(2 / D) cos(u @ frequencies + phases).

    Inner products of the features of u and v approximate exp(-|u - v|^2 / (2 s^2)) if the frequencies are drawn from a
    normal distribution of deviation 1 / s; so linear maps of the features are smooth curved maps of u.

    Attributes:
        frequencies: (width, D) float32.
        phases: (D,) float32.
    """

    frequencies: Matrix
    phases: Vector

    @property
    def height(self) -> float:
        return float(np.sqrt(2 / len(self.phases)))

    def append_to(self, rows: Rows64) -> Rows64:
        """Append the features to (n, width) rows, giving (n, width + D)."""
        return np.hstack([rows, self.height * np.cos(rows @ self.frequencies + self.phases)])


@dataclass(frozen=True)
class UnitBlock:
    """Block that uses the direction of its columns y: z = weight g (f - mean), with f = y / |y|.

    g = |y| / sqrt(|y|^2 + norm_shrinkage^2), because a short y rests on little data. Random Fourier features of f may
    be appended to it.

    Attributes:
        columns: (width,) int64, its columns of a row.
        mean: (f,) float32.
        unit_rows: whether f is y / |y|; otherwise f is y and g is 1.
        norm_shrinkage: 0 or more; the length of y at which z loses half of its square. 0 shortens none but y = 0, which
            gives z = 0.
        weight: factor of z.
        fourier_features: features appended to f.
    """

    columns: Columns
    mean: Vector
    unit_rows: bool = True
    norm_shrinkage: float = 0.0
    weight: float = 1.0
    fourier_features: RandomFourierFeatures | None = None

    @property
    def out(self) -> int:
        """Number of columns of z."""
        return len(self.mean)

    def features(self, y: Rows64) -> tuple[Rows64, NDArray[np.float64]]:
        """Return f of (n, width) rows, (n, f), and |y|, (n,)."""
        lengths = np.linalg.norm(y, axis=1)
        rows = y / np.maximum(lengths, TINY)[:, None] if self.unit_rows else y
        return rows if self.fourier_features is None else self.fourier_features.append_to(rows), lengths

    def z(self, y: Rows64) -> Rows64:
        """Return z of (n, width) rows, (n, out)."""
        features, lengths = self.features(y)
        centred = features - self.mean
        if not self.unit_rows:
            return self.weight * centred
        softened = np.sqrt(lengths**2 + self.norm_shrinkage**2) if self.norm_shrinkage else lengths
        return centred * (self.weight * lengths / np.maximum(softened, TINY))[:, None]


@dataclass(frozen=True)
class DescriptorBlock:
    """Block that uses the values of its columns y: z = weight [g (f - mean), `PRESENCE` (g - share)].

    f = (y - centre) / scale, with random Fourier features appended if there are any; g is 1, and 0 where y is `absent`:
    the artist then lacks the block.

    Attributes:
        columns: (width,) int64, its columns of a row.
        absent: (width,) float32, y of an artist without the block.
        centre, scale: (width,) float32; the scale contains the square root of the width, so that f has length 1 on
            average.
        mean: (f,) float32.
        share: share of the artists that have the block.
        weight: factor of z.
        fourier_features: features appended to f.
    """

    columns: Columns
    absent: Vector
    centre: Vector
    scale: Vector
    mean: Vector
    share: float = 1.0
    weight: float = 1.0
    fourier_features: RandomFourierFeatures | None = None

    @property
    def out(self) -> int:
        """Number of columns of z."""
        return len(self.mean) + 1

    def present(self, y: Rows64) -> NDArray[np.bool_]:
        """Return which of (n, width) rows have the block, (n,)."""
        return np.asarray(np.any(y.astype(np.float32) != self.absent, axis=1))

    def features(self, y: Rows64) -> Rows64:
        """Return f of (n, width) rows, (n, f)."""
        rows = (y - self.centre) / self.scale
        return rows if self.fourier_features is None else self.fourier_features.append_to(rows)

    def z(self, y: Rows64) -> Rows64:
        """Return z of (n, width) rows, (n, out)."""
        here = self.present(y).astype(np.float64)[:, None]
        return self.weight * np.hstack([here * (self.features(y) - self.mean), PRESENCE * (here - self.share)])


Block: TypeAlias = UnitBlock | DescriptorBlock


def z_of(blocks: Sequence[Block], x: Rows64) -> Rows64:
    """Return z of (n, width) rows: that of each block, side by side."""
    return np.hstack([block.z(x[:, block.columns]) for block in blocks])

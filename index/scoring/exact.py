"""Inner products in float64, and the candidates that float32 finds for them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from riyl.core.types import Matrix

SLACK = 2e-5
"""More than float32 can be wrong about a score."""


def exactly(queries: Matrix, candidates: Matrix) -> NDArray[np.float64]:
    """(m,) inner products of the rows of two (m, d) float32 matrices, pair by pair, summed in float64."""
    return np.asarray(np.einsum("md,md->m", queries.astype(np.float64), candidates.astype(np.float64)))


def highest(approximate: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The positions of those that may be among the k highest, for all that float32 can be wrong; ascending."""
    if len(approximate) <= k:
        return np.flatnonzero(approximate > -np.inf)
    edge = np.partition(approximate, len(approximate) - k)[len(approximate) - k]
    return np.flatnonzero(approximate >= max(edge - SLACK, -np.finfo(np.float32).max))

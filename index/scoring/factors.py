"""Extra columns that turn scores into inner products."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from riyl.core.types import Matrix

Patterns: TypeAlias = NDArray[np.int32]
"""(n,) int32, index of each artist's availability pattern (set of modalities) in a version."""


def _factors(vectors: Matrix, patterns: Patterns, h: NDArray[np.float32], c: Matrix) -> tuple[Matrix, Matrix]:
    ones = np.ones((len(vectors), 1), np.float32)
    return np.hstack([vectors, ones, c[patterns]]), np.hstack([vectors, -h[:, None], _has(patterns, c)])


def _has(patterns: Patterns, c: Matrix) -> Matrix:
    """Return a (n, P) matrix with 1 at each artist's pattern, else 0."""
    return np.eye(len(c), dtype=np.float32)[patterns]

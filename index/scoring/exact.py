"""Scores in float64, computed for the pairs that float32 scores select."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from riyl.core.types import Matrix, Scores, Vector
from riyl.index.scoring.score import Correction, score_pairs

SLACK = 2e-5
"""Margin above the largest error of a float32 score."""

PAIRS_AT_ONCE = 1 << 11
"""Pairs whose vectors are compared in float64 at once: 10 MB at 200 dimensions, which the processor caches hold."""

_LOWEST = np.finfo(np.float32).min


def exactly(queries: Matrix, candidates: Matrix) -> Scores:
    """Compute the inner products of the rows of two (m, d) float32 matrices, pair by pair, (m,), summed in float64."""
    return np.asarray(np.einsum("md,md->m", queries.astype(np.float64), candidates.astype(np.float64)))


def kth_highest(scores: Vector, k: int) -> np.float32:
    """Return the k-th highest of (m,) float32 scores, k from 1; if fewer exceed -inf, the lowest finite number."""
    return _LOWEST if k > len(scores) else max(np.partition(scores, len(scores) - k)[len(scores) - k], _LOWEST)


def rescored(
    cosines: Matrix, exact: Callable[..., Scores], *corrections: Correction, k: int = 0, least: Matrix | None = None
) -> tuple[tuple[NDArray[np.int64], ...], Scores]:
    """Score in float64 the pairs that can matter; float32 scores select them, with a margin for their error.

    Args:
        cosines: float32 of any shape, one for each pair; -inf excludes a pair.
        exact: returns (m,) float64 cosines of pairs by their (m,) positions, an array for each axis of `cosines`.
        corrections: c, h and w p, see `score_pairs`; each broadcasts to `cosines`.
        k: number of best pairs wanted; every pair that may be among them is returned.
        least: instead of k, minimum score of each pair, float32 that broadcasts likewise; pairs that reach it are
            returned.

    Returns:
        (m,) int64 positions of the pairs, ascending, an array for each axis; (m,) float64 scores.
    """
    estimates = score_pairs(cosines, *corrections)
    at = np.nonzero(estimates >= np.maximum((kth_highest(estimates, k) if least is None else least) - SLACK, _LOWEST))
    chunks = [slice(start, start + PAIRS_AT_ONCE) for start in range(0, max(1, len(at[0])), PAIRS_AT_ONCE)]
    cosines64 = np.concatenate([exact(*(axis[chunk] for axis in at)) for chunk in chunks])
    scores = score_pairs(cosines64, *(_taken(correction, cosines.shape, at) for correction in corrections))
    if least is None:
        return at, scores
    reaches = scores.astype(np.float32) >= _taken(least, cosines.shape, at)
    return tuple(axis[reaches] for axis in at), scores[reaches]


def _taken(values: Correction, shape: tuple[int, ...], at: tuple[NDArray[np.int64], ...]) -> Correction:
    """Return the values at positions of a shape that they broadcast to; broadcasting is avoided where possible."""
    if not isinstance(values, np.ndarray) or not values.ndim:
        return values
    return np.asarray((values if values.shape == shape else np.broadcast_to(values, shape))[at])

"""Order statistics of blocked score matrices: a k-th largest score of each query, or of each candidate."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from riyl.core.types import Matrix, Scores, Vector

Positions: TypeAlias = NDArray[np.integer]
"""(q,) integer, the candidate that each query itself is; -1 where it is none."""

_CELLS = 1 << 23
"""Maximum number of scores in memory at once: 32 MiB, and as much again for selecting among them."""

_QUERIES_AT_ONCE = 2048
"""Maximum number of queries whose largest scores are kept at once; each such group passes over all candidates."""


def kth_of_candidates(queries: Matrix, candidates: Matrix, bias: Vector, depth: int, selves: Positions) -> Vector:
    """Return the k-th largest score minus bias of each query over the candidates other than itself.

    The largest of one block of candidates compete with the next block, so memory does not grow with the catalog.

    Args:
        queries: (q, d) float32.
        candidates: (m, d) float32.
        bias: (m,) float32, subtracted from the scores of a candidate.
        depth: k, below m.
        selves: the candidate that each query itself is.

    Returns:
        (q,) float32.
    """
    rows = max(1, min(_QUERIES_AT_ONCE, _CELLS // (2 * depth)))
    columns = max(depth, _CELLS // rows - depth)
    thresholds = np.empty(len(queries), np.float32)
    for first in range(0, len(queries), rows):
        block = queries[first : first + rows]
        best = np.empty((len(block), 0), np.float32)  # (a, up to depth) largest of the candidates so far
        for start in range(0, len(candidates), columns):
            scores = block @ candidates[start : start + columns].T  # (a, c)
            scores -= bias[start : start + columns]
            _exclude(scores, selves[first : first + rows] - start)
            scores = np.concatenate([best, scores], axis=1) if best.size else scores
            kept = min(depth, scores.shape[1])
            scores.partition(scores.shape[1] - kept, axis=1)
            best = scores[:, scores.shape[1] - kept :].copy()
        thresholds[first : first + rows] = best.min(axis=1)
    return thresholds


def _exclude(scores: Matrix, columns: Positions) -> None:
    """Set the score of each row at its column to -inf, in place, where it has that column."""
    rows = np.flatnonzero((columns >= 0) & (columns < scores.shape[1]))
    scores[rows, columns[rows]] = -np.inf


def kth_of_queries(queries: Matrix, candidates: Matrix, thresholds: Vector, t: Scores, selves: Positions) -> Vector:
    """Return the t-th largest score minus threshold of each candidate over the queries other than itself.

    Args:
        queries: (q, d) float32.
        candidates: (m, d) float32.
        thresholds: (q,) float32, subtracted from the scores for a query.
        t: (m,) float64 from 1 to the number of queries other than the candidate itself.
        selves: the candidate that each query itself is.

    Returns:
        (m,) float32.
    """
    biases = np.empty(len(candidates), np.float32)
    by_target = np.argsort(t, kind="stable")  # neighbours need about as many of their largest scores
    step = max(1, _CELLS // len(queries))
    position = np.empty(len(candidates), np.int64)  # of each candidate in the order of processing
    position[by_target] = np.arange(len(candidates))
    of_self = np.flatnonzero(selves >= 0)
    of_self = of_self[np.argsort(position[selves[of_self]])]
    self_positions = position[selves[of_self]]  # ascending
    for start in range(0, len(candidates), step):
        chunk = by_target[start : start + step]
        scores = candidates[chunk] @ queries.T  # (a, q)
        scores -= thresholds
        inside = slice(*np.searchsorted(self_positions, (start, start + len(chunk))))
        scores[self_positions[inside] - start, of_self[inside]] = -np.inf
        biases[chunk] = kth_of_rows(scores, t[chunk])
    return biases


def kth_of_rows(scores: Matrix, t: Scores) -> Vector:
    """Return the t-th largest of each row, interpolated linearly between the integers around t.

    Args:
        scores: (a, q) float32; its rows are reordered in place.
        t: (a,) float64 from 1 to the number of finite scores of the row.

    Returns:
        (a,) float32; -inf where a row has no finite score.
    """
    width = scores.shape[1]
    kept = min(width, int(np.ceil(t.max())))
    scores.partition(width - kept, axis=1)
    best = -np.sort(-scores[:, width - kept :], axis=1)  # (a, kept), descending
    below = np.floor(t).astype(np.int64)
    lower = np.take_along_axis(best, np.minimum(below, kept - 1)[:, None], axis=1)[:, 0]
    upper = np.take_along_axis(best, below[:, None] - 1, axis=1)[:, 0]
    part = (t - below).astype(np.float32)
    return np.where(part > 0, upper + part * np.where(part > 0, lower - upper, 0), upper).astype(np.float32)

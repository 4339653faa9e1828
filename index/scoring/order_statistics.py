"""Order statistics of blocked score matrices: a k-th largest score of each query, or of each candidate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from riyl.core.types import Matrix, Scores, Vector

_STRIDE = 16
_DEVIATIONS = 3

Positions: TypeAlias = NDArray[np.integer]
"""(q,) integer, the candidate that each query itself is; -1 where it is none."""

_CELLS = 1 << 23
"""Maximum number of scores in memory at once: 32 MiB, as much again minus biases, and for selecting among them."""

_QUERIES_AT_ONCE = 2048
"""Maximum number of queries whose largest scores are kept at once; each such group passes over all candidates."""

_MIN_QUERIES_AT_ONCE = 256
"""Number of queries from which all candidates are compared at once: fewer would pass over the candidates too often."""


def kth_of_candidates(
    queries: Matrix, candidates: Matrix, biases: Matrix, depths: Sequence[int], selves: Positions
) -> Matrix:
    """Return, for each of D depths k, the k-th largest score minus bias of each query over the candidates but itself.

    The largest of one block of candidates compete with the next block, so memory does not grow with the catalog. All
    depths share the products.

    Args:
        queries: (q, d) float32.
        candidates: (m, d) float32.
        biases: (D, m) float32, subtracted from the scores of a candidate.
        depths: the D depths, below m.
        selves: the candidate that each query itself is.

    Returns:
        (D, q) float32.
    """
    rows, columns = _CELLS // len(candidates), len(candidates)
    if rows < _MIN_QUERIES_AT_ONCE:
        deepest = max(depths)
        rows = max(1, min(_QUERIES_AT_ONCE, _CELLS // (2 * deepest)))
        columns = max(deepest, _CELLS // rows - deepest)
    thresholds = np.empty((len(depths), len(queries)), np.float32)
    for first in range(0, len(queries), rows):
        block = queries[first : first + rows]
        best = [np.empty((len(block), 0), np.float32) for _ in depths]
        for start in range(0, len(candidates), columns):
            scores = block @ candidates[start : start + columns].T  # (a, c)
            _exclude(scores, selves[first : first + rows] - start)
            for i, depth in enumerate(depths):
                shifted = scores - biases[i, start : start + columns]
                best[i] = largest_of_rows(np.concatenate([best[i], shifted], axis=1) if start else shifted, depth)
        for i, each in enumerate(best):
            thresholds[i, first : first + rows] = each.min(axis=1)
    return thresholds


def _exclude(scores: Matrix, columns: Positions) -> None:
    """Set the score of each row at its column to -inf, in place, where it has that column."""
    rows = np.flatnonzero((columns >= 0) & (columns < scores.shape[1]))
    scores[rows, columns[rows]] = -np.inf


def kth_of_queries(queries: Matrix, candidates: Matrix, thresholds: Matrix, t: Scores, selves: Positions) -> Matrix:
    """Return, for each of D depths, the t-th largest score minus threshold of each candidate over the other queries.

    All depths share the products.

    Args:
        queries: (q, d) float32.
        candidates: (m, d) float32.
        thresholds: (D, q) float32, subtracted from the scores for a query.
        t: (D, m) float64 from 1 to the number of queries other than the candidate itself.
        selves: the candidate that each query itself is.

    Returns:
        (D, m) float32.
    """
    biases = np.empty(t.shape, np.float32)
    by_target = np.argsort(t.sum(axis=0), kind="stable")  # neighbours need about as many of their largest scores
    step = max(1, _CELLS // len(queries))
    position = np.empty(len(candidates), np.int64)  # of each candidate in the order of processing
    position[by_target] = np.arange(len(candidates))
    of_self = np.flatnonzero(selves >= 0)
    of_self = of_self[np.argsort(position[selves[of_self]])]
    self_positions = position[selves[of_self]]  # ascending
    for start in range(0, len(candidates), step):
        chunk = by_target[start : start + step]
        scores = candidates[chunk] @ queries.T  # (a, q)
        inside = slice(*np.searchsorted(self_positions, (start, start + len(chunk))))
        scores[self_positions[inside] - start, of_self[inside]] = -np.inf
        for i, of_depth in enumerate(thresholds):
            biases[i, chunk] = kth_of_rows(scores - of_depth, t[i, chunk])
    return biases


def kth_of_rows(scores: Matrix, t: Scores) -> Vector:
    """Return the t-th largest of each row, interpolated linearly between the integers around t.

    Args:
        scores: (a, q) float32.
        t: (a,) float64 from 1 to the number of finite scores of the row.

    Returns:
        (a,) float32; -inf where a row has no finite score.
    """
    kept = min(scores.shape[1], int(np.ceil(t.max())))
    best = -np.sort(-largest_of_rows(scores, kept), axis=1)  # (a, kept), descending
    below = np.floor(t).astype(np.int64)
    lower = np.take_along_axis(best, np.minimum(below, kept - 1)[:, None], axis=1)[:, 0]
    upper = np.take_along_axis(best, below[:, None] - 1, axis=1)[:, 0]
    part = (t - below).astype(np.float32)
    return np.where(part > 0, upper + part * np.where(part > 0, lower - upper, 0), upper).astype(np.float32)


def largest_of_rows(scores: Matrix, k: int) -> Matrix:
    """Return the k largest of each row, unordered, (a, min(k, c)).

    A selection among all scores of a row takes several times as long as a comparison of each. So every 16th score gives
    a bound that somewhat more than k scores of the row are likely to reach, and only these are selected from; a row
    where fewer reach it is selected from as a whole. The result does not depend on the bound.

    Args:
        scores: (a, c) float32.
        k: at least 1.
    """
    a, c = scores.shape
    k = min(k, c)
    sample = scores[:, ::_STRIDE]
    mean = k / _STRIDE  # of the k largest, the number in the sample: mean, and also variance
    rank = int(np.ceil(mean + _DEVIATIONS * np.sqrt(mean) + _DEVIATIONS**2))
    if 2 * rank > sample.shape[1]:
        return np.partition(scores, c - k, axis=1)[:, c - k :]
    bounds = np.partition(sample, sample.shape[1] - rank, axis=1)[:, sample.shape[1] - rank]
    reaching = scores >= bounds[:, None]
    counts = np.count_nonzero(reaching, axis=1)  # (a,)
    few = np.flatnonzero(counts < k)
    reaching[few], counts[few] = True, c
    width = int(counts.max(initial=k))
    best = np.full((a, width), -np.inf, np.float32)
    best[np.arange(width) < counts[:, None]] = scores.ravel()[np.flatnonzero(reaching)]
    best.partition(width - k, axis=1)
    return best[:, width - k :]

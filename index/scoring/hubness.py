"""Hubness: nearness of an artist to all others, subtracted from its scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from riyl.core.storage.model import ScoringSettings
from riyl.core.threads import limit_threads
from riyl.core.types import Matrix, Vector
from riyl.index.scoring.factors import Patterns, _factors

QUERIES = 20_000
"""Maximum number of queries that h is measured with, drawn at random: the work is linear in the catalog."""

_CELLS = 1 << 23

_MIN_NEAREST = 10


def hubness(
    vectors: Matrix,
    patterns: Patterns,
    calibration: Matrix,
    settings: ScoringSettings,
    popularity: Vector | None = None,
    *,
    threads: int = 0,
) -> NDArray[np.float32]:
    """Compute h of m artists among themselves, (m,) float32; -v p alone where b is 0, zeros for a single artist.

    All of them are queries, or `QUERIES` drawn at random, with the number of best scores reduced in proportion.
    """
    m = len(vectors)
    if m < 2:
        return np.zeros(m, np.float32)
    relief = settings.popularity * (np.zeros(m) if popularity is None else popularity.astype(np.float64))
    if not settings.hubness:
        return (-relief).astype(np.float32)
    drawn, k = measured_in(m, settings)
    k = min(k, len(drawn) - 1)
    queries, candidates = _factors(vectors, patterns, np.zeros(m, np.float32), calibration)
    means = np.empty(m, np.float64)
    step = max(1, _CELLS // len(drawn))
    with limit_threads(threads):
        for start in range(0, m, step):
            scores = candidates[start : start + step] @ queries[drawn].T  # (a, len(drawn))
            self_rows, column = np.nonzero(drawn == np.arange(start, start + len(scores))[:, None])
            scores[self_rows, column] = -np.inf
            best = np.partition(scores, len(drawn) - k, axis=1)[:, len(drawn) - k :]
            means[start : start + step] = np.sort(best, axis=1).mean(axis=1, dtype=np.float64)
    return (settings.hubness * means - relief).astype(np.float32)


def measured_in(m: int, settings: ScoringSettings) -> tuple[NDArray[np.int64], int]:
    """Return the queries that the hubness of m artists is measured with, ascending, and the number of best scores."""
    drawn = drawn_queries(m)
    nearest = round(settings.neighbours * len(drawn) / m) if len(drawn) < m else settings.neighbours
    return drawn, max(nearest, _MIN_NEAREST)


def drawn_queries(m: int) -> NDArray[np.int64]:
    """Return the queries that a correction of m artists is fitted with, ascending: all, or `QUERIES` at random."""
    return np.sort(np.random.default_rng(0).permutation(m)[:QUERIES])

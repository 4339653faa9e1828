"""Nearness of an artist to all others: the candidate's side of CSLS (Conneau et al., ICLR 2018)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from riyl.core.storage.scoring_settings import ScoringSettings
from riyl.core.threads import limit_threads
from riyl.core.types import Matrix, Scores
from riyl.index.scoring.order_statistics import largest_of_rows

QUERIES = 20_000
"""Maximum number of queries that h is measured with, drawn at random: the work is linear in the catalog."""

MAX_SHARE = 0.04
"""Maximum share of the artists in a list that balanced biases, and the hubness correction beside them, are fitted for.

With lists of 200 of 1,500 artists, their first ranks were less even and less good than with 60 (docs/model.md). From
5,000 artists on, lists of 200 are below this share."""

_CELLS = 1 << 23

_MIN_NEAREST = 10


def mean_best_scores(queries: Matrix, candidates: Matrix, settings: ScoringSettings, *, threads: int = 0) -> Scores:
    """Return the mean of the k best scores of each of m artists for others, (m,) float64, m at least 2.

    All of them are queries, or `QUERIES` drawn at random, with the number of best scores reduced in proportion.

    Args:
        queries: (m, d) float32, whose products with `candidates` are the scores.
        candidates: (m, d) float32.
        settings: have the number of best scores.
        threads: threads of the matrix products; 0 takes every core.
    """
    m = len(candidates)
    drawn, k = measured_in(m, settings)
    k = min(k, len(drawn) - 1)
    queries = queries[drawn]
    means = np.empty(m, np.float64)
    step = max(1, _CELLS // len(drawn))
    with limit_threads(threads):
        for start in range(0, m, step):
            scores = candidates[start : start + step] @ queries.T  # (a, len(drawn))
            self_rows, column = np.nonzero(drawn == np.arange(start, start + len(scores))[:, None])
            scores[self_rows, column] = -np.inf
            best = np.sort(largest_of_rows(scores, k), axis=1)
            means[start : start + step] = best.mean(axis=1, dtype=np.float64)
    return means


def measured_in(m: int, settings: ScoringSettings) -> tuple[NDArray[np.int64], int]:
    """Return the queries that the hubness of m artists is measured with, ascending, and the number of best scores."""
    drawn = drawn_queries(m)
    length = fitted_length(settings.neighbours, m) if settings.weights_by_depth else settings.neighbours
    nearest = round(length * len(drawn) / m) if len(drawn) < m else length
    return drawn, max(nearest, _MIN_NEAREST)


def fitted_length(length: int, m: int) -> int:
    """Return the length of the lists of m artists that a bias is fitted for: `length`, at most `MAX_SHARE` of m."""
    return max(1, min(length, int(MAX_SHARE * m)))


def drawn_queries(m: int) -> NDArray[np.int64]:
    """Return the queries that a correction of m artists is fitted with, ascending: all, or `QUERIES` at random."""
    return np.sort(np.random.default_rng(0).permutation(m)[: drawn_count(m)])


def drawn_count(m: int) -> int:
    """Return the number of queries that a correction of m artists is fitted with."""
    return min(m, QUERIES)

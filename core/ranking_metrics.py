"""Ranking metrics as pure functions of numpy arrays: the quality of lists, and how evenly they use the candidates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from riyl.core.types import Lists, Scores

Hits: TypeAlias = NDArray[np.bool_]
"""(q, k) bool: whether the candidate at a rank is relevant to the query; false behind the end of a short list."""

Counts: TypeAlias = NDArray[np.int64]
"""(n,) int64: number of lists that hold each candidate, or number of relevant candidates of each query."""

Gains: TypeAlias = NDArray[np.float64]
"""(q, k) float64: gain of a candidate for the query, 0 or more."""


class ListMetric(Protocol):
    """A metric of single lists: (q, k) hits and (q,) counts of relevant candidates to (q,) float64."""

    def __call__(self, hits: Hits, n_relevant: Counts) -> Scores: ...


def ndcg(hits: Hits, n_relevant: Counts) -> Scores:
    """Compute the normalised discounted cumulative gain at k, with binary gains.

    nDCG@k = DCG@k / IDCG@k with DCG@k = sum over ranks i = 1..k of hit_i / log2(i + 1) (Järvelin and Kekäläinen,
    ACM TOIS 20(4), 2002, with the discount of Burges et al., ICML 2005), and IDCG@k the DCG of a list whose first
    min(n_relevant, k) ranks are all hits. So a query with more than k relevant candidates can still reach 1.

    Args:
        hits: (q, k) bool. A list shorter than k has no hits behind its end.
        n_relevant: (q,) number of relevant candidates of each query, retrieved or not.

    Returns:
        (q,) float64 in 0..1; NaN where no candidate is relevant, or k is 0.
    """
    k = hits.shape[1]
    discounts = 1.0 / np.log2(np.arange(2, k + 2, dtype=np.float64))
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])[np.minimum(n_relevant, k)]
    query, rank = np.nonzero(hits)  # few hits: cheaper in memory and time than hits * discounts
    return _ratio(np.bincount(query, discounts[rank], minlength=len(hits)), ideal)


def graded_ndcg(gains: Gains, ideal_gains: Gains) -> Scores:
    """Compute the normalised discounted cumulative gain at k, with graded gains; see `ndcg`, its binary case.

    Args:
        gains: (q, k) gain of the candidate at each rank, 0 or more; 0 behind the end of a short list.
        ideal_gains: (q, r) gains of all relevant candidates of each query, retrieved or not, descending; filled with
            zeros. The best list has the first k of them.

    Returns:
        (q,) float64 in 0..1; NaN where no candidate is relevant, or k is 0.
    """
    k = gains.shape[1]
    discounts = 1.0 / np.log2(np.arange(2, k + 2, dtype=np.float64))
    ideal = ideal_gains[:, :k]
    return _ratio(gains @ discounts, ideal @ discounts[: ideal.shape[1]])


def precision(hits: Hits, n_relevant: Counts) -> Scores:
    """Compute the share of the k ranks that hold a relevant candidate: hits / k.

    Empty ranks count as misses, as in trec_eval's P_k.

    Returns:
        (q,) float64 in 0..1; NaN where no candidate is relevant, or k is 0.
    """
    return _ratio(hits.sum(axis=1), np.where(n_relevant > 0, hits.shape[1], 0))


def recall(hits: Hits, n_relevant: Counts) -> Scores:
    """Compute the share of the relevant candidates that the list holds: hits / n_relevant (trec_eval's recall_k).

    Returns:
        (q,) float64 in 0..1, at most k / n_relevant; NaN where no candidate is relevant.
    """
    return _ratio(hits.sum(axis=1), n_relevant)


def r_precision(hits: Hits, n_relevant: Counts) -> Scores:
    """Compute the precision at rank R, R = n_relevant: hits among the first R / R (trec_eval's Rprec).

    Ranks behind k are unknown and count as misses, so a query with R > k reaches at most k / R.

    Returns:
        (q,) float64 in 0..1; NaN where no candidate is relevant.
    """
    first = np.arange(hits.shape[1]) < n_relevant[:, None]  # (q, k)
    return _ratio((hits & first).sum(axis=1), n_relevant)


LIST_METRICS: Mapping[str, ListMetric] = {
    "ndcg": ndcg,
    "precision": precision,
    "recall": recall,
    "r_precision": r_precision,
}
"""Metrics of single lists, by name."""

DEPTHS = (10, 50)
"""Numbers of first ranks at which evaluations measure lists, beside their whole length: a page shows about ten artists,
and a playlist is made of about fifty."""


def mean_of(scores: NDArray[np.floating] | NDArray[np.bool_]) -> float:
    """Return the mean over queries; NaN without queries."""
    return float(np.mean(scores)) if len(scores) else float("nan")


def retrieval_counts(lists: Lists, n: int) -> Counts:
    """Count the lists that hold each of n candidates.

    Args:
        lists: (q, k) int32 positions below n; -1 marks an empty rank and is not counted.
        n: number of candidates.

    Returns:
        (n,) int64, 0 for candidates that no list holds.

    Raises:
        ValueError: a position is n or more.
    """
    counts = np.bincount(lists.ravel() + 1, minlength=n + 1)
    if len(counts) > n + 1:
        raise ValueError(f"found position {len(counts) - 2} in a list; wanted positions below {n}")
    return counts[1:].astype(np.int64, copy=False)


def gini(counts: Counts) -> float:
    """Compute the Gini coefficient of retrieval counts: 0 if all are equal, near 1 if a few hubs take everything.

    G = sum_i (2i - n - 1) x_i / (n sum_i x_i), x ascending, i = 1..n (Gini 1912), which equals the mean absolute
    difference of all pairs over twice the mean. It is not scaled by n / (n - 1): if one of n candidates has all
    retrievals, G is 1 - 1/n. The value depends on the number of lists (few lists cannot be even), so compare it only
    between systems on the same artists.

    Args:
        counts: (n,) retrievals of every candidate, including those never retrieved; not negative.

    Returns:
        A number in 0..1; NaN without candidates or without retrievals.
    """
    return float(gini_rows(counts[None, :])[0])


def gini_rows(counts: NDArray[np.integer]) -> Scores:
    """Compute `gini` for each row of (b, n) counts; returns (b,) float64."""
    n = counts.shape[1]
    ascending = np.sort(counts, axis=1)  # (b, n)
    factors = 2.0 * np.arange(1, n + 1) - n - 1  # (n,)
    return _ratio(ascending @ factors, n * ascending.sum(axis=1, dtype=np.float64))


def coverage(counts: Counts) -> float:
    """Compute the share of the candidates that at least one list holds.

    Args:
        counts: (n,) retrievals of every candidate.

    Returns:
        A number in 0..1; NaN without candidates.
    """
    return mean_of(counts > 0)


def _ratio(part: NDArray[np.generic], total: NDArray[np.generic]) -> Scores:
    with np.errstate(invalid="ignore"):
        return np.where(total == 0, np.nan, np.divide(part, np.where(total == 0, 1, total), dtype=np.float64))

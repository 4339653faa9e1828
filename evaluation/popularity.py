"""Figures by how popular a query artist is, or by how many similar artists it has: whom a system serves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import InputError, MismatchError
from riyl.core.types import Scores

QUANTILES = 20
"""Groups of equal size by popularity, as in the paper."""


@dataclass(frozen=True)
class QuantileRow:
    """One group of queries.

    Attributes:
        low, high: ends of what they were grouped by (listens, listeners, links), both included.
        n_queries: how many there are.
        ndcg: the system's mean, absolute.
        reference: the reference system's mean over the same queries; NaN without one.
        ratio: ndcg / reference, a ratio of means; NaN where the reference is 0 or there is none.
    """

    low: float
    high: float
    n_queries: int
    ndcg: float
    reference: float
    ratio: float


def pop(listens: NDArray[np.number]) -> Scores:
    """POP = log(listens + 1), natural (Ferraro et al., ISMIR 2023).

    Args:
        listens: (n,) plays of each artist; or its distinct listeners, whom one fan with many plays cannot make up for.

    Returns:
        (n,) float64, 0 for what nobody plays.

    Raises:
        InputError: a number is negative or not finite.
    """
    counts = np.asarray(listens, np.float64)
    if not (np.isfinite(counts) & (counts >= 0)).all():
        raise InputError(
            f"listens: found {counts[~(np.isfinite(counts) & (counts >= 0))][0]}; wanted numbers from 0 on"
        )
    return np.log1p(counts)


def quantile_groups(values: NDArray[np.number], quantiles: int = QUANTILES) -> NDArray[np.int32]:
    """Groups of about equal size by ascending value; equal values are never split.

    A value goes, with all who have it, where the middle of its ranks lies: q values, those of a value at ascending
    ranks a..b-1, fall in quantile floor(quantiles * (a + b) / (2 q)). Without ties that is q / quantiles in each. A
    value that fills several quantiles leaves those it does not go to empty: they vanish, and there are fewer groups.
    Values of 0 ("no plays") are a group of their own, before the others and not counted among the quantiles.

    Args:
        values: (q,) what to group by, not negative: plays, listeners, links. A monotone change (`pop`) groups alike.
        quantiles: groups at most, beside that of the zeros.

    Returns:
        (q,) int32 group of each, numbered from 0 without gaps, values ascending with the groups.

    Raises:
        InputError: quantiles is below 1, or a value is negative or not a number.
    """
    if quantiles < 1:
        raise InputError(f"quantiles: found {quantiles}; wanted at least 1")
    if len(values) and not np.min(values) >= 0:
        raise InputError(f"values to group by: found {np.min(values)}; wanted numbers from 0 on")
    distinct, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    counts = np.where(distinct > 0, counts, 0)
    last = np.cumsum(counts)
    position = quantiles * (2 * last - counts) // max(2 * int(counts.sum()), 1)  # (distinct,)
    _, group = np.unique(np.where(distinct > 0, position, -1), return_inverse=True)
    return group[which].astype(np.int32)


def by_quantile(
    values: NDArray[np.number], scores: Scores, reference: Scores | None = None, quantiles: int = QUANTILES
) -> list[QuantileRow]:
    """Mean score of each group of `quantile_groups`, beside a reference system's on the same queries.

    By popularity the reference is CF alone, as in the paper, and the ratio of means says how much better a
    system is for artists that are played so much. Without plays CF has no list and scores 0, so that row has absolute
    figures and no ratio. By the number of similar artists that a query has
    (`riyl.evaluation.protocol.Judged.n_relevant`) it needs none.

    Args:
        values: (q,) plays, listeners or links of each query.
        scores: (q,) nDCG, say, of each query.
        reference: (q,) the same of the reference system, query by query.
        quantiles: see `quantile_groups`.

    Returns:
        A row a group, values ascending; no rows without queries.

    Raises:
        InputError: see `quantile_groups`.
        MismatchError: values, scores and reference are not of the same queries.
    """
    base = np.full(len(scores), np.nan) if reference is None else reference
    if not len(values) == len(scores) == len(base):
        raise MismatchError(
            f"by quantile: found {len(values)} values, {len(scores)} scores and {len(base)} of the reference; "
            "wanted one each a query"
        )
    group = quantile_groups(values, quantiles)
    rows = []
    for g in range(int(group.max(initial=-1)) + 1):
        inside = group == g
        mean, other = float(np.mean(scores[inside])), float(np.mean(base[inside]))
        rows.append(
            QuantileRow(
                low=float(np.min(values[inside])),
                high=float(np.max(values[inside])),
                n_queries=int(inside.sum()),
                ndcg=mean,
                reference=other,
                ratio=mean / other if other else float("nan"),
            )
        )
    return rows

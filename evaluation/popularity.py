"""Figures by popularity of the query artist, or by its number of similar artists: which artists are served well."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import InputError, MismatchError
from riyl.core.types import Scores

QUANTILES = 20
"""Number of groups of equal size by popularity, as in the paper."""


@dataclass(frozen=True)
class QuantileRow:
    """One group of queries.

    Attributes:
        low, high: least and greatest value of the group (listens, listeners, links), both included.
        n_queries: number of queries.
        ndcg: the system's mean, absolute.
        reference: the reference system's mean over the same queries; NaN without one.
        ratio: ndcg / reference, a ratio of means; NaN if the reference is 0 or missing.
    """

    low: float
    high: float
    n_queries: int
    ndcg: float
    reference: float
    ratio: float


def pop(listens: NDArray[np.number]) -> Scores:
    """Compute POP = log(listens + 1), natural logarithm (Ferraro et al., ISMIR 2023).

    Args:
        listens: (n,) plays of each artist; or its distinct listeners, which one fan with many plays cannot inflate.

    Returns:
        (n,) float64, 0 for an artist without plays.

    Raises:
        InputError: a number is negative or not finite.
    """
    counts = np.asarray(listens, np.float64)
    if not (np.isfinite(counts) & (counts >= 0)).all():
        raise InputError(
            f"listens: found {counts[~(np.isfinite(counts) & (counts >= 0))][0]}; wanted finite numbers of at least 0"
        )
    return np.log1p(counts)


def quantile_groups(values: NDArray[np.number], quantiles: int = QUANTILES) -> NDArray[np.int32]:
    """Divide values into groups of about equal size, ascending; equal values are never split.

    Equal values all go to the group of the middle of their ranks: of q values, those at ascending ranks a..b-1 fall in
    quantile floor(quantiles * (a + b) / (2 q)). Without ties each group has q / quantiles values. A value that fills
    several quantiles leaves the others of them empty: these vanish, and there are fewer groups. Values of 0 ("no
    plays") are a group of their own, before the others and not counted among the quantiles.

    Args:
        values: (q,) values of at least 0: plays, listeners, links. A monotone change (`pop`) gives the same groups.
        quantiles: maximum number of groups, besides that of the zeros.

    Returns:
        (q,) int32 group of each value, numbered from 0 without gaps, values ascending with the groups.

    Raises:
        InputError: quantiles is below 1, or a value is negative or not a number.
    """
    if quantiles < 1:
        raise InputError(f"quantiles: found {quantiles}; wanted at least 1")
    if len(values) and not np.min(values) >= 0:
        raise InputError(f"values to group by: found {np.min(values)}; wanted numbers of at least 0")
    distinct, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    counts = np.where(distinct > 0, counts, 0)
    last = np.cumsum(counts)
    position = quantiles * (2 * last - counts) // max(2 * int(counts.sum()), 1)  # (distinct,)
    _, group = np.unique(np.where(distinct > 0, position, -1), return_inverse=True)
    return group[which].astype(np.int32)


def by_quantile(
    values: NDArray[np.number], scores: Scores, reference: Scores | None = None, quantiles: int = QUANTILES
) -> list[QuantileRow]:
    """Compute the mean score of each group of `quantile_groups`, beside a reference system's on the same queries.

    By popularity the reference is CF alone, as in the paper, and the ratio of means shows how much better a system is
    for artists of this popularity. Without plays CF has no list and scores 0, so that row has absolute figures and no
    ratio. By the number of similar artists that a query has (`riyl.evaluation.protocol.Judged.n_relevant`) no
    reference is needed.

    Args:
        values: (q,) plays, listeners or links of each query.
        scores: (q,) score of each query, such as nDCG.
        reference: (q,) score of the reference system for each query.
        quantiles: see `quantile_groups`.

    Returns:
        One row a group, values ascending; no rows without queries.

    Raises:
        InputError: see `quantile_groups`.
        MismatchError: values, scores and reference are not of the same queries.
    """
    base = np.full(len(scores), np.nan) if reference is None else reference
    if not len(values) == len(scores) == len(base):
        raise MismatchError(
            f"by quantile: found {len(values)} values, {len(scores)} scores and {len(base)} of the reference; "
            "wanted one of each a query"
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

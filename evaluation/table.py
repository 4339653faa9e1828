"""Results as rows of a table, and differences between systems with their confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from riyl.core.errors import MismatchError, NotFoundError
from riyl.evaluation.bootstrap import Interval, Paired, paired
from riyl.evaluation.protocol import Result

Row: TypeAlias = dict[str, str | int | float]


@dataclass(frozen=True)
class Comparison:
    """nDCG of `system` minus that of `reference` on the same queries of `condition`.

    Attributes:
        system, reference, condition: names.
        ndcg: the difference of nDCG@k.
        depths: the difference of nDCG@depth, by each depth that both have.
    """

    system: str
    reference: str
    condition: str
    ndcg: Paired
    depths: Mapping[int, Paired] = field(default_factory=dict)


def plain_rows(results: Sequence[Result]) -> list[Row]:
    """Convert results to flat rows of plain Python values, for tables and JSON; undefined figures stay NaN."""
    return [
        {
            "condition": r.condition,
            "system": r.system,
            "k": r.k,
            "ndcg": r.ndcg_mean,
            "ndcg_low": r.ndcg_interval.low,
            "ndcg_high": r.ndcg_interval.high,
            "ndcg_covered": r.ndcg_covered,
            "covered": r.covered_share,
            "gini": r.gini,
            "gini_low": r.gini_interval.low,
            "gini_high": r.gini_interval.high,
            "coverage": r.coverage,
            "coverage_low": r.coverage_interval.low,
            "coverage_high": r.coverage_interval.high,
            **_others(r),
            "artists": r.n_artists,
            "queries": r.n_queries,
            "without_links": r.n_without_links,
        }
        for r in results
    ]


def _others(result: Result) -> Row:
    """Return the list metrics other than nDCG, each with its interval."""
    row: Row = {}
    for name, figure in result.lists.items():
        if name != "ndcg":
            row |= {name: figure.mean, f"{name}_low": figure.interval.low, f"{name}_high": figure.interval.high}
    return row


def depth_rows(results: Sequence[Result], comparisons: Sequence[Comparison]) -> list[Row]:
    """Convert figures of the first ranks to flat rows of plain Python values, as `plain_rows` does.

    Returns:
        One row for each condition, system and depth; the difference of nDCG to the reference, its interval and p are
        NaN in rows of the reference, and where the reference has no figures at the depth.
    """
    paired_of = {(c.condition, c.system, depth): of for c in comparisons for depth, of in c.depths.items()}
    undefined = Paired(np.nan, Interval(np.nan, np.nan), np.nan)
    rows: list[Row] = []
    for r in results:
        for at in r.depths:
            minus = paired_of.get((r.condition, r.system, at.depth), undefined)
            rows.append(
                {
                    "condition": r.condition,
                    "system": r.system,
                    "depth": at.depth,
                    "ndcg": at.ndcg_mean,
                    "ndcg_low": at.ndcg_interval.low,
                    "ndcg_high": at.ndcg_interval.high,
                    "difference": minus.difference,
                    "difference_low": minus.interval.low,
                    "difference_high": minus.interval.high,
                    "p": minus.p,
                    "gini": at.gini,
                    "never_retrieved": at.never_retrieved,
                }
            )
    return rows


def compare(results: Sequence[Result], reference: str, *, rounds: int = 1000, seed: int = 0) -> list[Comparison]:
    """Compare every other system with `reference` by the paired bootstrap of nDCG@k and @depth, in each condition.

    p-values are not corrected for the number of comparisons.

    Raises:
        MismatchError: two results of a condition are not over the same queries.
        NotFoundError: a condition has no result of `reference`.
    """
    references = {r.condition: r for r in results if r.system == reference}
    comparisons = []
    for result in results:
        base = references.get(result.condition)
        if base is None:
            raise NotFoundError(f"condition {result.condition!r} has no result of a system {reference!r} to compare to")
        if result.k != base.k or not np.array_equal(result.query_rows, base.query_rows):
            raise MismatchError(
                f"{result.system!r} and {reference!r} in {result.condition!r}: found {result.n_queries} queries at "
                f"k {result.k} and {base.n_queries} at k {base.k}; wanted the same queries and k"
            )
        if result.system != reference:
            figures = paired(result.ndcg, base.ndcg, rounds, seed=seed)
            depths = _compare_depths(result, base, rounds, seed)
            comparisons.append(Comparison(result.system, reference, result.condition, figures, depths))
    return comparisons


def _compare_depths(result: Result, base: Result, rounds: int, seed: int) -> dict[int, Paired]:
    of_base = {at.depth: at.ndcg for at in base.depths}
    return {
        at.depth: paired(at.ndcg, of_base[at.depth], rounds, seed=seed) for at in result.depths if at.depth in of_base
    }

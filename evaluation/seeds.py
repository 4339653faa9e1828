"""Several models of one config with different seeds: the effect of chance in training, apart from the queries'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from riyl.core.errors import InputError, MismatchError
from riyl.evaluation.bootstrap import Spread, interval, spread
from riyl.evaluation.protocol import Result


@dataclass(frozen=True)
class DepthOverSeeds:
    """Figures of the first `depth` ranks over several seeds, see `riyl.evaluation.depths.AtDepth`."""

    depth: int
    ndcg: Spread
    gini: Spread
    never_retrieved: Spread


@dataclass(frozen=True)
class OverSeeds:
    """One config in one condition, over S seeds.

    Attributes:
        condition: its name.
        seeds: S.
        figures: ndcg, precision, recall, r_precision, gini and coverage: mean over seeds and deviation between them.
        ndcg_half_width: half the width of the 95 % interval over queries of the mean nDCG of all seeds.
        depths: figures of the first ranks, at each depth of all seeds.
    """

    condition: str
    seeds: int
    figures: Mapping[str, Spread]
    ndcg_half_width: float
    depths: tuple[DepthOverSeeds, ...]


def over_seeds(results: Sequence[Result], rounds: int = 1000, *, seed: int = 0) -> OverSeeds:
    """Compute the variance between seeds and that between queries, separately.

    With f_s the figure of seed s in 1..S, m = sum_s f_s / S is its mean and sqrt(sum_s (f_s - m)^2 / (S - 1)) its
    deviation between seeds: the typical change by another training of the same config. With a_sq the nDCG of query q by
    the model of seed s, the queries' interval is that of the mean of a_q = sum_s a_sq / S over bootstrap resamples of
    q, and its half width (high - low) / 2: the typical change by other query artists for the same models. It leaves out
    an effect of the seed that is the same for all queries; effects on single queries are in it, divided by S.

    Args:
        results: results of one config in one condition, each of another seed.
        rounds: number of bootstrap resamples.
        seed: seed of the resampling.

    Returns:
        Deviations are NaN for one seed; a figure that is undefined for one seed has a NaN mean.

    Raises:
        InputError: there are no results, or rounds is below 1.
        MismatchError: the results are of different conditions, queries or lengths of lists.
    """
    if not results:
        raise InputError("seeds: found no results; wanted at least one")
    first = results[0]
    for result in results:
        if (result.condition, result.k) != (first.condition, first.k) or not np.array_equal(
            result.query_rows, first.query_rows
        ):
            raise MismatchError(
                f"seeds: found {result.condition!r} with {result.n_queries} queries at k {result.k} and "
                f"{first.condition!r} with {first.n_queries} at k {first.k}; wanted the same condition, queries and k"
            )
    figures = {name: [r.lists[name].mean for r in results] for name in first.lists}
    figures |= {"gini": [r.gini for r in results], "coverage": [r.coverage for r in results]}
    span = interval(np.mean([r.ndcg for r in results], axis=0), rounds, seed=seed)
    return OverSeeds(
        first.condition,
        len(results),
        {name: spread(values) for name, values in figures.items()},
        (span.high - span.low) / 2,
        _depths_over_seeds(results),
    )


def _depths_over_seeds(results: Sequence[Result]) -> tuple[DepthOverSeeds, ...]:
    by_depth = [{at.depth: at for at in r.depths} for r in results]
    return tuple(
        DepthOverSeeds(
            depth,
            spread([of[depth].ndcg_mean for of in by_depth]),
            spread([of[depth].gini for of in by_depth]),
            spread([of[depth].never_retrieved for of in by_depth]),
        )
        for depth in by_depth[0]
        if all(depth in of for of in by_depth)
    )

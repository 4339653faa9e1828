"""A bias that balances lists: each candidate stands in about as many lists as its target says.

With scores S(x, y) = <queries[x], candidates[y]>, a bias b ranks by S(x, y) - b(y). With targets t(y) that sum to
`depth` times the number of queries, a sweep computes

    tau(x) = the depth-th largest of S(x, y) - b(y) over y other than x
    b(y)   = the t(y)-th largest of S(x, y) - tau(x) over x other than y

y stands in the list of x where S(x, y) - b(y) >= tau(x), so after the second line each y stands in exactly t(y) lists
for the thresholds at hand; the next sweep adapts the thresholds. This is the alternating scaling of optimal transport
(Sinkhorn, 1967; Cuturi, NeurIPS 2013) at temperature 0, with a count in place of each sum of exponentials. In
comparison, CSLS (`riyl.index.scoring.hubness`) lowers a candidate by the level of its best scores, and does not look at
the other candidates of those lists.

A constant added to b does not change ranks; b has the mean 0. Order statistics are continuous in the scores, so equal
scores and rounding change b by rounding only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import InputError, MismatchError
from riyl.core.threads import limit_threads
from riyl.core.types import Matrix, Scores, Vector
from riyl.index.scoring.hubness import drawn_queries
from riyl.index.scoring.order_statistics import Positions, kth_of_candidates, kth_of_queries, kth_of_rows

MIN_TARGET = 1.0
"""Minimum t of a candidate: below it there is no score to read the bias from."""

MIN_SAMPLED_TARGET = 10
"""Minimum mean t where there are fewer queries than candidates, as in the sampled mean of the hubness correction.

The 1st or 2nd of a sample's scores is noise: with a mean of 1, a balanced bias was worse than none.
"""

OUTLIERS = 0.001
"""Share of the candidates, those with the lowest bias, that are raised to the lowest bias of the rest.

A candidate near to no query needs an extreme bias to enter any list. The lowest bias is the zero of the extra
coordinate that approximate search stores (`riyl.index.scoring.score.Scoring.stored`), so a single such candidate would
add a large constant to the coordinate of all others. Below 1,000 candidates there is no raise.
"""


@dataclass(frozen=True)
class Thresholds:
    """Scores to reach for the lists of D balanced depths, which give a new candidate its biases.

    Attributes:
        values: (D, q) float32, tau of the queries of the fit, with the constant of the biases.
        shares: (D,) float64, number of these lists for each unit of target: a target times this, at least
            `MIN_TARGET`, is t; 0 where there was no list to balance.
        lowest: (D,) float64, lowest bias, see `OUTLIERS`.
    """

    values: Matrix
    shares: Scores
    lowest: Scores

    def counts(self, target: float, available: int) -> Scores:
        """Return t of a candidate at each depth, (D,), by its target and the number of queries other than itself."""
        return np.clip(target * self.shares, MIN_TARGET, max(available, MIN_TARGET))

    def bias_of_new(self, at: int, margins: Scores, t: float) -> float:
        """Return the bias of a new candidate at one depth, as if the thresholds stayed as they are.

        Args:
            at: index of the depth.
            margins: (r,) scores of the candidate for the queries minus `values[at]`, at least the largest ceil(t).
            t: number of lists that it should be in, see `counts`.

        Returns:
            At least `lowest[at]`; 0 where the fit had no list to balance, or there are no margins.
        """
        if not self.shares[at] or not len(margins):
            return 0.0
        wanted = np.array([min(t, len(margins))])
        return max(float(kth_of_rows(margins.astype(np.float32)[None], wanted)[0]), float(self.lowest[at]))


@dataclass(frozen=True)
class Balance:
    """Biases balanced at D depths.

    Attributes:
        biases: (D, m) float32, subtracted from the scores of each candidate; mean 0 but for the raise of outliers.
        thresholds: thresholds of the queries that they were fitted with (`riyl.index.scoring.hubness.drawn_queries`).
    """

    biases: Matrix
    thresholds: Thresholds


def balance(
    queries: Matrix,
    candidates: Matrix,
    targets: NDArray[np.floating],
    *,
    depths: Sequence[int],
    sweeps: int,
    start: Vector | None = None,
    self_positions: Positions | None = None,
    threads: int = 0,
) -> Balance:
    """Fit biases that are balanced at several depths, each alone; the depths share the products.

    All queries are used, or `riyl.index.scoring.hubness.QUERIES` drawn at random, so the work is linear in the number
    of candidates; memory beyond the inputs and the result is bounded. Where the queries are fewer than the candidates,
    and their lists have fewer than `MIN_SAMPLED_TARGET` places for each candidate, a depth is raised until they have
    as many. A list of more than half of the candidates excludes more than it selects: a depth is lowered to half of
    them.

    Args:
        queries: (n, d) float32.
        candidates: (m, d) float32.
        targets: (m,) above 0, the share of list places that each candidate should have; of any scale. A target between
            two integers reads the bias between two scores, by linear interpolation.
        depths: lengths of the lists that are balanced, at least one.
        sweeps: number of updates of all thresholds and biases, at least 1.
        start: (m,) float32 first bias of each depth; None starts with 0.
        self_positions: (n,) the candidate that each query itself is, -1 for none, which its list leaves out. None:
            query i is candidate i.
        threads: threads of the matrix products; 0 takes every core.

    Returns:
        The biases, 0 where there is no list to balance: without queries, or with a single artist.

    Raises:
        InputError: there is no depth, depth or sweeps is below 1, or a target is not finite and above 0.
        MismatchError: shapes differ.
    """
    selves = np.arange(len(queries)) if self_positions is None else self_positions
    _check(queries, candidates, targets, depths, sweeps, start, selves)
    m = len(candidates)
    drawn = drawn_queries(len(queries))
    queries, selves = queries[drawn], selves[drawn]
    available = len(drawn) - np.bincount(selves[selves >= 0], minlength=m)  # (m,) lists that each candidate may enter
    if not m or not available.min():
        none = np.zeros(len(depths))
        values = np.zeros((len(depths), len(drawn)), np.float32)
        return Balance(np.zeros((len(depths), m), np.float32), Thresholds(values, none, none))
    fitted = [_fitted_depth(depth, m, len(drawn)) for depth in depths]
    shares = np.array(fitted, np.float64) * len(drawn) / float(np.sum(targets, dtype=np.float64))
    t = np.clip(targets.astype(np.float64) * shares[:, None], MIN_TARGET, available)  # (D, m)
    biases = np.zeros((len(depths), m), np.float32)
    biases += 0 if start is None else start.astype(np.float32)
    with limit_threads(threads):
        for _ in range(sweeps):
            values = kth_of_candidates(queries, candidates, biases, fitted, selves)
            biases = kth_of_queries(queries, candidates, values, t, selves)
            means = biases.mean(axis=1, dtype=np.float64).astype(np.float32)[:, None]
            lowest = np.quantile(biases, OUTLIERS, axis=1, method="lower")[:, None] - means
            biases, values = np.maximum(biases - means, lowest), values + means
    return Balance(biases, Thresholds(values, shares, lowest[:, 0].astype(np.float64)))


def _fitted_depth(depth: int, candidates: int, queries: int) -> int:
    """Return the depth at which lists are balanced, see `balance`."""
    if queries < candidates:
        depth = max(depth, -(-MIN_SAMPLED_TARGET * candidates // queries))
    return max(1, min(depth, candidates // 2))


def _check(
    queries: Matrix,
    candidates: Matrix,
    targets: NDArray[np.floating],
    depths: Sequence[int],
    sweeps: int,
    start: Vector | None,
    selves: Positions,
) -> None:
    if not depths:
        raise InputError("depths: found none; wanted at least one")
    for name, value in (("depth", min(depths)), ("sweeps", sweeps)):
        if value < 1:
            raise InputError(f"{name}: found {value}; wanted at least 1")
    m = len(candidates)
    if queries.ndim != 2 or candidates.ndim != 2 or queries.shape[1] != candidates.shape[1]:
        raise MismatchError(
            f"vectors: found queries of shape {queries.shape} and candidates of shape {candidates.shape}; "
            "wanted two matrices of equal width"
        )
    if targets.shape != (m,) or (start is not None and start.shape != (m,)):
        shapes = f"targets of shape {targets.shape}" + ("" if start is None else f", start of shape {start.shape}")
        raise MismatchError(f"balance: found {shapes}; wanted ({m},), a number for each candidate")
    if selves.shape != (len(queries),) or (len(selves) and not -1 <= selves.min() <= selves.max() < m):
        span = f"from {selves.min()} to {selves.max()}" if selves.size else "none"
        raise MismatchError(
            f"self positions: found {len(selves)}, {span}; wanted {len(queries)}, each -1 or a candidate below {m}"
        )
    bad = np.flatnonzero(~(np.isfinite(targets) & (targets > 0)))
    if len(bad):
        raise InputError(f"target of candidate {bad[0]}: found {targets[bad[0]]}; wanted a finite number above 0")

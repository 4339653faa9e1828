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
from riyl.core.types import Matrix, Vector
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
class Balance:
    """A balanced bias, with the thresholds that give a new candidate its bias.

    Attributes:
        bias: (m,) float32, subtracted from the scores of each candidate; mean 0 but for the raise of outliers.
        drawn: (q,) int64 ascending, the queries that it was fitted with.
        thresholds: (q,) float32, tau of these queries, with the constant of `bias`.
        share: number of the drawn lists for each unit of target: a target times this, at least `MIN_TARGET`, is t.
        lowest: lowest bias, see `OUTLIERS`.
    """

    bias: Vector
    drawn: NDArray[np.int64]
    thresholds: Vector
    share: float
    lowest: float


def balance(
    queries: Matrix,
    candidates: Matrix,
    targets: NDArray[np.floating],
    *,
    depth: int,
    sweeps: int,
    start: Vector | None = None,
    self_positions: Positions | None = None,
    threads: int = 0,
) -> Balance:
    """Fit a balanced bias.

    All queries are used, or `riyl.index.scoring.hubness.QUERIES` drawn at random, so the work is linear in the number
    of candidates; memory beyond the inputs and the result is bounded. Where the queries are fewer than the candidates,
    and their lists have fewer than `MIN_SAMPLED_TARGET` places for each candidate, the depth is raised until they have
    as many. A list of more than half of the candidates excludes more than it selects: depth is lowered to half of them.

    Args:
        queries: (n, d) float32.
        candidates: (m, d) float32.
        targets: (m,) above 0, the share of list places that each candidate should have; of any scale. A target between
            two integers reads the bias between two scores, by linear interpolation.
        depth: length of the lists that are balanced.
        sweeps: number of updates of all thresholds and biases, at least 1.
        start: (m,) float32 first bias; None starts with 0.
        self_positions: (n,) the candidate that each query itself is, -1 for none, which its list leaves out. None:
            query i is candidate i.
        threads: threads of the matrix products; 0 takes every core.

    Returns:
        The bias, 0 where there is no list to balance: without queries, or with a single artist.

    Raises:
        InputError: depth or sweeps is below 1, or a target is not finite and above 0.
        MismatchError: shapes differ.
    """
    selves = np.arange(len(queries)) if self_positions is None else self_positions
    _check(queries, candidates, targets, depth, sweeps, start, selves)
    m = len(candidates)
    drawn = drawn_queries(len(queries))
    queries, selves = queries[drawn], selves[drawn]
    bias = np.zeros(m, np.float32) if start is None else start.astype(np.float32)
    available = len(drawn) - np.bincount(selves[selves >= 0], minlength=m)  # (m,) lists that each candidate may enter
    if not m or not available.min():
        return Balance(np.zeros(m, np.float32), drawn, np.zeros(len(drawn), np.float32), 0.0, 0.0)
    if len(drawn) < m:
        depth = max(depth, -(-MIN_SAMPLED_TARGET * m // len(drawn)))
    depth = max(1, min(depth, m // 2))
    share = depth * len(drawn) / float(np.sum(targets, dtype=np.float64))
    t = np.clip(targets.astype(np.float64) * share, MIN_TARGET, available)
    with limit_threads(threads):
        for _ in range(sweeps):
            thresholds = kth_of_candidates(queries, candidates, bias, depth, selves)
            bias = kth_of_queries(queries, candidates, thresholds, t, selves)
            mean = np.float32(bias.mean(dtype=np.float64))
            lowest = np.quantile(bias, OUTLIERS, method="lower") - mean
            bias, thresholds = np.maximum(bias - mean, lowest), thresholds + mean
    return Balance(bias, drawn, thresholds, share, float(lowest))


def mean_balanced_bias(
    queries: Matrix,
    candidates: Matrix,
    targets: NDArray[np.floating],
    *,
    depths: Sequence[int],
    sweeps: int,
    start: Vector | None = None,
    self_positions: Positions | None = None,
    threads: int = 0,
) -> Vector:
    """Return the mean of the biases balanced at several depths, (m,) float32.

    A bias that is balanced at one depth leaves other depths uneven; the mean is fairly even at all of them.

    Args:
        queries: (n, d) float32.
        candidates: (m, d) float32.
        targets: (m,) above 0, as in `balance`.
        depths: lengths of the lists, at least one of them.
        sweeps: number of updates for each depth.
        start: (m,) float32 first bias for each depth; None starts with 0.
        self_positions: (n,) as in `balance`.
        threads: threads of the matrix products; 0 takes every core.

    Raises:
        InputError: there are no depths; see `balance`.
        MismatchError: see `balance`.
    """
    if not depths:
        raise InputError("depths: found none; wanted at least one")
    total = np.zeros(len(candidates), np.float64)
    for depth in depths:
        total += balance(
            queries,
            candidates,
            targets,
            depth=depth,
            sweeps=sweeps,
            start=start,
            self_positions=self_positions,
            threads=threads,
        ).bias
    return np.asarray(total / len(depths), np.float32)


def bias_of_new(scores: Matrix, fit: Balance, targets: NDArray[np.floating]) -> Vector:
    """Compute the biases of new candidates from a fit, as if the thresholds stayed as they are.

    Args:
        scores: (r, q) float32 scores of the new candidates for the queries `fit.drawn`; changed in place. -inf excludes
            a query.
        fit: the fit.
        targets: (r,) targets on the scale of the fit's.

    Returns:
        (r,) float32, at least `fit.lowest`; 0 where the fit has no queries.

    Raises:
        MismatchError: shapes differ.
    """
    if scores.shape != (len(targets), len(fit.thresholds)):
        raise MismatchError(
            f"scores: found shape {scores.shape}; wanted ({len(targets)}, {len(fit.thresholds)}), a row for each new "
            "candidate and a column for each query of the fit"
        )
    if not fit.share or not scores.size:
        return np.zeros(len(scores), np.float32)
    scores -= fit.thresholds
    available = np.count_nonzero(scores > -np.inf, axis=1)
    t = np.clip(targets.astype(np.float64) * fit.share, MIN_TARGET, np.maximum(available, 1))
    return np.maximum(kth_of_rows(scores, t), np.float32(fit.lowest))


def _check(
    queries: Matrix,
    candidates: Matrix,
    targets: NDArray[np.floating],
    depth: int,
    sweeps: int,
    start: Vector | None,
    selves: Positions,
) -> None:
    for name, value in (("depth", depth), ("sweeps", sweeps)):
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

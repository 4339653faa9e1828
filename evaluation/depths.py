"""Figures of the first ranks of lists, which are the ones that people see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from riyl.core.ranking_metrics import DEPTHS, Counts, Hits, gini, mean_of, ndcg, retrieval_counts
from riyl.core.types import Lists, Scores
from riyl.evaluation.bootstrap import Interval, intervals


@dataclass(frozen=True)
class AtDepth:
    """Figures of one system in one condition for the first ranks of its lists.

    Attributes:
        depth: number of ranks.
        ndcg: (n_queries,) nDCG@depth of each query, 0 where the system cannot embed it.
        ndcg_interval: 95 % percentile interval of its mean.
        gini: Gini@depth over the candidates of Gini@k; NaN if nothing is retrieved.
        never_retrieved: share of these candidates that are in the first ranks of no list; NaN without candidates.
    """

    depth: int
    ndcg: Scores
    ndcg_interval: Interval
    gini: float
    never_retrieved: float

    @property
    def ndcg_mean(self) -> float:
        """NaN without queries."""
        return mean_of(self.ndcg)


def depths_below(k: int) -> tuple[int, ...]:
    """Return those of `riyl.core.ranking_metrics.DEPTHS` that are below the length of a list."""
    return tuple(depth for depth in DEPTHS if depth < k)


def reached(depths: Sequence[int], lists: Lists, n_candidates: int) -> tuple[int, ...]:
    """Return the depths that ready lists are long enough for.

    Lists that were made elsewhere may end before a depth. If the longest of them does, though there are more
    candidates, nDCG at that depth would count ranks as misses that no list was meant to have.

    Args:
        depths: the depths.
        lists: (m, k) positions of candidates; -1 after the end of a list.
        n_candidates: number of candidates; a list has at most one less, because it lacks its own artist.
    """
    max_length = int((lists >= 0).sum(axis=1).max(initial=0))
    return tuple(depth for depth in depths if max_length >= min(depth, n_candidates - 1))


def at_depths(
    depths: Sequence[int],
    lists: Lists,
    n_candidates: int,
    hits: Hits,
    n_relevant: Counts,
    rounds: int,
    *,
    seed: int,
) -> tuple[AtDepth, ...]:
    """Compute the figures of the first ranks of lists.

    Args:
        depths: numbers of ranks, at most k.
        lists: (m, k) positions of candidates, of every artist; -1 is an empty place.
        n_candidates: number of candidates, including those that are never retrieved.
        hits: (q, k) bool, true for relevant artists in the lists of the queries.
        n_relevant: (q,) number of relevant candidates of each query, at least 1.
        rounds: number of bootstrap resamples.
        seed: seed of the resampling; the same as of the whole lists draws the same queries.

    Raises:
        InputError: rounds is below 1.
    """
    scores = [ndcg(hits[:, :depth], n_relevant) for depth in depths]
    counts = [retrieval_counts(lists[:, :depth], n_candidates) for depth in depths]
    return tuple(
        AtDepth(depth, of_queries, interval, gini(of_candidates), mean_of(of_candidates == 0))
        for depth, of_queries, interval, of_candidates in zip(
            depths, scores, intervals(scores, rounds, seed=seed), counts, strict=True
        )
    )

"""Queries by artists that the model was fitted on, and by held-out artists: the loss on unseen artists."""

from __future__ import annotations

from dataclasses import dataclass

from riyl.core.errors import MismatchError
from riyl.core.ranking_metrics import mean_of
from riyl.core.types import Mask, Scores
from riyl.evaluation.bootstrap import Interval, interval, unpaired
from riyl.evaluation.protocol import Result


@dataclass(frozen=True)
class QueryGroup:
    """nDCG@k over some of a result's queries; NaN without queries.

    Attributes:
        n_queries: number of queries.
        ndcg: their mean nDCG@k.
        interval: its 95 % bootstrap interval over these queries.
    """

    n_queries: int
    ndcg: float
    interval: Interval


@dataclass(frozen=True)
class SeenAndUnseen:
    """One system in one condition, for the two groups of queries; candidates are the same for both.

    Attributes:
        seen: queries by artists that the model was fitted on.
        unseen: queries by the others.
        difference: mean nDCG of the unseen minus that of the seen; NaN if a group is empty.
        interval: its 95 % interval, each group resampled separately.
    """

    seen: QueryGroup
    unseen: QueryGroup
    difference: float
    interval: Interval


def seen_and_unseen(result: Result, unseen: Mask, rounds: int = 1000, *, seed: int = 0) -> SeenAndUnseen:
    """Split a result's queries into those by artists of the fit and those by held-out artists.

    The two groups are different artists, with different numbers of similar artists and plays: their difference measures
    the cost of being unseen only if they were split at random, as `snapshot.holdout` does.

    Args:
        result: result of one system in one condition.
        unseen: (n,) bool, true for artists of the snapshot that were held out.
        rounds: number of bootstrap resamples.
        seed: seed of the resampling.

    Raises:
        InputError: rounds is below 1.
        MismatchError: the mask is shorter than the row of a query.
    """
    if len(result.query_rows) and result.query_rows.max() >= len(unseen):
        raise MismatchError(
            f"unseen artists: found {len(unseen)} marks and a query in row {result.query_rows.max()}; "
            "wanted one mark for each artist of the snapshot"
        )
    is_unseen = unseen[result.query_rows]
    seen_ndcg, unseen_ndcg = result.ndcg[~is_unseen], result.ndcg[is_unseen]
    between = unpaired(unseen_ndcg, seen_ndcg, rounds, seed=seed)
    seen, unseen_group = _group(seen_ndcg, rounds, seed), _group(unseen_ndcg, rounds, seed)
    return SeenAndUnseen(seen, unseen_group, unseen_group.ndcg - seen.ndcg, between)


def _group(scores: Scores, rounds: int, seed: int) -> QueryGroup:
    return QueryGroup(len(scores), mean_of(scores), interval(scores, rounds, seed=seed))

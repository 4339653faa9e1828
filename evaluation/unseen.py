"""Queries by artists that the model was fitted on, and by those held out of it: what is lost on the unseen."""

from __future__ import annotations

from dataclasses import dataclass

from riyl.core.errors import MismatchError
from riyl.core.ranking_metrics import mean_of
from riyl.core.types import Mask, Scores
from riyl.evaluation.bootstrap import Interval, interval, unpaired
from riyl.evaluation.protocol import Result


@dataclass(frozen=True)
class QueryGroup:
    """nDCG@k over some of a result's queries; NaN where there are none.

    Attributes:
        n_queries: how many.
        ndcg: their mean nDCG@k.
        interval: its 95 % bootstrap interval over these queries.
    """

    n_queries: int
    ndcg: float
    interval: Interval


@dataclass(frozen=True)
class SeenAndUnseen:
    """One system in one condition, the queries apart; candidates are the same for both.

    Attributes:
        seen: queries by artists that were fitted on.
        unseen: queries by the others.
        difference: mean nDCG of the unseen minus that of the seen; NaN where a group is empty.
        interval: its 95 % interval, each group resampled by itself.
    """

    seen: QueryGroup
    unseen: QueryGroup
    difference: float
    interval: Interval


def seen_and_unseen(result: Result, unseen: Mask, rounds: int = 1000, *, seed: int = 0) -> SeenAndUnseen:
    """Part a result's queries by who was held out.

    The two groups are different artists, with more or fewer links and plays: their difference says what being unseen
    costs only where they were parted at random, as `snapshot.holdout` parts them.

    Args:
        result: of one system in one condition.
        unseen: (n,) the artists of the snapshot that were held out.
        rounds: bootstrap resamples.
        seed: of the resampling.

    Raises:
        InputError: rounds is below 1.
        MismatchError: the result has a query that the mask does not reach.
    """
    if len(result.query_rows) and result.query_rows.max() >= len(unseen):
        raise MismatchError(
            f"unseen artists: found {len(unseen)} marks; the result has a query in row {result.query_rows.max()}: "
            "wanted the marks of its snapshot"
        )
    is_unseen = unseen[result.query_rows]
    seen_ndcg, unseen_ndcg = result.ndcg[~is_unseen], result.ndcg[is_unseen]
    between = unpaired(unseen_ndcg, seen_ndcg, rounds, seed=seed)
    seen, unseen_group = _group(seen_ndcg, rounds, seed), _group(unseen_ndcg, rounds, seed)
    return SeenAndUnseen(seen, unseen_group, unseen_group.ndcg - seen.ndcg, between)


def _group(scores: Scores, rounds: int, seed: int) -> QueryGroup:
    return QueryGroup(len(scores), mean_of(scores), interval(scores, rounds, seed=seed))

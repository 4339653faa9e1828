"""Results with hand-made figures."""

from collections.abc import Mapping, Sequence

import numpy as np

from riyl.evaluation.bootstrap import Interval
from riyl.evaluation.depths import AtDepth
from riyl.evaluation.protocol import ListFigure, Result

NOTHING = Interval(np.nan, np.nan)


def made_result(
    ndcg: Sequence[float],
    rows: Sequence[int] | None = None,
    *,
    recall: float = 0.25,
    gini: float = 0.5,
    coverage: float = 1.0,
    depths: Mapping[int, float] | None = None,
) -> Result:
    """Build the result of a system with these scores.

    Args:
        ndcg: nDCG of each query.
        rows: rows of the queries; by default the first ones.
        recall: recall of every query.
        gini: Gini of the lists.
        coverage: coverage of the lists.
        depths: by depth, nDCG of every query, which is also the Gini of the first ranks, and half the share of the
            artists that are never in them.
    """
    scores, n = np.array(ndcg, np.float64), len(ndcg)
    return Result(
        system="made",
        condition="raw",
        k=10,
        n_artists=9,
        n_queries=n,
        n_without_links=9 - n,
        query_rows=np.arange(n, dtype=np.int32) if rows is None else np.array(rows, np.int32),
        n_relevant=np.ones(n, np.int64),
        retrieved=np.empty((n, 10), np.int32),
        lists={"ndcg": ListFigure(scores, NOTHING), "recall": ListFigure(np.full(n, recall), NOTHING)},
        ndcg_covered=float(scores.mean()) if n else np.nan,
        covered_share=1.0,
        gini=gini,
        gini_interval=NOTHING,
        coverage=coverage,
        coverage_interval=NOTHING,
        depths=tuple(
            AtDepth(depth, np.full(n, value), NOTHING, value, value * 2) for depth, value in (depths or {}).items()
        ),
    )

"""The protocol: queries, candidates, measures, and their confidence intervals."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import MismatchError
from riyl.core.ranking_metrics import LIST_METRICS, Counts, coverage, gini, mean_of, retrieval_counts
from riyl.core.storage.ground_truth import Relevance
from riyl.core.types import Lists, Progress, Rows, Scores, silent
from riyl.evaluation.bootstrap import Evenness, Interval, evenness_intervals, intervals
from riyl.evaluation.conditions import Condition
from riyl.evaluation.depths import AtDepth, at_depths, depths_below, reached
from riyl.evaluation.retrieval import Evaluable, RankedLists, judge, positions_of, retrieve

PROTOCOL = """\
Each artist's list holds the 200 other artists of the condition (raw: those with any modality; fmc: those with all) \
that score highest, by exact search; the artist itself is excluded by its id, and equal scores are ordered by a seeded \
hash of the artist id. nDCG@200: binary gains, discount 1/log2(rank + 1), ideal over the first 200; its mean is over \
every artist of the condition with a similar artist in it, artists without one are left out and counted. A system that \
cannot embed a query scores 0 on it, and never retrieves an artist that it cannot embed; covered is the share of \
queries that it can embed, and nDCG over those is also given. Gini@200 is that of how often each artist of the \
condition, including those never retrieved, is in the lists of all its artists, with similar artists or without; \
coverage is the share that is in any list. Precision and recall at 200 and R-precision are over the queries of nDCG; \
precision divides by 200 for every list, R-precision looks at as many ranks as the query has similar artists. Figures \
at 10 and 50 are those of the first ranks of the same lists, over the same queries and artists, with the ideal over as \
many ranks; never in a first 10 is the share of the condition's artists that are in the first 10 of no list. \
Intervals are 95 %, by 1,000 bootstrap rounds over the query artists: percentiles for nDCG, precision, recall and \
R-precision, and shifted so that their median is the estimate for Gini and coverage, because resampling alone makes \
lists look less even."""
"""Text of the protocol, with the usual k and rounds; printed with every table."""


@dataclass(frozen=True)
class ListFigure:
    """A list metric.

    Attributes:
        scores: (n_queries,) score of every query, 0 where the system cannot embed it.
        interval: percentile interval of the mean.
    """

    scores: Scores
    interval: Interval

    @property
    def mean(self) -> float:
        return mean_of(self.scores)


@dataclass(frozen=True)
class Result:
    """All figures of one system in one condition; NaN where a figure is undefined.

    Attributes:
        system, condition: names.
        k: length of a list.
        n_artists: number of candidates.
        n_queries, query_rows: the queries with a relevant candidate in the condition; as rows of the snapshot.
        n_relevant: (n_queries,) number of relevant candidates of each query.
        retrieved: (n_queries, k) each query's list, best first, as rows of the snapshot; -1 is an empty place.
        n_without_links: number of the other queries, which count only in Gini and coverage.
        lists: each of `riyl.core.ranking_metrics.LIST_METRICS` by name: ndcg, precision, recall, r_precision.
        ndcg_covered, covered_share: the mean nDCG over the queries that the system can embed, and their share.
        gini, gini_interval: Gini@k of retrieval counts, with a bias-corrected bootstrap interval.
        coverage, coverage_interval: share of the candidates in any list, with such an interval.
        depths: figures of the first ranks of the same lists, ascending; a depth that is not below k, or that no ready
            list reaches, is left out.
    """

    system: str
    condition: str
    k: int
    n_artists: int
    n_queries: int
    n_without_links: int
    query_rows: Rows
    n_relevant: Counts
    retrieved: Lists
    lists: Mapping[str, ListFigure]
    ndcg_covered: float
    covered_share: float
    gini: float
    gini_interval: Interval
    coverage: float
    coverage_interval: Interval
    depths: tuple[AtDepth, ...] = ()

    @property
    def ndcg(self) -> Scores:
        """NDCG@k of each query, (n_queries,)."""
        return self.lists["ndcg"].scores

    @property
    def ndcg_mean(self) -> float:
        return self.lists["ndcg"].mean

    @property
    def ndcg_interval(self) -> Interval:
        return self.lists["ndcg"].interval


@dataclass(frozen=True)
class Setup:
    """Settings that are the same for every system of an evaluation.

    Attributes:
        relevance: the ground truth over the artists of the snapshot.
        order: (n,) tie-break rank of every artist of the snapshot, see `riyl.index.build.exact_search.tie_break_rank`.
        k: length of a list; 200 as in the paper.
        rounds: number of bootstrap resamples.
        seed: seed of the resampling.
        threads: threads of search and resampling; 0 uses every core.
    """

    relevance: Relevance
    order: NDArray[np.int32]
    k: int = 200
    rounds: int = 1000
    seed: int = 0
    threads: int = 0


def evaluate(system: Evaluable, condition: Condition, setup: Setup, *, progress: Progress = silent) -> Result:
    """Evaluate one system in one condition by the protocol.

    Args:
        system: the system.
        condition: queries and candidates.
        setup: settings of the evaluation.
        progress: called with the progress of the search, which takes most of the time.

    Raises:
        InputError: see `riyl.index.build.exact_search.exact_top_k`; rounds is below 1.
        MismatchError: system, condition, ground truth and order are not over the same artists.
    """
    n = len(setup.order)
    if len(setup.relevance.indptr) - 1 != n:
        raise MismatchError(f"truth: found {len(setup.relevance.indptr) - 1} artists; wanted the snapshot's {n}")
    lists = retrieve(system, condition, setup.order, k=setup.k, threads=setup.threads, progress=progress)
    judged = judge(lists, condition, setup.relevance)
    scores = {name: metric(judged.hits, judged.n_relevant) for name, metric in LIST_METRICS.items()}
    spans = intervals(list(scores.values()), setup.rounds, seed=setup.seed)
    figures = {name: ListFigure(s, span) for (name, s), span in zip(scores.items(), spans, strict=True)}
    covered = system.covered[judged.query_rows]
    local, m = positions_of(condition.rows, n)[lists], len(condition.rows)
    counts = retrieval_counts(local, m)
    even = Evenness(gini(counts), coverage(counts))
    depths = depths_below(setup.k)
    if isinstance(system, RankedLists):
        depths = reached(depths, local, m)
    cores = setup.threads or os.cpu_count() or 1
    gini_span, coverage_span = evenness_intervals(local, m, even, setup.rounds, seed=setup.seed, threads=cores)
    return Result(
        system=system.name,
        condition=condition.name,
        k=setup.k,
        n_artists=m,
        n_queries=len(judged.query_rows),
        n_without_links=len(condition.query_rows) - len(judged.query_rows),
        query_rows=judged.query_rows,
        n_relevant=judged.n_relevant,
        retrieved=lists[np.searchsorted(condition.query_rows, judged.query_rows)],
        lists=figures,
        ndcg_covered=mean_of(scores["ndcg"][covered]),
        covered_share=mean_of(covered),
        gini=even.gini,
        gini_interval=gini_span,
        coverage=even.coverage,
        coverage_interval=coverage_span,
        depths=at_depths(depths, local, m, judged.hits, judged.n_relevant, setup.rounds, seed=setup.seed),
    )

"""The protocol: queries, candidates, measures, and their confidence intervals."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import MismatchError
from riyl.core.ranking_metrics import LIST_METRICS, Counts, Hits, coverage, gini, mean_of, retrieval_counts
from riyl.core.storage.ground_truth import Relevance
from riyl.core.types import Lists, Mask, Matrix, Progress, Rows, Scores, silent
from riyl.evaluation.bootstrap import Evenness, Interval, evenness_intervals, intervals
from riyl.evaluation.conditions import Condition
from riyl.index.build.exact_search import exact_top_k

PROTOCOL = """\
Each artist's list holds the 200 other artists of the condition (raw: those with any modality; fmc: those with all) \
that score highest, by exact search; the artist itself is excluded by its id, and equal scores are ordered by a seeded \
hash of the artist id. nDCG@200: binary gains, discount 1/log2(rank + 1), ideal over the first 200; its mean is over \
every artist of the condition with a similar artist in it, artists without one are left out and counted. A system that \
cannot embed a query scores 0 on it, and never retrieves an artist that it cannot embed; covered is the share of \
queries that it can embed, and nDCG over those is also given. Gini@200 is that of how often each artist of the \
condition, including those never retrieved, is in the lists of all its artists, with similar artists or without; \
coverage is the share that is in any list. Precision and recall at 200 and R-precision are over the queries of nDCG; \
precision divides by 200 for every list, R-precision looks at as many ranks as the query has similar artists. \
Intervals are 95 %, by 1,000 bootstrap rounds over the query artists: percentiles for nDCG, precision, recall and \
R-precision, and shifted so that their median is the estimate for Gini and coverage, because resampling alone makes \
lists look less even."""
"""Text of the protocol, with the usual k and rounds; printed with every table."""

FIRST = 10
"""Number of artists of each list that are kept with the figures, for inspection."""

_CELLS = 1 << 24


@dataclass(frozen=True)
class System:
    """A system to evaluate: scores of every artist for every other, as inner products.

    Attributes:
        name: name of the system in tables.
        queries: (n, d) float32, row i is the query vector of artist i of the snapshot; zeros where not covered.
        candidates: (n, d) float32, row i is its vector as a candidate; zeros where not covered. The score of y for x is
            <queries[x], candidates[y]>; a correction that depends on y is one more column here, of ones in queries.
        covered: (n,) bool, true for artists that the system can embed.
        restricted: returns query and candidate vectors of some covered artists, for a search among these only: for
            corrections that depend on the candidates (hubness). None: their rows of `queries` and `candidates`.
    """

    name: str
    queries: Matrix
    candidates: Matrix
    covered: Mask
    restricted: Callable[[Rows], tuple[Matrix, Matrix]] | None = None


@dataclass(frozen=True)
class Judged:
    """Lists judged by the ground truth.

    Attributes:
        query_rows: (q,) rows of the snapshot: the artists of the condition with a relevant candidate in it.
        hits: (q, k) bool, true for relevant artists in the lists.
        n_relevant: (q,) number of relevant candidates of each query, at least 1.
    """

    query_rows: Rows
    hits: Hits
    n_relevant: Counts


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
        n_artists: number of artists of the condition; all are candidates.
        n_queries, query_rows: those with a relevant candidate in the condition; as rows of the snapshot.
        n_relevant: (n_queries,) number of relevant candidates of each query.
        first: (n_queries, `FIRST`) the best of each query's list, as rows of the snapshot; -1 is an empty place.
        n_without_links: number of the other artists, which count only in Gini and coverage.
        lists: each of `riyl.core.ranking_metrics.LIST_METRICS` by name: ndcg, precision, recall, r_precision.
        ndcg_covered, covered_share: the mean nDCG over the queries that the system can embed, and their share.
        gini, gini_interval: Gini@k of retrieval counts, with a bias-corrected bootstrap interval.
        coverage, coverage_interval: share of the candidates in any list, with such an interval.
    """

    system: str
    condition: str
    k: int
    n_artists: int
    n_queries: int
    n_without_links: int
    query_rows: Rows
    n_relevant: Counts
    first: Lists
    lists: Mapping[str, ListFigure]
    ndcg_covered: float
    covered_share: float
    gini: float
    gini_interval: Interval
    coverage: float
    coverage_interval: Interval

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


def evaluate(system: System, condition: Condition, setup: Setup, *, progress: Progress = silent) -> Result:
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
    local, m = _positions(condition, n)[lists], len(condition.rows)
    counts = retrieval_counts(local, m)
    even = Evenness(gini(counts), coverage(counts))
    cores = setup.threads or os.cpu_count() or 1
    gini_span, coverage_span = evenness_intervals(local, m, even, setup.rounds, seed=setup.seed, threads=cores)
    return Result(
        system=system.name,
        condition=condition.name,
        k=setup.k,
        n_artists=m,
        n_queries=len(judged.query_rows),
        n_without_links=m - len(judged.query_rows),
        query_rows=judged.query_rows,
        n_relevant=judged.n_relevant,
        first=lists[np.searchsorted(condition.rows, judged.query_rows), :FIRST].copy(),
        lists=figures,
        ndcg_covered=mean_of(scores["ndcg"][covered]),
        covered_share=mean_of(covered),
        gini=even.gini,
        gini_interval=gini_span,
        coverage=even.coverage,
        coverage_interval=coverage_span,
    )


def retrieve(
    system: System,
    condition: Condition,
    order: NDArray[np.int32],
    *,
    k: int = 200,
    threads: int = 0,
    progress: Progress = silent,
) -> Lists:
    """Retrieve the list of every artist of a condition, among the condition's other artists.

    Returns:
        (len(condition.rows), k) rows of the snapshot, best first; -1 after the end of a list, and in the whole list of
        an artist that the system cannot embed.

    Raises:
        InputError: see `riyl.index.build.exact_search.exact_top_k`.
        MismatchError: system, condition and order are not over the same artists.
    """
    n = len(order)
    if not len(system.queries) == len(system.candidates) == len(system.covered) == n:
        raise MismatchError(
            f"system {system.name!r}: found {len(system.queries)} queries, {len(system.candidates)} candidates and "
            f"{len(system.covered)} marks of coverage; wanted the snapshot's {n} of each"
        )
    _check_rows(condition, n)
    able = system.covered[condition.rows]
    rows = condition.rows[able]
    if system.restricted is not None:
        queries, candidates = system.restricted(rows)
    else:
        queries = system.queries[rows]
        candidates = queries if system.candidates is system.queries else system.candidates[rows]
    self_positions = np.arange(len(rows), dtype=np.int32)
    positions, _ = exact_top_k(
        queries, candidates, k, order=order[rows], self_positions=self_positions, threads=threads, progress=progress
    )
    lists = np.full((len(condition.rows), k), -1, np.int32)
    lists[able] = np.append(rows, np.int32(-1))[positions]  # position -1 is the -1 appended
    return lists


def judge(lists: Lists, condition: Condition, relevance: Relevance) -> Judged:
    """Judge the lists of a condition by the ground truth; relevant artists outside of the condition do not count.

    Args:
        lists: (len(condition.rows), k) rows of the snapshot, see `retrieve`.
        condition: queries and candidates.
        relevance: the ground truth over the artists of the snapshot.

    Raises:
        MismatchError: lists, condition and ground truth are not over the same artists.
    """
    n, m = len(relevance.indptr) - 1, len(condition.rows)
    _check_rows(condition, n)
    if len(lists) != m:
        raise MismatchError(f"condition {condition.name!r}: found {len(lists)} lists; wanted {m}, one for each artist")
    position = _positions(condition, n)
    first, last = relevance.indptr[condition.rows], relevance.indptr[condition.rows + 1]
    owners = np.repeat(np.arange(m), last - first)  # (pairs,)
    before = np.cumsum(last - first) - (last - first)
    columns = position[relevance.columns[np.arange(len(owners)) + np.repeat(first - before, last - first)]]
    columns, owners = columns[columns >= 0], owners[columns >= 0]
    n_relevant = np.bincount(owners, minlength=m)
    queries = np.flatnonzero(n_relevant)
    hits = np.zeros((len(queries), lists.shape[1]), bool)
    starts = np.concatenate([[0], np.cumsum(n_relevant[queries])])
    step = max(1, _CELLS // (m + 1))
    for start in range(0, len(queries), step):
        chunk = queries[start : start + step]
        relevant = np.zeros((len(chunk), m + 1), bool)  # position -1 points at the last column, which is never relevant
        pairs = slice(starts[start], starts[start + len(chunk)])
        relevant[np.repeat(np.arange(len(chunk)), n_relevant[chunk]), columns[pairs]] = True
        hits[start : start + step] = np.take_along_axis(relevant, position[lists[chunk]], axis=1)
    return Judged(condition.rows[queries], hits, n_relevant[queries])


def _check_rows(condition: Condition, n: int) -> None:
    if len(condition.rows) and not 0 <= condition.rows.min() <= condition.rows.max() < n:
        raise MismatchError(
            f"condition {condition.name!r}: found rows {condition.rows.min()} to {condition.rows.max()}; "
            f"wanted 0 to {n - 1}"
        )


def _positions(condition: Condition, n: int) -> Rows:
    """Return the position in the condition of each row of the snapshot, (n + 1,); -1 outside of it, and for row -1."""
    position = np.full(n + 1, -1, np.int32)
    position[condition.rows] = np.arange(len(condition.rows), dtype=np.int32)
    return position

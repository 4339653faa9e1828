"""Retrieval of lists in a condition, and their judgement by a ground truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import MismatchError
from riyl.core.ranking_metrics import Counts, Hits
from riyl.core.storage.ground_truth import Relevance
from riyl.core.types import Lists, Mask, Matrix, Progress, Rows, silent
from riyl.evaluation.conditions import Condition
from riyl.index.build.exact_search import exact_top_k

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
        vectors: (n, d) float32 unit rows before any correction of scores, to which another one can be applied; None
            where there are none.
    """

    name: str
    queries: Matrix
    candidates: Matrix
    covered: Mask
    restricted: Callable[[Rows], tuple[Matrix, Matrix]] | None = None
    vectors: Matrix | None = None


@dataclass(frozen=True)
class RankedLists:
    """A system to evaluate: ready lists, best first, made elsewhere.

    A condition keeps those of its candidates that are in a list, in the list's order.

    Attributes:
        name: name of the system in tables.
        indptr: (n + 1,) int64; the list of artist i of the snapshot is `rows[indptr[i]:indptr[i + 1]]`.
        rows: int32 rows of the snapshot, none twice in a list, and never the artist of the list itself.
        covered: (n,) bool, true for artists that have a list, be it empty.
    """

    name: str
    indptr: NDArray[np.int64]
    rows: Rows
    covered: Mask


Evaluable: TypeAlias = System | RankedLists
"""Anything that lists come from."""


@dataclass(frozen=True)
class Judged:
    """Lists judged by the ground truth.

    Attributes:
        query_rows: (q,) rows of the snapshot: the queries of the condition with a relevant candidate in it.
        hits: (q, k) bool, true for relevant artists in the lists.
        n_relevant: (q,) number of relevant candidates of each query, at least 1.
    """

    query_rows: Rows
    hits: Hits
    n_relevant: Counts


def retrieve(
    system: Evaluable,
    condition: Condition,
    order: NDArray[np.int32],
    *,
    k: int = 200,
    threads: int = 0,
    progress: Progress = silent,
) -> Lists:
    """Retrieve the list of every query of a condition, among the condition's candidates without the query itself.

    Returns:
        (len(condition.query_rows), k) rows of the snapshot, best first; -1 after the end of a list, and in the whole
        list of an artist that the system cannot embed.

    Raises:
        InputError: see `riyl.index.build.exact_search.exact_top_k`.
        MismatchError: system, condition and order are not over the same artists.
    """
    n = len(order)
    _check_rows(condition, n)
    if isinstance(system, RankedLists):
        return _ready_lists(system, condition, n, k)
    if not len(system.queries) == len(system.candidates) == len(system.covered) == n:
        raise MismatchError(
            f"system {system.name!r}: found {len(system.queries)} queries, {len(system.candidates)} candidates and "
            f"{len(system.covered)} marks of coverage; wanted the snapshot's {n} of each"
        )
    able = system.covered[condition.query_rows]
    query_rows, rows = condition.query_rows[able], condition.rows[system.covered[condition.rows]]
    if system.restricted is not None:
        queries, candidates = system.restricted(rows)
    else:
        queries = system.queries[rows]
        candidates = queries if system.candidates is system.queries else system.candidates[rows]
    if condition.queries is not None:
        queries = system.queries[query_rows]  # corrections that depend on the candidates are in these alone
    self_positions = positions_of(rows, n)[query_rows]
    positions, _ = exact_top_k(
        queries, candidates, k, order=order[rows], self_positions=self_positions, threads=threads, progress=progress
    )
    lists = np.full((len(condition.query_rows), k), -1, np.int32)
    lists[able] = np.append(rows, np.int32(-1))[positions]  # position -1 is the -1 appended
    return lists


def _ready_lists(system: RankedLists, condition: Condition, n: int, k: int) -> Lists:
    """Return the first k candidates of each query's list, (len(condition.query_rows), k)."""
    if len(system.covered) != n or len(system.indptr) != n + 1:
        raise MismatchError(
            f"system {system.name!r}: found {len(system.covered)} marks of coverage and {len(system.indptr) - 1} "
            f"lists; wanted the snapshot's {n} of each"
        )
    is_candidate = np.zeros(n, bool)
    is_candidate[condition.rows] = True
    owner = positions_of(condition.query_rows, n)[np.repeat(np.arange(n), np.diff(system.indptr))]  # (entries,)
    kept = (owner >= 0) & is_candidate[system.rows]
    owner, entries = owner[kept], system.rows[kept]
    rank = np.arange(len(owner)) - np.searchsorted(owner, np.arange(len(condition.query_rows)))[owner]
    lists = np.full((len(condition.query_rows), k), -1, np.int32)
    lists[owner[rank < k], rank[rank < k]] = entries[rank < k]
    return lists


def judge(lists: Lists, condition: Condition, relevance: Relevance) -> Judged:
    """Judge the lists of a condition by the ground truth; relevant artists outside of the condition do not count.

    Args:
        lists: (len(condition.query_rows), k) rows of the snapshot, see `retrieve`.
        condition: queries and candidates.
        relevance: the ground truth over the artists of the snapshot.

    Raises:
        MismatchError: lists, condition and ground truth are not over the same artists.
    """
    n, m = len(relevance.indptr) - 1, len(condition.rows)
    _check_rows(condition, n)
    of_queries = condition.query_rows
    if len(lists) != len(of_queries):
        wanted = f"{len(of_queries)}, one for each query"
        raise MismatchError(f"condition {condition.name!r}: found {len(lists)} lists; wanted {wanted}")
    position = positions_of(condition.rows, n)
    first, last = relevance.indptr[of_queries], relevance.indptr[of_queries + 1]
    owners = np.repeat(np.arange(len(of_queries)), last - first)  # (pairs,)
    before = np.cumsum(last - first) - (last - first)
    columns = position[relevance.columns[np.arange(len(owners)) + np.repeat(first - before, last - first)]]
    columns, owners = columns[columns >= 0], owners[columns >= 0]
    n_relevant = np.bincount(owners, minlength=len(of_queries))
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
    return Judged(of_queries[queries], hits, n_relevant[queries])


def _check_rows(condition: Condition, n: int) -> None:
    for rows in (condition.rows, condition.query_rows):
        if len(rows) and not 0 <= rows.min() <= rows.max() < n:
            raise MismatchError(
                f"condition {condition.name!r}: found rows {rows.min()} to {rows.max()}; wanted 0 to {n - 1}"
            )


def positions_of(rows: Rows, n: int) -> Rows:
    """Return the position in (m,) rows of each row of a snapshot, (n + 1,); -1 outside of them, and for row -1."""
    position = np.full(n + 1, -1, np.int32)
    position[rows] = np.arange(len(rows), dtype=np.int32)
    return position

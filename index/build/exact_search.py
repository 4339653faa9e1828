"""Exact nearest neighbours by inner product (Faiss), with ties broken by the artist's id and never by its row."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeAlias

import faiss
import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import InputError, MismatchError
from riyl.core.threads import limit_threads
from riyl.core.types import Lists, Matrix, Progress, silent

Places: TypeAlias = NDArray[np.int64]
"""(n,) int64 positions in another array."""

MARGIN = 16
"""Distinct vectors requested beyond those needed, so that most ties at the end of a list show in the first search."""

BUDGET = 9 << 17
"""Maximum entries (query, candidate) in memory; with about ten working arrays of 8 bytes that is about 100 MB.

Lists of 256 take as many queries at once as lists of 200 do: the shape of the matrix product changes the last bit of
scores, and a list of 200 should be the beginning of the list of 256.
"""

QUERIES_AT_ONCE = 4096
"""Queries in one matrix product, as many as Faiss itself takes."""


@dataclass(frozen=True)
class _Groups:
    """Candidates grouped by vector, so that equal ones can be ordered after the search.

    Attributes:
        vectors: (u, d) float32, each distinct vector once, in an order that depends on the vectors alone.
        starts: (u + 1,) int64; group g is `members[starts[g]:starts[g + 1]]`.
        members: (n,) int32 candidates, group by group, within a group by tie rank.
        ranks: (n,) int64, the tie rank of each entry of `members`, as a permutation of 0..n-1.
    """

    vectors: Matrix
    starts: Places
    members: NDArray[np.int32]
    ranks: Places


def exact_top_k(
    queries: Matrix,
    candidates: Matrix,
    k: int,
    *,
    order: NDArray[np.int32],
    self_positions: NDArray[np.int32],
    threads: int = 0,
    progress: Progress = silent,
) -> tuple[Lists, Matrix]:
    """Return the k candidates with the highest inner product with each query, without the query itself.

    Exact: every pair is scored, in float32. Equal scores are ordered by `order`, also across the end of the list, so
    the lists do not depend on the order of rows. Candidates with the same bytes are one vector to Faiss and equal by
    construction; scores of different vectors are equal where their float32 values are. Memory beyond the inputs, a
    copy of the candidates and the result is bounded, whatever their number.

    Args:
        queries: (q, d) float32, finite.
        candidates: (n, d) float32, finite.
        k: length of a list, at least 1.
        order: (n,) tie rank of each candidate, distinct; see `tie_break_rank`.
        self_positions: (q,) the candidate that the query itself is; -1 where it is none. Only this candidate is left
            out: others with the same vector stay.
        threads: threads of Faiss and its matrix products during the call; 0 takes every core.
        progress: told how many queries are done.

    Returns:
        (q, k) int32 positions of candidates, best first, -1 after the end where there are fewer than k;
        (q, k) float32 scores, NaN there.

    Raises:
        InputError: a vector or score is not finite, vectors have no width, k is below 1, or two candidates share a
            tie rank.
        MismatchError: widths, or lengths of `order` and `self_positions`, differ from those of the vectors.
    """
    _check(queries, candidates, k, order, self_positions)
    lists = np.full((len(queries), k), -1, np.int32)
    scores = np.full((len(queries), k), np.nan, np.float32)
    if not len(candidates) or not len(queries):
        return lists, scores
    first, which = _distinct(queries)
    groups = _grouped(candidates, order, (first, which) if candidates is queries else _distinct(candidates))
    by_vector = np.argsort(which, kind="stable")
    step = max(1, min(QUERIES_AT_ONCE, BUDGET // (k + 1 + MARGIN)))
    with limit_threads(threads):
        for start in range(0, len(queries), step):
            chunk = by_vector[start : start + step]
            low = which[chunk[0]]
            ranked, values = _search(_plain(queries[first[low : which[chunk[-1]] + 1]]), groups, k + 1)
            offsets = which[chunk] - low
            lists[chunk], scores[chunk] = _without_self(ranked[offsets], values[offsets], self_positions[chunk])
            progress("exact search", start + len(chunk), len(queries))
    return lists, scores


def _check(
    queries: Matrix, candidates: Matrix, k: int, order: NDArray[np.int32], self_positions: NDArray[np.int32]
) -> None:
    if k < 1:
        raise InputError(f"list length: found {k}; wanted at least 1")
    if queries.ndim != 2 or candidates.ndim != 2 or queries.shape[1] != candidates.shape[1]:
        raise MismatchError(
            f"vectors: found queries of shape {queries.shape} and candidates of shape {candidates.shape}; "
            "wanted two matrices of one width"
        )
    if queries.shape[1] == 0:
        raise InputError("vectors: found a width of 0; wanted at least 1")
    if len(order) != len(candidates) or len(self_positions) != len(queries):
        raise MismatchError(
            f"found {len(order)} tie ranks for {len(candidates)} candidates and {len(self_positions)} own positions "
            f"for {len(queries)} queries; wanted one each"
        )
    if len(self_positions) and not -1 <= self_positions.min() <= self_positions.max() < len(candidates):
        raise MismatchError(
            f"own positions: found {self_positions.min()} to {self_positions.max()}; "
            f"wanted -1, or a candidate below {len(candidates)}"
        )
    if len(np.unique(order)) != len(order):
        raise InputError(f"tie ranks: found {len(np.unique(order))} distinct among {len(order)}; wanted all distinct")
    for name, matrix in (("query", queries), ("candidate", candidates)):
        bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
        if len(bad):
            raise InputError(f"{name} {bad[0]}: found a number that is not finite; wanted finite vectors")


def _distinct(matrix: Matrix) -> tuple[Places, Places]:
    """Return the first position of each distinct row, and the number of each row among them; ordered by bytes alone.

    Rows are compared by a 128-bit hash of their bytes: sorting hashes is ten times faster than sorting rows.
    """
    digests = bytearray()
    for start in range(0, len(matrix), QUERIES_AT_ONCE):
        for row in _plain(matrix[start : start + QUERIES_AT_ONCE]):
            digests += blake2b(row, digest_size=16).digest()
    _, first, inverse = np.unique(np.frombuffer(digests, "V16"), return_index=True, return_inverse=True)
    return first, inverse


def _plain(matrix: Matrix) -> Matrix:
    """Return a contiguous copy with 0.0 for -0.0, so that equal numbers are equal bytes."""
    return np.add(matrix, np.float32(0), dtype=np.float32, order="C")


def _grouped(candidates: Matrix, order: NDArray[np.int32], distinct: tuple[Places, Places]) -> _Groups:
    first, group = distinct
    by_rank = np.argsort(order)
    ranks = np.argsort(group[by_rank], kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(group))])
    return _Groups(_plain(candidates[first]), starts, by_rank[ranks].astype(np.int32), ranks)


def _search(queries: Matrix, groups: _Groups, k: int) -> tuple[Lists, Matrix]:
    """Return (m, k) candidates and scores of distinct queries, the query itself included.

    Where the worst vector returned scores the same as the k-th candidate, equally good ones may be missing: the search
    of those queries is repeated for four times as many, until none can be missing.
    """
    lists = np.full((len(queries), k), -1, np.int32)
    scores = np.full((len(queries), k), np.nan, np.float32)
    open_rows = np.arange(len(queries))
    width = min(len(groups.vectors), k + MARGIN)
    while len(open_rows):
        still_open = []
        step = max(1, BUDGET // width)
        for start in range(0, len(open_rows), step):
            rows = open_rows[start : start + step]
            values, group_ids = faiss.knn(queries[rows], groups.vectors, width, metric=faiss.METRIC_INNER_PRODUCT)
            if not np.isfinite(values).all():
                raise InputError("scores: found one that is not finite; wanted vectors whose products fit float32")
            sizes = np.minimum(np.diff(groups.starts)[group_ids], k)  # (m, width): more than k of a group never count
            edge = _edge(values, sizes, k)
            decided = (values[:, -1] < edge) | (width == len(groups.vectors))
            lists[rows[decided]], scores[rows[decided]] = _expand(
                values[decided], group_ids[decided], sizes[decided], edge[decided], groups, k
            )
            still_open.append(rows[~decided])
        open_rows = np.concatenate(still_open)
        width = min(len(groups.vectors), 4 * width)
    return lists, scores


def _edge(values: Matrix, sizes: NDArray[np.int64], k: int) -> Matrix:
    """Return the score of the k-th candidate, (m,); the worst score where there are fewer."""
    full = np.cumsum(sizes, axis=1) >= k  # (m, width)
    position = np.where(full[:, -1], np.argmax(full, axis=1), values.shape[1] - 1)
    return np.take_along_axis(values, position[:, None], axis=1)[:, 0]


def _expand(
    values: Matrix, group_ids: Places, sizes: NDArray[np.int64], edge: Matrix, groups: _Groups, k: int
) -> tuple[Lists, Matrix]:
    """Expand every group that can reach the first k into its candidates, equal scores by tie rank.

    Args:
        values: (m, w) scores, descending.
        group_ids: (m, w) groups.
        sizes: (m, w) candidates of each group that can count, at most k.
        edge: (m,) score of the k-th candidate.
        groups: all groups.
        k: length of a list.
    """
    counts = np.where(values >= edge[:, None], sizes, 0)  # (m, w)
    totals = counts.sum(axis=1)
    if len(values) > 1 and totals.sum() > 4 * BUDGET:
        half = len(values) // 2
        parts = [_expand(values[s], group_ids[s], sizes[s], edge[s], groups, k) for s in (np.s_[:half], np.s_[half:])]
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
    flat = counts.ravel()
    cell = np.repeat(np.arange(flat.size), flat)  # (t,) the (row, column) that an entry comes from
    shift = groups.starts[group_ids].ravel() - (np.cumsum(flat) - flat)
    entry = np.arange(len(cell)) + shift[cell]  # (t,) into groups.members
    _order_ties(values, cell, entry, groups)
    start = np.cumsum(totals) - totals
    at = np.minimum(start[:, None] + np.arange(k), max(len(cell) - 1, 0))  # (m, k)
    inside = np.arange(k) < totals[:, None]
    lists = np.where(inside, groups.members[entry[at]], -1).astype(np.int32, copy=False)
    return lists, np.where(inside, values.ravel()[cell[at]], np.nan).astype(np.float32, copy=False)


def _order_ties(values: Matrix, cell: Places, entry: Places, groups: _Groups) -> None:
    """Sort entries of different groups with one score by tie rank, in place; a single group is sorted already."""
    same = values[:, 1:] == values[:, :-1]  # (m, w - 1): as good as the previous column
    tied = np.zeros(values.shape, bool)
    tied[:, 1:] = same
    tied[:, :-1] |= same
    if not tied.any():
        return
    fresh = np.ones(values.shape, bool)
    fresh[:, 1:] = ~same
    run = np.cumsum(fresh.ravel())  # (m * w,) equal scores of one query share a number, ascending
    places = np.flatnonzero(tied.ravel()[cell])
    keys = run[cell[places]] * len(groups.ranks) + groups.ranks[entry[places]]
    entry[places] = entry[places][np.argsort(keys)]


def _without_self(ranked: Lists, values: Matrix, self_positions: NDArray[np.int32]) -> tuple[Lists, Matrix]:
    """Cut (m, k + 1) lists to k: drop the query where the list holds it, else the last candidate."""
    keep = (ranked != self_positions[:, None]) | (self_positions[:, None] < 0)  # (m, k + 1)
    keep[keep.all(axis=1), -1] = False
    shape = (len(ranked), ranked.shape[1] - 1)
    return ranked[keep].reshape(shape), values[keep].reshape(shape)

"""Groups of artists that the score cannot tell apart, scored once for all members: a nightly import has many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riyl.core.types import Matrix, Scores
from riyl.index.artifact.arrays import LIST_LENGTH
from riyl.index.scoring.exact import exactly, rescored
from riyl.index.scoring.factors import Patterns

MAX_PAIRS = 1 << 16
"""Pairs of artists that are expanded at once, about 3 MB."""

BLOCK = 512
"""Maximum number of live artists that are compared with as many others at a time."""

_ENOUGH = LIST_LENGTH + 2
"""Members of one group that a list can need: its length, the list's own artist, and the first one left out."""


@dataclass(frozen=True)
class Groups:
    """Artists grouped by equal values.

    Attributes:
        first: (g,) int64, position of one artist of each group.
        starts: (g + 1,) int64; group i is `members[starts[i]:starts[i + 1]]`.
        members: (m,) int64 positions, group by group, within a group by tie key.
    """

    first: NDArray[np.int64]
    starts: NDArray[np.int64]
    members: NDArray[np.int64]

    @staticmethod
    def of(columns: Sequence[NDArray[Any]], keys: NDArray[np.uint64]) -> Groups:
        """Group m artists by the bytes of their values.

        Args:
            columns: (m, ...) values; artists with equal values in all columns form a group.
            keys: (m,) tie keys.
        """
        m = len(keys)
        values = np.hstack([np.ascontiguousarray(c).reshape(m, -1).view(np.uint8).reshape(m, -1) for c in columns])
        rows = np.ascontiguousarray(values).view(f"V{values.shape[1]}").ravel()
        _, first, group = np.unique(rows, return_index=True, return_inverse=True)
        sizes = np.bincount(group, minlength=len(first))
        return Groups(first, np.concatenate([[0], np.cumsum(sizes)]), np.lexsort((keys, group)))

    @staticmethod
    def alone(m: int) -> Groups:
        """Return m groups of one artist each."""
        positions = np.arange(m + 1)
        return Groups(positions[:-1], positions, positions[:-1])

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of members of each group, (g,)."""
        return np.diff(self.starts)


def written_out(
    queries: Groups, candidates: Groups, pairs: tuple[NDArray[np.int64], NDArray[np.int64]], scores: Scores
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], Scores]]:
    """Expand pairs of groups into pairs of artists, in bounded memory.

    Of a group of candidates, only as many members are expanded as a list can take, the first by tie key.

    Args:
        queries: the groups of queries.
        candidates: the groups of candidates.
        pairs: (e,) groups of queries and (e,) groups of candidates.
        scores: (e,) score of each pair.

    Yields:
        (p,) queries, (p,) candidates and (p,) scores.
    """
    x, y = pairs
    widths = np.minimum(candidates.sizes, _ENOUGH)[y]
    totals = queries.sizes[x] * widths
    ends = np.cumsum(totals)
    start = 0
    while start < len(x):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + MAX_PAIRS, side="right")))
        part = slice(start, stop)
        pair = np.repeat(np.arange(start, stop), totals[part])
        offset = np.arange(len(pair)) - np.repeat(ends[part] - totals[part] - before, totals[part])
        query = queries.members[queries.starts[x[pair]] + offset // widths[pair]]
        candidate = candidates.members[candidates.starts[y[pair]] + offset % widths[pair]]
        yield query, candidate, scores[pair]
        start = stop


def blocks(positions: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Split (m,) positions into blocks of at most `BLOCK`."""
    return np.split(positions, range(BLOCK, len(positions), BLOCK))


@dataclass(frozen=True)
class LiveScores:
    """Scores among m live artists.

    Attributes:
        vectors: (m, d) float32.
        patterns: (m,) int32, indices into `c`.
        h: (m,) float32.
        keys: (m,) uint64 tie keys.
        c: (P, P) float32.
    """

    vectors: Matrix
    patterns: Patterns
    h: NDArray[np.float32]
    keys: NDArray[np.uint64]
    c: Matrix

    def pairs(
        self, queries: NDArray[np.int64], candidates: NDArray[np.int64], least: NDArray[np.float32]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], Scores]]:
        """Find the candidates that score enough for a query; each pair of different vectors is scored once.

        Args:
            queries: (q,) artists, a block of them.
            candidates: (b,) artists, a block of them.
            least: (q,) minimum score of a candidate.

        Yields:
            (p,) positions in `queries`, (p,) positions in `candidates`, never of the same artist, and (p,) scores.
            Of equal candidates, only as many as a list can take; some may score less than their query's `least`.
        """
        if not len(queries) or not len(candidates):
            return
        of_queries = Groups.of([self.vectors[queries], self.patterns[queries]], self.keys[queries])
        of_candidates = Groups.of(
            [column[candidates] for column in (self.vectors, self.patterns, self.h)], self.keys[candidates]
        )
        x_rows, y_rows = queries[of_queries.first], candidates[of_candidates.first]
        least_of_group = np.minimum.reduceat(least[of_queries.members], of_queries.starts[:-1])
        (x, y), values = rescored(
            self.vectors[x_rows] @ self.vectors[y_rows].T,
            lambda x, y: exactly(self.vectors[x_rows[x]], self.vectors[y_rows[y]]),
            self.c[self.patterns[x_rows]][:, self.patterns[y_rows]],
            self.h[y_rows],
            least=least_of_group[:, None],
        )
        for query, candidate, scores in written_out(of_queries, of_candidates, (x, y), values):
            other = queries[query] != candidates[candidate]
            yield query[other], candidate[other], scores[other]

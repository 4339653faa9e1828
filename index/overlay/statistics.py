"""A new artist against a version: its hubness, its list, and the lists that it enters; each product made once.

Products in float32 tell who can matter, and those are scored in float64: so what is found does not depend on who else
is measured at the same time, and every replica finds the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from riyl.core.types import Lists, Matrix, Rows, Scores, Vector
from riyl.index.artifact.arrays import LIST_LENGTH
from riyl.index.artifact.version import Version
from riyl.index.overlay.entries import Keys
from riyl.index.scoring.exact import exactly, rescored
from riyl.index.scoring.factors import Patterns
from riyl.index.scoring.hubness import measured_in
from riyl.index.scoring.tie_breaking import tie_keys

_CELLS = 1 << 21
_MAX_BLOCK = 64


@dataclass(frozen=True)
class Measured:
    """What b artists are beside a version's.

    Attributes:
        h: (b,) float32, see `riyl.index.scoring.score`.
        lists: (b, 256) int32 rows of the version, best first, -1 behind the end: who is similar to each.
        scores: (b, 256) float32, NaN behind the end.
        query_rows: (e,) int32 rows of the version in whose lists one of them stands.
        which: (e,) int32 which of the b.
        entering: (e,) float64 the score there.
    """

    h: NDArray[np.float32]
    lists: Lists
    scores: Matrix
    query_rows: Rows
    which: NDArray[np.int32]
    entering: Scores


class VersionStatistics:
    """A version, with what artists are measured by, made when it is first asked for."""

    def __init__(self, version: Version) -> None:
        self.version = version

    @cached_property
    def least(self) -> NDArray[np.float32]:
        """(n,) what an artist must score to enter each ready list: more than infinity where nobody can be similar."""
        version = self.version
        least = np.where(version.has_embedding, version.scores[:, -1], np.inf).astype(np.float32)
        least[version.has_embedding & (version.neighbours[:, -1] < 0)] = -np.inf
        return least

    @cached_property
    def tie_keys(self) -> Keys:
        """(n,) uint64, the order among equal scores."""
        return tie_keys(self.version.artist_ids)

    @cached_property
    def least_keys(self) -> Keys:
        """(n,) the tie key that an artist must stand in front of to enter each ready list with the least score."""
        return self.tie_keys[self.version.neighbours[:, -1]]

    @cached_property
    def hubness_sample(self) -> tuple[NDArray[np.int64], int]:
        """The artists in whose lists h is measured, and over how many of the best scores there."""
        rows = np.flatnonzero(self.version.has_embedding)
        drawn, nearest = measured_in(len(rows), self.version.scoring.settings)
        return rows[drawn], nearest

    @cached_property
    def _by_listeners(self) -> NDArray[np.int64]:
        return np.sort(self.version.listeners)

    def popularity(self, listeners: int, own_row: int) -> float:
        """-1 to 1, `riyl.index.scoring.popularity.popularity_of` an artist among the others of the version.

        Args:
            own_row: the row that the version has of it already; -1 where it has none.
        """
        below = int(np.searchsorted(self._by_listeners, listeners))
        equal = int(np.searchsorted(self._by_listeners, listeners, side="right")) - below
        others = len(self._by_listeners)
        if own_row >= 0:
            before = int(self.version.listeners[own_row])
            below, equal, others = below - (before < listeners), equal - (before == listeners), others - 1
        return 2 * (below + (equal + 1) / 2) / (others + 1) - 1


def measure(
    statistics: VersionStatistics,
    vectors: Matrix,
    patterns: Patterns,
    popularity: NDArray[np.float32],
    own_rows: Rows,
    c: Matrix,
) -> Measured:
    """Measure artists with an embedding against a version, its own row of each left out.

    Args:
        vectors: (b, d) float32 unit rows.
        patterns: (b,) int32, into `c`.
        popularity: (b,) -1 to 1.
        own_rows: (b,) int32 row that the version has of each already; -1 where it has none.
        c: (P, P) float32, the version's with those of further patterns behind them.
    """
    version, b = statistics.version, len(vectors)
    h, nobody = np.empty(b, np.float32), np.empty(0, np.int32)
    lists, scores = np.full((b, LIST_LENGTH), -1, np.int32), np.full((b, LIST_LENGTH), np.nan, np.float32)
    entries = [(nobody, nobody, np.empty(0, np.float64))]
    step = max(1, min(_MAX_BLOCK, _CELLS // version.n_artists))
    for start in range(0, b, step):
        block = np.ascontiguousarray((version.embeddings @ vectors[start : start + step].T).T)  # (step, n)
        block[:, ~version.has_embedding] = -np.inf
        for i, cosines in enumerate(block, start):
            if own_rows[i] >= 0:
                cosines[own_rows[i]] = -np.inf
            as_query, as_candidate = c[patterns[i], version.patterns], c[version.patterns, patterns[i]]
            h[i], rows, values, query_rows, entering = _measured(
                statistics, cosines, vectors[i], as_query, as_candidate, popularity[i]
            )
            lists[i, : len(rows)], scores[i, : len(rows)] = rows, values
            entries.append((query_rows, np.full(len(query_rows), i, np.int32), entering))
    return Measured(h, lists, scores, *(np.concatenate(parts) for parts in zip(*entries, strict=True)))


def _measured(
    statistics: VersionStatistics,
    cosines: NDArray[np.float32],
    vector: Vector,
    as_query: NDArray[np.float32],
    as_candidate: NDArray[np.float32],
    popularity: np.float32,
) -> tuple[float, Rows, Vector, Rows, Scores]:
    """Measure one artist.

    Args:
        cosines: (n,) float32 with the artists of the version; -inf leaves an artist out.
        vector: (d,) float32.
        as_query: (n,) float32 c for the artists of the version where this one is the query.
        as_candidate: (n,) float32 c where it is the candidate.
        popularity: -1 to 1.

    Returns:
        h; the rows of its list, best first, and their scores; the rows whose lists it enters, and its scores there.
    """
    version, (sample, nearest) = statistics.version, statistics.hubness_sample
    settings = version.scoring.settings

    def exact(rows: NDArray[np.int64]) -> Scores:
        return exactly(version.embeddings[rows], vector[None])

    h = -settings.popularity * float(popularity) if len(sample) else 0.0
    if settings.hubness and len(sample):
        _, nearby = rescored(cosines[sample], lambda at: exact(sample[at]), as_candidate[sample], k=nearest)
        h += settings.hubness * float(np.mean(np.sort(nearby)[::-1][:nearest])) if len(nearby) else 0.0
    h = float(np.float32(h))
    (near,), scores = rescored(cosines, exact, as_query, version.scoring.h, k=LIST_LENGTH)
    best = np.lexsort((statistics.tie_keys[near], -scores.astype(np.float32)))[:LIST_LENGTH]
    (query_rows,), entering = rescored(cosines, exact, as_candidate, h, least=statistics.least)
    return h, near[best].astype(np.int32), scores[best].astype(np.float32), query_rows.astype(np.int32), entering

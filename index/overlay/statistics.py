"""A new artist against a version: its hubness, its list, and the lists that it enters; each product made once.

Products in float32 tell who can matter, and those are scored in float64: so what is found does not depend on who else
is measured at the same time, and every replica finds the same.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from riyl.core.types import Lists, Matrix, Rows
from riyl.index.artifact.version import LIST_LENGTH, Version
from riyl.index.scoring.exact import SLACK, exactly, highest
from riyl.index.scoring.factors import Patterns
from riyl.index.scoring.hubness import measured_in
from riyl.index.scoring.score import scored
from riyl.index.scoring.tie_breaking import ordered

_CELLS = 1 << 23
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
        entering: (e,) float32 the score there.
    """

    h: NDArray[np.float32]
    lists: Lists
    scores: Matrix
    query_rows: Rows
    which: NDArray[np.int32]
    entering: NDArray[np.float32]


class VersionStatistics:
    """A version, with what artists are measured by, made when it is first asked for."""

    def __init__(self, version: Version) -> None:
        self.version = version

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """The artists with an embedding."""
        return np.flatnonzero(self.version.has_embedding)

    @cached_property
    def least(self) -> NDArray[np.float32]:
        """(n,) what an artist must score to enter each ready list: more than infinity where nobody can be similar."""
        version = self.version
        least = np.where(version.has_embedding, version.scores[:, -1], np.inf).astype(np.float32)
        least[version.has_embedding & (version.neighbours[:, -1] < 0)] = -np.inf
        return least

    @cached_property
    def hubness_sample(self) -> tuple[NDArray[np.int64], int]:
        """The artists in whose lists h is measured, and over how many of the best scores there."""
        drawn, nearest = measured_in(len(self.rows), self.version.scoring.settings)
        return self.rows[drawn], nearest

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
    step = max(1, min(_MAX_BLOCK, _CELLS // statistics.version.n_artists))
    blocks = [
        _measured(statistics, vectors[s], patterns[s], popularity[s], own_rows[s], c, s.start)
        for s in (slice(start, start + step) for start in range(0, max(1, len(vectors)), step))
    ]
    return Measured(*(np.concatenate(parts) for parts in zip(*(astuple(f) for f in blocks), strict=True)))


def _measured(
    statistics: VersionStatistics,
    vectors: Matrix,
    patterns: Patterns,
    popularity: NDArray[np.float32],
    own_rows: Rows,
    c: Matrix,
    start: int,
) -> Measured:
    version = statistics.version
    cosines = np.ascontiguousarray((version.embeddings @ vectors.T).T)  # (b, n)
    cosines[:, ~version.has_embedding] = -np.inf
    has_own = np.flatnonzero(own_rows >= 0)
    cosines[has_own, own_rows[has_own]] = -np.inf
    b = len(vectors)
    h = np.array([_hubness(statistics, cosines[i], vectors[i], c[:, patterns[i]], popularity[i]) for i in range(b)])
    h = h.astype(np.float32)
    lists, scores = np.full((b, LIST_LENGTH), -1, np.int32), np.full((b, LIST_LENGTH), np.nan, np.float32)
    query_rows, which, entering = [nobody := np.empty(0, np.int32)], [nobody], [np.empty(0, np.float32)]
    for i in range(b):
        rows, values = _list_of(version, cosines[i], vectors[i], c[patterns[i]])
        lists[i, : len(rows)], scores[i, : len(rows)] = rows, values
        rows, values = _entered(statistics, cosines[i], vectors[i], c[:, patterns[i]], h[i])
        query_rows.append(rows)
        which.append(np.full(len(rows), start + i, np.int32))
        entering.append(values)
    return Measured(h, lists, scores, np.concatenate(query_rows), np.concatenate(which), np.concatenate(entering))


def _hubness(
    statistics: VersionStatistics,
    cosines: NDArray[np.float32],
    vector: NDArray[np.float32],
    c: NDArray[np.float32],
    popularity: float,
) -> float:
    """h of one artist: see `riyl.index.scoring.score`; c is what those asking with each pattern are given for it."""
    version = statistics.version
    settings, (hubness_sample, nearest) = version.scoring.settings, statistics.hubness_sample
    relief = settings.popularity * float(popularity)
    if not len(hubness_sample):
        return 0.0
    if not settings.hubness:
        return -relief
    sample_scores = cosines[hubness_sample] + c[version.patterns[hubness_sample]]
    rows = hubness_sample[highest(sample_scores, nearest)]
    scores = exactly(version.embeddings[rows], vector[None]) + c[version.patterns[rows]].astype(np.float64)
    return settings.hubness * float(np.mean(np.sort(scores)[::-1][:nearest])) - relief if len(rows) else -relief


def _list_of(
    version: Version, cosines: NDArray[np.float32], vector: NDArray[np.float32], c: NDArray[np.float32]
) -> tuple[Rows, NDArray[np.float32]]:
    """The version's artists most similar to one, and their scores; equal ones as in the ready lists."""
    scoring, patterns = version.scoring, version.patterns
    near = highest(cosines + c[patterns] - scoring.h, LIST_LENGTH)
    near_scores = scored(exactly(version.embeddings[near], vector[None]), c[patterns[near]], scoring.h[near])
    ids = version.artists.column("artist_id")
    rows, scores = ordered(near.astype(np.int32), near_scores, lambda tied_rows: list(ids.take(tied_rows).to_pylist()))
    return rows[:LIST_LENGTH], scores[:LIST_LENGTH]


def _entered(
    statistics: VersionStatistics,
    cosines: NDArray[np.float32],
    vector: NDArray[np.float32],
    c: NDArray[np.float32],
    h: np.float32,
) -> tuple[Rows, NDArray[np.float32]]:
    """The artists of the version in whose lists one stands, and what it scores there."""
    version, least = statistics.version, statistics.least
    rows = np.flatnonzero(cosines + c[version.patterns] - h >= least - SLACK)
    rows = rows[cosines[rows] > -np.inf]
    scores = scored(exactly(version.embeddings[rows], vector[None]), c[version.patterns[rows]], h)
    mask = scores >= least[rows]
    return rows[mask].astype(np.int32), scores[mask]

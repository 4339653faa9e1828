"""Hubness, neighbour list, and entries in others' lists of a live artist against a version; each product made once.

Products in float32 select the artists that can matter, and those are scored in float64. So the result does not depend
on the other artists measured at the same time, and every replica finds the same.
"""

from __future__ import annotations

import math
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
from riyl.index.scoring.popularity import targets_of
from riyl.index.scoring.tie_breaking import tie_keys

_CELLS = 1 << 21
_MAX_BLOCK = 64


@dataclass(frozen=True)
class Measured:
    """Measurements of b live artists against a version.

    Attributes:
        h: (b,) float32, see `riyl.index.scoring.score`.
        lists: (b, 256) int32, the most similar rows of the version, best first, -1 behind the end.
        scores: (b, 256) float32, NaN behind the end.
        query_rows: (e,) int32 rows of the version whose lists a live artist enters.
        which: (e,) int32, which of the b artists enters.
        entering: (e,) float64, its score there.
    """

    h: NDArray[np.float32]
    lists: Lists
    scores: Matrix
    query_rows: Rows
    which: NDArray[np.int32]
    entering: Scores


class VersionStatistics:
    """Statistics of a version that live artists are measured against, each computed on first use."""

    def __init__(self, version: Version) -> None:
        self.version = version

    @cached_property
    def least(self) -> NDArray[np.float32]:
        """Score to reach for each ready list, (n,): -inf for a short list, inf for an artist without embedding."""
        version = self.version
        least = np.where(version.has_embedding, version.scores[:, -1], np.inf).astype(np.float32)
        least[version.has_embedding & (version.neighbours[:, -1] < 0)] = -np.inf
        return least

    @cached_property
    def tie_keys(self) -> Keys:
        """Tie keys, (n,) uint64: the order among equal scores."""
        return tie_keys(self.version.artist_ids)

    @cached_property
    def least_keys(self) -> Keys:
        """Tie keys, (n,): an artist that scores exactly `least` enters a ready list where its key is smaller."""
        return self.tie_keys[self.version.neighbours[:, -1]]

    @cached_property
    def hubness_sample(self) -> tuple[NDArray[np.int64], int]:
        """Rows of the artists that h is measured among, and the number of highest scores that it averages."""
        rows = np.flatnonzero(self.version.has_embedding)
        drawn, nearest = measured_in(len(rows), self.version.scoring.settings)
        return rows[drawn], nearest

    def targets(self, listeners: NDArray[np.int64]) -> Scores:
        """Return the targets of artists in the lists that biases balance, (b,) float64; 1 where no bias does."""
        settings = self.version.scoring.settings
        return targets_of(listeners, settings.target_exponent if settings.weights_by_depth else 0.0)

    @cached_property
    def _by_listeners(self) -> NDArray[np.int64]:
        return np.sort(self.version.listeners)

    def popularity(self, listeners: int, own_row: int) -> float:
        """Return `riyl.index.scoring.popularity.popularity_of` an artist among the version's others, -1 to 1.

        Args:
            listeners: the artist's distinct listeners.
            own_row: its row in the version; -1 where the version does not have it.
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
    targets: Scores,
    own_rows: Rows,
    c: Matrix,
) -> Measured:
    """Measure b artists with an embedding against a version, each without its own row of the version.

    Args:
        statistics: of the version.
        vectors: (b, d) float32 unit rows.
        patterns: (b,) int32, indices into `c`.
        popularity: (b,) -1 to 1.
        targets: (b,), see `VersionStatistics.targets`.
        own_rows: (b,) int32, each artist's row in the version; -1 where the version does not have it.
        c: (P, P) float32, the version's calibration extended by further patterns.
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
            h[i] = _hubness(statistics, cosines, vectors[i], as_candidate, popularity[i], targets[i])
            rows, values, query_rows, entering = _measured(
                statistics, cosines, vectors[i], as_query, as_candidate, float(h[i])
            )
            lists[i, : len(rows)], scores[i, : len(rows)] = rows, values
            entries.append((query_rows, np.full(len(query_rows), i, np.int32), entering))
    return Measured(h, lists, scores, *(np.concatenate(parts) for parts in zip(*entries, strict=True)))


def _hubness(
    statistics: VersionStatistics,
    cosines: NDArray[np.float32],
    vector: Vector,
    as_candidate: NDArray[np.float32],
    popularity: np.float32,
    target: float,
) -> float:
    """Compute h of one artist, see `riyl.index.scoring.candidate_bias`; 0 in a version without embeddings.

    Args:
        statistics: of the version.
        cosines: (n,) float32 with the artists of the version; -inf excludes an artist.
        vector: (d,) float32.
        as_candidate: (n,) float32, c with the artists of the version where this artist is the candidate.
        popularity: -1 to 1.
        target: share of list places, see `VersionStatistics.targets`.
    """
    scoring, (sample, nearest) = statistics.version.scoring, statistics.hubness_sample
    settings = scoring.settings
    if not len(sample):
        return 0.0
    cosines, as_candidate = cosines[sample], as_candidate[sample]

    def best(k: int, *thresholds: NDArray[np.float32]) -> Scores:
        """Return at least the k highest scores minus thresholds in the lists of the sample, in float64."""
        vectors = statistics.version.embeddings
        return rescored(cosines, lambda at: exactly(vectors[sample[at]], vector[None]), as_candidate, *thresholds, k=k)[
            1
        ]

    h = -settings.popularity * float(popularity)
    if settings.hubness:
        nearby = best(nearest)
        h += settings.hubness * float(np.mean(np.sort(nearby)[::-1][:nearest])) if len(nearby) else 0.0
    if scoring.thresholds is not None:
        counts = scoring.thresholds.counts(target, int(np.count_nonzero(cosines > -np.inf)))
        for at, (weight, t) in enumerate(zip(settings.weights_by_depth.values(), counts.tolist(), strict=True)):
            margins = best(math.ceil(t), scoring.thresholds.values[at])
            h += weight * scoring.thresholds.bias_of_new(at, margins, t)
    return h


def _measured(
    statistics: VersionStatistics,
    cosines: NDArray[np.float32],
    vector: Vector,
    as_query: NDArray[np.float32],
    as_candidate: NDArray[np.float32],
    h: float,
) -> tuple[Rows, Vector, Rows, Scores]:
    """Measure the list of one artist, and the lists that it enters.

    Args:
        statistics: of the version.
        cosines: (n,) float32 with the artists of the version; -inf excludes an artist.
        vector: (d,) float32.
        as_query: (n,) float32, c with the artists of the version where this artist is the query.
        as_candidate: (n,) float32, c where it is the candidate.
        h: its hubness.

    Returns:
        The rows of its list, best first, and their scores; the rows whose lists it enters, and its scores there.
    """
    version = statistics.version

    def exact(rows: NDArray[np.int64]) -> Scores:
        return exactly(version.embeddings[rows], vector[None])

    (near,), scores = rescored(cosines, exact, as_query, version.scoring.h, k=LIST_LENGTH)
    best = np.lexsort((statistics.tie_keys[near], -scores.astype(np.float32)))[:LIST_LENGTH]
    (query_rows,), entering = rescored(cosines, exact, as_candidate, h, least=statistics.least)
    return near[best].astype(np.int32), scores[best].astype(np.float32), query_rows.astype(np.int32), entering

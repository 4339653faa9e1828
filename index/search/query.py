"""The query: seeds, which are artists or vectors from raw input, combined into one unit vector, and its score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import InputError
from riyl.core.types import ArtistId, Scores, Vector
from riyl.index.overlay.overlay import VersionOverlay
from riyl.index.scoring.score import Correction, score_pairs

AVOID_WEIGHT = 0.5
"""Total weight of the seeds to avoid, relative to that of the seeds asked with."""

POPULARITY = 0.1
"""Maximum addition for popularity, in units of the score: from an artist of median popularity to the extreme."""

_CANCELLED = 1e-6


@dataclass(frozen=True)
class QueryVector:
    """One seed of a query.

    Attributes:
        vector: (d,) float64 of unit length.
        parts: by modality (d,), adding up to `vector`; empty where the version keeps none.
        calibration: (P,) float32, c by the candidate's pattern.
        weight: above 0.
        row: the artist's row; None where the seed is no artist of the version.
        id: the artist's id.
        terms: by modality, the seed's weighted terms, where it is no artist of the version.
    """

    vector: NDArray[np.float64]
    parts: Mapping[str, Vector]
    calibration: NDArray[np.float32]
    weight: float = 1.0
    row: int | None = None
    id: ArtistId | None = None
    terms: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Query:
    """A query ready for search. The score of artist y is

        <q, e_y> - h(y) + c(y) + w p(y)

    with q = v / |v|, v = sum_i a_i e_i / sum_i a_i - 1/2 sum_j b_j e_j / sum_j b_j over the seeds i and the seeds to
    avoid j, c(y) the mean of c(pattern of i, pattern of y) with weights a_i, w = 0.1 times `popularity`, and p(y), from
    -1 to 1, the rank of y by distinct listeners. An uncorrected query omits h and c.

    Attributes:
        terms: seeds asked with.
        avoid: seeds to avoid.
        shares: by seed, those to avoid last: q = sum of share times vector.
        vector: (d,) float64, q.
        calibration: (P,) float32.
        popularity: w.
        uncorrected: leave out h and c.
    """

    terms: tuple[QueryVector, ...]
    avoid: tuple[QueryVector, ...]
    shares: tuple[float, ...]
    vector: NDArray[np.float64]
    calibration: NDArray[np.float32]
    popularity: float
    uncorrected: bool

    @property
    def rows(self) -> list[int]:
        """Rows of the seeds that are artists of the version, without those to avoid."""
        return [term.row for term in self.terms if term.row is not None]

    @property
    def avoided(self) -> list[int]:
        """Rows of the seeds to avoid that are artists of the version."""
        return [term.row for term in self.avoid if term.row is not None]

    def corrections(
        self, overlay: VersionOverlay, rows: NDArray[np.integer] | slice
    ) -> tuple[Correction, Correction, Correction]:
        """Return c, h and w p of m artists, as `score_pairs` takes them: (m,) float32, float32 and float64, or 0."""
        popularity = self.popularity * overlay.popularity[rows].astype(np.float64) if self.popularity else 0.0
        if self.uncorrected:
            return 0.0, 0.0, popularity
        return self.calibration[overlay.patterns_of[rows]], overlay.h[rows], popularity

    def scores(self, overlay: VersionOverlay, rows: NDArray[np.integer] | slice) -> Scores:
        """Compute the exact scores of m artists with an embedding, (m,) float64."""
        vectors = overlay.embeddings[rows].astype(np.float64)
        return score_pairs(vectors @ self.vector, *self.corrections(overlay, rows))


def build_query(
    terms: Sequence[QueryVector],
    avoid: Sequence[QueryVector] = (),
    *,
    popularity: float = 0.0,
    uncorrected: bool = False,
) -> Query:
    """Combine seeds and seeds to avoid into one query.

    Args:
        terms: at least one seed.
        avoid: seeds to avoid.
        popularity: -1 prefers obscure artists, 1 popular ones.
        uncorrected: leave out the version's corrections.

    Raises:
        InputError: the seeds cancel each other out.
    """
    total_weight, avoided_weight = sum(t.weight for t in terms), sum(t.weight for t in avoid)
    factors = [*(t.weight / total_weight for t in terms), *(-AVOID_WEIGHT * t.weight / avoided_weight for t in avoid)]
    total = np.sum([f * t.vector for f, t in zip(factors, [*terms, *avoid], strict=True)], axis=0)
    length = float(np.linalg.norm(total))
    if length < _CANCELLED:
        raise InputError("seeds: found seeds that cancel out; wanted seeds that are not opposite to the avoided ones")
    calibration = np.sum([t.weight / total_weight * t.calibration for t in terms], axis=0).astype(np.float32)
    return Query(
        tuple(terms),
        tuple(avoid),
        tuple(f / length for f in factors),
        total / length,
        calibration,
        POPULARITY * popularity,
        uncorrected,
    )

"""What is asked: artists, or what is said of one, blended into one unit vector; and the score that it gives."""

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
"""What those to avoid weigh against those asked with, taken together."""

POPULARITY = 0.1
"""What popularity adds at most, in units of the score, between an artist of middling popularity and the extreme."""

_CANCELLED = 1e-6


@dataclass(frozen=True)
class QueryVector:
    """One thing that is asked with.

    Attributes:
        vector: (d,) float64 of unit length.
        parts: by modality (d,), adding up to it; empty where the version keeps none.
        calibration: (P,) float32, what is added by the candidate's pattern.
        weight: above 0.
        row: of the artist; None of what is no artist of the version.
        id: of the artist.
        terms: the weighted terms that it is known by, by modality, where it is no artist of the version.
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
    """What is asked, ready to be searched for. The score of artist y is

        <q, e_y> - h(y) + c(y) + w p(y)

    with q = v / |v|, v = sum_i a_i e_i / sum_i a_i - 1/2 sum_j b_j e_j / sum_j b_j over what is asked with and what is
    to be avoided, c(y) the mean of c(pattern of i, pattern of y) with weights a_i, w = 0.1 times `popularity`, and p(y)
    from -1 to 1 the rank of y by distinct listeners. Raw, without h and c.

    Attributes:
        terms: asked with.
        avoid: to be avoided.
        shares: by term, the ones to be avoided behind the others: q = sum of share times vector.
        vector: (d,) float64, q.
        calibration: (P,) float32.
        popularity: w.
        uncorrected: leave h and c out.
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
        """The artists of the version that are asked with, and not those to be avoided."""
        return [term.row for term in self.terms if term.row is not None]

    @property
    def avoided(self) -> list[int]:
        """The artists of the version that are to be avoided."""
        return [term.row for term in self.avoid if term.row is not None]

    def corrections(
        self, overlay: VersionOverlay, rows: NDArray[np.integer] | slice
    ) -> tuple[Correction, Correction, Correction]:
        """c, h and w p of m artists, as `score_pairs` takes them: (m,) float32, float32 and float64, or 0."""
        popularity = self.popularity * overlay.popularity[rows].astype(np.float64) if self.popularity else 0.0
        if self.uncorrected:
            return 0.0, 0.0, popularity
        return self.calibration[overlay.patterns_of[rows]], overlay.h[rows], popularity

    def scores(self, overlay: VersionOverlay, rows: NDArray[np.integer] | slice) -> Scores:
        """(m,) float64, the exact scores of m artists with an embedding."""
        vectors = overlay.embeddings[rows].astype(np.float64)
        return score_pairs(vectors @ self.vector, *self.corrections(overlay, rows))


def build_query(
    terms: Sequence[QueryVector],
    avoid: Sequence[QueryVector] = (),
    *,
    popularity: float = 0.0,
    uncorrected: bool = False,
) -> Query:
    """One query of what is asked with and what is to be avoided.

    Args:
        terms: at least one.
        popularity: -1 prefers the obscure, 1 the popular.
        uncorrected: leave the version's corrections out.

    Raises:
        InputError: they cancel each other out.
    """
    total_weight, avoided_weight = sum(t.weight for t in terms), sum(t.weight for t in avoid)
    factors = [*(t.weight / total_weight for t in terms), *(-AVOID_WEIGHT * t.weight / avoided_weight for t in avoid)]
    total = np.sum([f * t.vector for f, t in zip(factors, [*terms, *avoid], strict=True)], axis=0)
    length = float(np.linalg.norm(total))
    if length < _CANCELLED:
        raise InputError("seeds: found what cancels itself out; wanted seeds that are not opposite to what is avoided")
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

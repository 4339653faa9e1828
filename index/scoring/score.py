"""The score of y for x, `<e_x, e_y> - h(y) + c(pattern of x, pattern of y) + w p(y)`, in `score_pairs`.

w is the query's weight of popularity p, 0 in lists of similar artists. h is the hubness correction: an artist that
scores high for every query would appear in every list. With s the score without both, and v another weight,

    h(y) = b mean of s(x, y) over the k artists x that y scores highest for - v p(y) + sum over depths D of w_D B_D(y)

The mean is the candidate's side of CSLS (Conneau et al., ICLR 2018), where b = 1/2; the query's side does not change
ranks. p is the rank by distinct listeners (`riyl.index.scoring.popularity.popularity_of`): of two artists near to
equally many others, the popular one has a reason to be. B_D is the bias that makes y appear in as many lists of length
D as its target says (`riyl.index.scoring.balance`), a power of its distinct listeners. Where modalities of artists are
masked on purpose, their listeners are masked too: v is 0 and targets are equal there.

c is calibration: artists with the same modalities look more alike than they are, and scores of artists with few
modalities have another spread. Let t(p, q) be the mean score that the best share of candidates reaches where the query
has the modalities p and the candidates have q, for the same artists on all sides, masked on purpose:

    c(p, q) = g (mean over q' of t(p, q') - t(p, q))

As the artists are the same, c removes the effect of masking alone on scores, and not the difference between artists
with many modalities and others.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from riyl.core.storage.scoring_settings import NO_SCORING, ScoringSettings
from riyl.core.types import Mask, Matrix, Rows
from riyl.index.scoring.balance import Thresholds
from riyl.index.scoring.candidate_bias import candidate_bias
from riyl.index.scoring.factors import Patterns, _factors, _has
from riyl.index.scoring.popularity import Popularity

BESIDE = 0.1
"""Scale of popularity and pattern in `Scoring.stored`; queries have its inverse. Without it, these columns would
separate artists more than the embedding does, and results of one query would not be near each other."""

Float = TypeVar("Float", np.float32, np.float64)
Correction: TypeAlias = NDArray[np.floating] | np.floating | float
"""Correction added to or subtracted from cosines: of their shape, or of one that broadcasts to it."""


@dataclass(frozen=True)
class Scoring:
    """Score corrections of a version.

    Attributes:
        h: (n,) float32, hubness: subtracted from the scores of an artist that is near to everything.
        c: (P, P) float32, calibration: added where x has pattern i and y has pattern j.
        settings: settings of the fit.
        popularity: of the n artists, used in the fit of h; None where it was fitted without.
        thresholds: thresholds of the balanced biases in h, over the queries of its fit; None without such biases.
    """

    h: NDArray[np.float32]
    c: Matrix
    settings: ScoringSettings = NO_SCORING
    popularity: Popularity | None = None
    thresholds: Thresholds | None = None

    @staticmethod
    def none(n: int, patterns: int) -> Scoring:
        """Return a scoring without corrections, as in the paper: the score is the cosine."""
        return Scoring(np.zeros(n, np.float32), np.zeros((patterns, patterns), np.float32))

    @staticmethod
    def fit(
        vectors: Matrix,
        has_embedding: Mask,
        patterns: Patterns,
        c: Matrix,
        settings: ScoringSettings,
        popularity: Popularity | None = None,
        *,
        threads: int = 0,
    ) -> Scoring:
        """Fit the scoring of a catalog.

        Args:
            vectors: (n, d) float32 unit rows, zeros without embedding.
            has_embedding: (n,) bool.
            patterns: (n,) int32.
            c: (P, P), see `calibration`.
            settings: strengths of the corrections.
            popularity: of the n artists; None where it is not known.
            threads: threads of the matrix products; 0 takes every core.
        """
        rows = np.flatnonzero(has_embedding)
        popular = None if popularity is None else popularity.at(rows)
        bias = candidate_bias(vectors[rows], patterns[rows], c, settings, popular, threads=threads)
        spread = np.full(len(has_embedding), bias.h.min(initial=np.inf) if len(rows) else 0, np.float32)
        spread[rows] = bias.h
        return Scoring(spread, c, settings, popularity, bias.thresholds)

    def save(self, folder: Path) -> None:
        """Save the corrections; `riyl.index.artifact.arrays` opens them."""
        np.save(folder / "h.npy", self.h)
        np.save(folder / "c.npy", self.c)
        if self.thresholds is not None:
            np.save(folder / "balance_thresholds.npy", self.thresholds.values)
            np.save(folder / "balance_limits.npy", np.stack([self.thresholds.shares, self.thresholds.lowest], axis=1))

    @property
    def corrects(self) -> bool:
        """Whether scores differ from cosines."""
        return bool(self.h.any() or self.c.any())

    def factors(self, vectors: Matrix, patterns: Patterns) -> tuple[Matrix, Matrix]:
        """Return two matrices whose inner products are the scores, for exact search.

        Args:
            vectors: (n, d) float32 unit rows.
            patterns: (n,) int32.

        Returns:
            Queries and candidates, (n, d + 1 + P) float32; without corrections, `vectors` itself twice.
        """
        return _factors(vectors, patterns, self.h, self.c) if self.corrects else (vectors, vectors)

    def among(
        self, vectors: Matrix, has_embedding: Mask, patterns: Patterns, rows: Rows, *, threads: int = 0
    ) -> tuple[Matrix, Matrix]:
        """Return `factors` for a search among artists `rows` alone, all with an embedding: h is measured among them.

        Hubness depends on the artists searched. Where `rows` are all artists with an embedding, h stays as it is.
        """
        vectors, patterns, h = vectors[rows], patterns[rows], self.h[rows]
        if self.corrects and len(rows) < np.count_nonzero(has_embedding):
            popular = None if self.popularity is None else self.popularity.at(rows)
            h = candidate_bias(vectors, patterns, self.c, self.settings, popular, threads=threads).h
        return _factors(vectors, patterns, h, self.c) if self.corrects else (vectors, vectors)

    def stored(self, vectors: Matrix, patterns: Patterns, popularity: NDArray[np.float32]) -> Matrix:
        """Return the vectors of the Faiss index, (n, d + 3 + P) float32.

        Row y is [e_y, sqrt(2 (h_y - min h)), b p_y, b sqrt(1 - p_y^2), b at y's pattern], with b = `BESIDE` and
        `popularity` p_y from -1 to 1. L2 distance to `queries` orders rows by score, with any weight of popularity:

            |query - stored(y)|^2 = |query|^2 + 1 + 2 b^2 - 2 min h - 2 (<q, e_y> - h_y + c + w p_y)

        for unit vectors: a true metric, so graphs and IVF lists work too. Without c, the patterns are left out:
        (n, d + 3) and one b^2.
        """
        hub = np.sqrt(2 * (self.h - self.h.min(initial=np.inf)))
        extra = np.stack([hub, BESIDE * popularity, BESIDE * np.sqrt(1 - popularity**2)], axis=1).astype(np.float32)
        of_pattern = [np.float32(BESIDE) * _has(patterns, self.c)] if self.c.any() else []
        return np.hstack([vectors, extra, *of_pattern])

    def stored_width(self, dim: int) -> int:
        """Return the width of a row of `stored`, for embeddings of width `dim`."""
        return dim + 3 + (len(self.c) if self.c.any() else 0)

    def queries(self, vectors: Matrix, calibrations: Matrix, popularity: float = 0.0) -> Matrix:
        """Return the query vectors for `stored`, (q, d + 3 + P) float32 [q, 0, w / b, 0, c / b] with b = `BESIDE`.

        Args:
            vectors: (q, d) unit rows.
            calibrations: (q, P) calibration by the candidate's pattern: rows of `c`, or means of them.
            popularity: w, the weight of p_y.
        """
        extra_columns = np.tile(np.array([0, popularity / BESIDE, 0], np.float32), (len(vectors), 1))
        return np.hstack([vectors, extra_columns, *([calibrations / np.float32(BESIDE)] if self.c.any() else [])])


def score_pairs(
    cosines: NDArray[Float], c: Correction = 0.0, h: Correction = 0.0, popularity: Correction = 0.0
) -> NDArray[Float]:
    """Compute the scores of pairs, <e_x, e_y> + c - h(y) + w p(y), in the precision of their cosines.

    Args:
        cosines: of any shape, one for each pair; float64 for scores, float32 for estimates of them.
        c: calibration of the two patterns.
        h: hubness of the candidate.
        popularity: w p of the candidate.
    """
    return np.asarray(cosines + c - h + popularity, cosines.dtype)

"""The score: how well y answers x, `<e_x, e_y> - h(y) + c(pattern of x, pattern of y) + w p(y)`, in `score_pairs`.

w is what a query has popularity p weigh, 0 in lists of similar artists. h is hubness: an artist that scores high for
everybody comes up everywhere. With s the score without both, and v another weight,

    h(y) = b mean of s(x, y) over the k artists x that y scores highest for - v p(y)

The mean is the candidate's side of CSLS (Conneau et al., ICLR 2018), b = 1/2 there; the query's side moves no ranks. p
is the rank by distinct listeners (`riyl.index.scoring.popularity.popularity_of`): of two that are near equally many,
the one that many listen to is so for a reason. Where what is known of artists is masked on purpose, so are their
listeners: v is 0 there.

c is calibration: artists known by the same modalities look more alike than they are, and those known by few have
scores of another spread. Let t(p, q) be what the best share of candidates reaches on average where the query is known
by the modalities p and the candidates by q, the same artists on all sides, masked on purpose:

    c(p, q) = g (mean over q' of t(p, q') - t(p, q))

As the artists are the same, c takes out what masking alone does to scores, and not that artists of whom much is known
differ from the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from riyl.core.storage.model import NO_SCORING, ScoringSettings
from riyl.core.types import Mask, Matrix, Rows
from riyl.index.scoring.factors import Patterns, _factors, _has
from riyl.index.scoring.hubness import hubness

BESIDE = 0.1
"""Scale of popularity and pattern in `Scoring.stored`, whose inverse they are asked with. Without it they would tell
artists further apart than the embedding does, and those who answer one question would not be near each other."""

Float = TypeVar("Float", np.float32, np.float64)
Correction: TypeAlias = NDArray[np.floating] | np.floating | float
"""What is added to or taken from cosines: of their shape, or of one that broadcasts to it."""


@dataclass(frozen=True)
class Scoring:
    """The corrections of a version.

    Attributes:
        h: (n,) float32, hubness: what an artist's scores are lowered by for being near everybody.
        c: (P, P) float32, calibration: what is added where x has pattern i and y pattern j.
        settings: how they were fitted.
        popularity: (n,) float32 -1 to 1, that h was fitted with; None where it was without.
    """

    h: NDArray[np.float32]
    c: Matrix
    settings: ScoringSettings = NO_SCORING
    popularity: NDArray[np.float32] | None = None

    @staticmethod
    def none(n: int, patterns: int) -> Scoring:
        """No correction, as in the paper: the score is the cosine."""
        return Scoring(np.zeros(n, np.float32), np.zeros((patterns, patterns), np.float32))

    @staticmethod
    def fit(
        vectors: Matrix,
        has_embedding: Mask,
        patterns: Patterns,
        c: Matrix,
        settings: ScoringSettings,
        popularity: NDArray[np.float32] | None = None,
        *,
        threads: int = 0,
    ) -> Scoring:
        """The scoring of a catalog.

        Args:
            vectors: (n, d) float32 unit rows, zeros where not known.
            has_embedding: (n,) bool.
            patterns: (n,) int32.
            c: (P, P), see `calibration`.
            popularity: (n,) -1 to 1; None where it is not known.
            threads: of the matrix products; 0 takes every core.
        """
        rows = np.flatnonzero(has_embedding)
        popular = None if popularity is None else popularity[rows]
        h = hubness(vectors[rows], patterns[rows], c, settings, popular, threads=threads)
        spread = np.full(len(has_embedding), h.min(initial=np.inf) if len(h) else 0, np.float32)
        spread[rows] = h
        return Scoring(spread, c, settings, popularity)

    def save(self, folder: Path) -> None:
        np.save(folder / "h.npy", self.h)
        np.save(folder / "c.npy", self.c)

    @property
    def corrects(self) -> bool:
        """Whether scores differ from cosines at all."""
        return bool(self.h.any() or self.c.any())

    def factors(self, vectors: Matrix, patterns: Patterns) -> tuple[Matrix, Matrix]:
        """Two matrices whose inner products are the scores, for exact search.

        Args:
            vectors: (n, d) float32 unit rows.
            patterns: (n,) int32.

        Returns:
            Queries and candidates, (n, d + 1 + P) float32; without corrections `vectors` itself, twice.
        """
        return _factors(vectors, patterns, self.h, self.c) if self.corrects else (vectors, vectors)

    def among(
        self, vectors: Matrix, has_embedding: Mask, patterns: Patterns, rows: Rows, *, threads: int = 0
    ) -> tuple[Matrix, Matrix]:
        """`factors` of some artists, known ones, that alone ask and can be found: h is measured among them anew.

        Who comes up everywhere depends on who is there. Where `rows` are all known artists, h stays as it is.
        """
        vectors, patterns, h = vectors[rows], patterns[rows], self.h[rows]
        if self.corrects and len(rows) < np.count_nonzero(has_embedding):
            popular = None if self.popularity is None else self.popularity[rows]
            h = hubness(vectors, patterns, self.c, self.settings, popular, threads=threads)
        return _factors(vectors, patterns, h, self.c) if self.corrects else (vectors, vectors)

    def stored(self, vectors: Matrix, patterns: Patterns, popularity: NDArray[np.float32]) -> Matrix:
        """(n, d + 3 + P) float32 [e_y, sqrt(2 (h_y - min h)), b p_y, b sqrt(1 - p_y^2), b at y's pattern], b `BESIDE`.

        By L2 to `queries` they stand in order of score with any weight of popularity p_y in it:

            |asked - stored(y)|^2 = |asked|^2 + 1 + 2 b^2 - 2 min h - 2 (<q, e_y> - h_y + c + w p_y)

        for unit vectors: a true metric, so graphs and cells work too. Without c, (n, d + 3) and one b^2: the patterns
        are left out.

        Args:
            popularity: (n,) -1 to 1.
        """
        hub = np.sqrt(2 * (self.h - self.h.min(initial=np.inf)))
        extra = np.stack([hub, BESIDE * popularity, BESIDE * np.sqrt(1 - popularity**2)], axis=1).astype(np.float32)
        of_pattern = [np.float32(BESIDE) * _has(patterns, self.c)] if self.c.any() else []
        return np.hstack([vectors, extra, *of_pattern])

    def stored_width(self, dim: int) -> int:
        """Length of a row of `stored`, of vectors of that length."""
        return dim + 3 + (len(self.c) if self.c.any() else 0)

    def queries(self, vectors: Matrix, calibrations: Matrix, popularity: float = 0.0) -> Matrix:
        """(q, d + 3 + P) float32 [q, 0, w / b, 0, c / b], b `BESIDE`: what `stored` is asked with.

        Args:
            calibrations: (q, P) what is added by the candidate's pattern: rows of `c`, or means of them.
            popularity: w, what p_y weighs.
        """
        extra_columns = np.tile(np.array([0, popularity / BESIDE, 0], np.float32), (len(vectors), 1))
        return np.hstack([vectors, extra_columns, *([calibrations / np.float32(BESIDE)] if self.c.any() else [])])


def score_pairs(
    cosines: NDArray[Float], c: Correction = 0.0, h: Correction = 0.0, popularity: Correction = 0.0
) -> NDArray[Float]:
    """The scores of pairs, <e_x, e_y> + c - h(y) + w p(y), in the precision of their cosines.

    Args:
        cosines: of any shape, one a pair; float64 for scores, float32 for estimates of them.
        c: calibration of the two patterns.
        h: hubness of the candidate.
        popularity: w p of the candidate.
    """
    return np.asarray(cosines + c - h + popularity, cosines.dtype)

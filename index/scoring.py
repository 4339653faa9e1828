"""The score: how well y answers x, `<e_x, e_y> - h(y) + c(pattern of x, pattern of y)`; nothing else knows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.types import Matrix

Patterns: TypeAlias = NDArray[np.int32]
"""(n,) int32, which of a version's availability patterns (sets of modalities) each artist has."""


@dataclass(frozen=True)
class Scoring:
    """The corrections of a version.

    Attributes:
        h: (n,) float32, hubness: what an artist's scores are lowered by for being near everybody.
        c: (P, P) float32, calibration: what is added where x has pattern i and y pattern j.
    """

    h: NDArray[np.float32]
    c: Matrix

    @staticmethod
    def none(n: int, patterns: int) -> Scoring:
        """No correction, as in the paper: the score is the cosine."""
        return Scoring(np.zeros(n, np.float32), np.zeros((patterns, patterns), np.float32))

    def save(self, folder: Path) -> None:
        np.save(folder / "h.npy", self.h)
        np.save(folder / "c.npy", self.c)

    @staticmethod
    def load(folder: Path) -> Scoring:
        return Scoring(np.load(folder / "h.npy", allow_pickle=False), np.load(folder / "c.npy", allow_pickle=False))

    def factors(self, vectors: Matrix, patterns: Patterns) -> tuple[Matrix, Matrix]:
        """Two matrices whose inner products are the scores, for exact search.

        Args:
            vectors: (n, d) float32 unit rows.
            patterns: (n,) int32.

        Returns:
            Queries and candidates, (n, d + 1 + P) float32; without corrections `vectors` itself, twice.
        """
        if not self.h.any() and not self.c.any():
            return vectors, vectors
        ones = np.ones((len(vectors), 1), np.float32)
        has = np.eye(len(self.c), dtype=np.float32)[patterns]  # (n, P)
        return np.hstack([vectors, ones, self.c[patterns]]), np.hstack([vectors, -self.h[:, None], has])

    def stored(self, vectors: Matrix) -> Matrix:
        """(n, d + 1) float32 [e_y, sqrt(2 (h_y - min h))]: by L2 to `asked` the order is that of the scores.

        |[e_x, 0] - [e_y, sqrt(2 (h_y - min h))]|^2 = 2 - 2 (<e_x, e_y> - h_y) - 2 min h for unit vectors: a true
        metric, so graphs work too. c is not in it: it depends on the query's pattern.
        """
        hub = np.sqrt(2 * (self.h - self.h.min(initial=np.inf)))
        return np.hstack([vectors, hub[:, None].astype(np.float32)])

    @staticmethod
    def asked(vectors: Matrix) -> Matrix:
        """(q, d + 1) float32 [e_x, 0]: what `stored` is asked with."""
        return np.hstack([vectors, np.zeros((len(vectors), 1), np.float32)])

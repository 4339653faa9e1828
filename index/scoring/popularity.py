"""Popularity of artists, as used in the score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riyl.core.types import Scores


@dataclass(frozen=True)
class Popularity:
    """Popularity of n artists.

    Attributes:
        ranks: (n,) float32 from -1 to 1, see `popularity_of`.
        listeners: (n,) distinct listeners.
    """

    ranks: NDArray[np.float32]
    listeners: NDArray[np.integer]

    @staticmethod
    def of(listeners: NDArray[np.integer]) -> Popularity:
        """Return the popularity of all artists of a catalog, by their distinct listeners."""
        return Popularity(popularity_of(listeners), listeners)

    def at(self, rows: NDArray[np.integer]) -> Popularity:
        """Return the popularity of some artists; the ranks stay those among all."""
        return Popularity(self.ranks[rows], self.listeners[rows])


def popularity_of(listeners: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return the rank of each artist by distinct listeners, (n,) float32 from -1 to 1; equal artists share the mean."""
    _, which, counts = np.unique(listeners, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    return np.asarray(2 * middle[which] / max(len(listeners), 1) - 1, np.float32)


def targets_of(listeners: NDArray[np.integer], exponent: float) -> Scores:
    """Return the targets of artists in lists, (n,) float64: (1 + distinct listeners)^exponent, of no scale."""
    return np.asarray((1.0 + listeners) ** exponent, np.float64)

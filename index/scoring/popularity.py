"""Popularity of artists, as used in the score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def popularity_of(listeners: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return the rank of each artist by distinct listeners, (n,) float32 from -1 to 1; equal artists share the mean."""
    _, which, counts = np.unique(listeners, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    return np.asarray(2 * middle[which] / max(len(listeners), 1) - 1, np.float32)

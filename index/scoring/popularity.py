"""Popularity of artists, as the score takes it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def popularity_of(listeners: NDArray[np.integer]) -> NDArray[np.float32]:
    """(n,) float32 from -1 to 1: the mean rank of an artist among all by distinct listeners; equals share theirs."""
    _, which, counts = np.unique(listeners, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    return np.asarray(2 * middle[which] / max(len(listeners), 1) - 1, np.float32)

"""Balanced biases by loops."""

from __future__ import annotations

import numpy as np


def interpolated(values, t):
    """Return the t-th largest; between two integers, by the line between the two values."""
    ranked = sorted(values, reverse=True)
    low = int(t)
    return ranked[low - 1] if t == low else ranked[low - 1] * (low + 1 - t) + ranked[low] * (t - low)


def naive(queries, candidates, targets, depth, sweeps, start, selves):
    """Balance by loops in float64; depth is at most half of the candidates, and no target is below 1."""
    scores = queries.astype(np.float64) @ candidates.astype(np.float64).T
    q, m = scores.shape
    bias = np.array(start, np.float64)
    t = targets / targets.sum() * depth * q
    for _ in range(sweeps):
        tau = [interpolated([scores[x, y] - bias[y] for y in range(m) if y != selves[x]], depth) for x in range(q)]
        for y in range(m):
            margins = [scores[x, y] - tau[x] for x in range(q) if y != selves[x]]
            bias[y] = interpolated(margins, min(max(t[y], 1), len(margins)))
        bias -= bias.mean()
    return bias

"""Calibration between availability patterns: a correction of scores by the modalities of both artists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from riyl.core.storage.scoring_settings import ScoringSettings
from riyl.core.threads import limit_threads
from riyl.core.types import Mask, Matrix

MASKED = 1000
"""Maximum number of artists whose modalities are masked for each pair of patterns."""

_MIN_MASKED = 32


def calibration(
    parts: Mapping[str, Matrix], subsets: Sequence[tuple[str, ...]], settings: ScoringSettings, *, threads: int = 0
) -> Matrix:
    """Compute c between the patterns `subsets`, (P, P) float32.

    Args:
        parts: by modality (m, d) float32 of some artists, zeros where an artist has no such part.
        subsets: the sets of modalities; modalities without parts are ignored.
        settings: strength g and share of the best candidates.
        threads: threads of the matrix products; 0 takes every core.

    Returns:
        c; 0 for two patterns where fewer than 32 artists have all modalities of both, too few to measure it.
    """
    tails = np.full((len(subsets), len(subsets)), np.nan)
    if settings.calibration:
        has = {name: np.any(part != 0, axis=1) for name, part in parts.items()}
        with limit_threads(threads):
            for i, p in enumerate(subsets):
                for j, q in enumerate(subsets[: i + 1]):
                    tails[i, j], tails[j, i] = _tails(parts, has, p, q, settings.tail)
    measured = ~np.isnan(tails)
    means = np.where(measured, tails, 0).sum(axis=1) / np.maximum(measured.sum(axis=1), 1)
    return np.where(measured, settings.calibration * (means[:, None] - tails), 0).astype(np.float32)


def _tails(
    parts: Mapping[str, Matrix], has: Mapping[str, Mask], p: tuple[str, ...], q: tuple[str, ...], tail: float
) -> tuple[float, float]:
    """Compute t(p, q) and t(q, p); NaN where there are too few artists."""
    first, second = [m for m in p if m in parts], [m for m in q if m in parts]
    if not first or not second:
        return np.nan, np.nan
    rows = np.flatnonzero(np.all([has[m] for m in {*first, *second}], axis=0))[:MASKED]
    if len(rows) < _MIN_MASKED:
        return np.nan, np.nan
    scores = _fused(parts, first, rows) @ _fused(parts, second, rows).T
    np.fill_diagonal(scores, -np.inf)
    position = max(1, round(tail * len(rows))) - 1
    forward, back = (float(np.mean(-np.partition(-s, position, axis=1)[:, position])) for s in (scores, scores.T))
    return forward, back


def _fused(parts: Mapping[str, Matrix], names: Sequence[str], rows: NDArray[np.int64]) -> Matrix:
    sums = np.sum([parts[name][rows] for name in names], axis=0, dtype=np.float32)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(sums / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)

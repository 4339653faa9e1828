"""Hubness h of artists among themselves: the bias that is subtracted from the scores of a candidate.

    h(y) = b mean of s(x, y) over the k artists x that y scores highest for - v p(y) + sum over depths D of w_D B_D(y)

with s the score without h and without weights of queries, p the rank by distinct listeners, and B_D the bias balanced
at depth D (`riyl.index.scoring.balance`), with targets t(y) proportional to (1 + distinct listeners of y)^g. Where
popularity is not known, or masked on purpose, v and g are 0. With balanced biases, k and D are at most a share of the
artists (`riyl.index.scoring.hubness.MAX_SHARE`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riyl.core.storage.scoring_settings import ScoringSettings
from riyl.core.types import Matrix, Scores
from riyl.index.scoring.balance import Balance, Thresholds, balance
from riyl.index.scoring.factors import Patterns, _factors
from riyl.index.scoring.hubness import fitted_length, mean_best_scores
from riyl.index.scoring.popularity import Popularity, targets_of

TARGETS_AT_START = 0.1
"""Factor of the logarithm of the targets that the first bias of the sweeps is lowered by."""


@dataclass(frozen=True)
class CandidateBias:
    """Hubness of m artists among themselves.

    Attributes:
        h: (m,) float32.
        thresholds: thresholds of the balanced biases, depths ascending, that give another artist its bias; None without
            balanced biases.
    """

    h: NDArray[np.float32]
    thresholds: Thresholds | None = None


def candidate_bias(
    vectors: Matrix,
    patterns: Patterns,
    calibration: Matrix,
    settings: ScoringSettings,
    popularity: Popularity | None = None,
    *,
    threads: int = 0,
) -> CandidateBias:
    """Fit h of m artists among themselves; 0 for a single artist.

    Args:
        vectors: (m, d) float32 unit rows.
        patterns: (m,) int32, indices into `calibration`.
        calibration: (P, P) float32; the scores of the fit contain it.
        settings: strengths of the parts of h.
        popularity: of the artists; None where it is not known.
        threads: threads of the matrix products; 0 takes every core.
    """
    m, weights = len(vectors), settings.weights_by_depth
    relief = settings.popularity * (np.zeros(m) if popularity is None else popularity.ranks.astype(np.float64))
    if m < 2:
        return CandidateBias(np.zeros(m, np.float32), _without_lists(m, len(weights)))
    if not settings.hubness and not weights:
        return CandidateBias((-relief).astype(np.float32))
    queries, candidates = _factors(vectors, patterns, np.zeros(m, np.float32), calibration)
    means = mean_best_scores(queries, candidates, settings, threads=threads)
    h = settings.hubness * means - relief
    if not weights:
        return CandidateBias(h.astype(np.float32))
    fit = _balanced(queries, candidates, settings, means, popularity, threads)
    h += np.array(list(weights.values())) @ fit.biases
    return CandidateBias(h.astype(np.float32), fit.thresholds)


def _balanced(
    queries: Matrix,
    candidates: Matrix,
    settings: ScoringSettings,
    means: Scores,
    popularity: Popularity | None,
    threads: int,
) -> Balance:
    """Fit the balanced biases, from a start that is the same for all depths.

    The start is the mean of the best scores, twice what CSLS subtracts, minus a multiple of the logarithm of the
    targets. Three sweeps from it end much nearer to the limit than three from 0.
    """
    targets = np.ones(len(means)) if popularity is None else targets_of(popularity.listeners, settings.target_exponent)
    return balance(
        queries,
        candidates,
        targets,
        depths=[fitted_length(depth, len(means)) for depth in settings.weights_by_depth],
        sweeps=settings.sweeps,
        start=(means - TARGETS_AT_START * np.log(targets)).astype(np.float32),
        threads=threads,
    )


def _without_lists(m: int, depths: int) -> Thresholds | None:
    """Return the thresholds of D depths among fewer than two artists: there is no list to balance."""
    return Thresholds(np.zeros((depths, m), np.float32), np.zeros(depths), np.zeros(depths)) if depths else None

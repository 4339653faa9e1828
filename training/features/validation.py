"""Validation plays: plays kept out of a fit, and how well artist vectors rank them; CF is tuned on this."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from riyl.core.errors import InputError
from riyl.core.types import Matrix

SHARE = 0.2
"""Share of a listener's plays that is kept for validation, rounded down; so listeners of fewer than 5 artists give
none."""
LISTENERS = 5_000
"""Maximum number of listeners that give validation plays; of more, this many are drawn. Limits the time of a trial."""
MIN_LISTENERS = 10
"""Minimum number of listeners that give validation plays; a mean over fewer is noise."""
K = 200
"""Length of the ranking that counts, as in the evaluation."""
TIE = 1e-6
"""Maximum difference of cosines that count as equal, because vectors are float32."""

_BLOCK = 4_000_000
"""Maximum number of cosines in memory at once (32 MiB)."""


@dataclass(frozen=True)
class ValidationPlays:
    """Plays in two parts.

    Attributes:
        kept: (n, U) CSR counts to fit on, artists by listeners; each of the n artists has at least one.
        users, artists: (p,) each, the validation pairs by ascending listener.
    """

    kept: sp.csr_matrix
    users: NDArray[np.int64]
    artists: NDArray[np.int64]


def split_validation(counts: sp.csr_matrix, seed: int) -> ValidationPlays:
    """Keep a random `SHARE` of each listener's plays for validation.

    A play is one (listener, artist) pair, whatever its count. An artist that would lose all its plays keeps one.

    Args:
        counts: (n, U) CSR of play counts, artists by listeners; artists without plays are left out.
        seed: seed of the choice of plays and, if there are more than `LISTENERS`, of listeners.

    Raises:
        InputError: fewer than `MIN_LISTENERS` listeners can give a validation play.
    """
    plays = counts[np.flatnonzero(np.diff(counts.indptr))].tocoo()
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(plays.nnz), plays.col))
    artists, users, values = plays.row[order].astype(np.int64), plays.col[order].astype(np.int64), plays.data[order]
    played = np.bincount(users, minlength=counts.shape[1])
    quota = np.floor(SHARE * played).astype(np.int64)
    able = np.flatnonzero(quota)
    quota[rng.permutation(able)[LISTENERS:]] = 0
    featurize = np.arange(len(users)) - np.repeat(np.cumsum(played) - played, played)
    held = featurize < quota[users]
    bare = np.bincount(artists[~held], minlength=plays.shape[0]) == 0
    first = np.unique(artists, return_index=True)[1]
    held[first[bare]] = False
    if (count := len(np.unique(users[held]))) < MIN_LISTENERS:
        raise InputError(
            f"plays: found {count} listeners that can give a play for validation ({SHARE:.0%} of 5 artists or more); "
            f"wanted at least {MIN_LISTENERS} to tune cf on"
        )
    kept_plays = sp.csr_matrix((values[~held], (artists[~held], users[~held])), shape=plays.shape)
    return ValidationPlays(kept_plays, users[held], artists[held])


def validation_ndcg(vectors: Matrix, plays: ValidationPlays) -> float:
    """Compute the nDCG@200 of a listener's validation artists, as the mean over listeners.

    All artists that the listener did not keep are ranked by the cosine between their vector and the sum of the unit
    vectors of those that it kept. Cosines between artists are scored because these vectors serve nothing else; the
    product of listener and artist, which recommends, would reward long vectors of popular artists instead. No ground
    truth of similarity is used.

    nDCG = sum over validation artists of rank r <= K of 1 / log2(r + 1), divided by the same sum over ranks 1 to
    min(number of validation artists, K). The rank counts every artist of at least the same cosine, so ties come last
    and a fit that cannot tell artists apart scores next to nothing.

    Args:
        vectors: (n, f) float32; row i belongs to row i of `plays.kept`. A zero vector has cosine 0 with all.
        plays: the plays.

    Returns:
        0 to 1.
    """
    listened = (plays.kept.T > 0).astype(np.float64).tocsr()
    artists = _unit(vectors.astype(np.float64))
    listeners = _unit(listened @ artists)
    ranks = np.empty(len(plays.users), np.int64)
    block = max(1, _BLOCK // len(artists))
    for start in range(0, len(ranks), block):
        span = slice(start, start + block)
        block_users, row = np.unique(plays.users[span], return_inverse=True)
        cosines = listeners[block_users] @ artists.T  # (listeners of the block, n)
        cosines[listened[block_users].nonzero()] = -np.inf
        target_cosines = cosines[row, plays.artists[span]]
        ranks[span] = (cosines[row] >= target_cosines[:, None] - TIE).sum(axis=1)
    gains = np.where(ranks <= K, 1.0 / np.log2(ranks + 1.0), 0.0)
    held = np.bincount(plays.users)
    ideal = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(2.0, K + 2)))])[np.minimum(held, K)]
    return float((np.bincount(plays.users, gains)[held > 0] / ideal[held > 0]).mean())


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(norms > 0, norms, 1.0))

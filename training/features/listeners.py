"""Listeners as terms of an artist: TF-IDF factors of artists by listeners, beside the factors of ALS."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from riyl.core.types import Matrix, Progress, silent
from riyl.training.features.tfidf import CHUNK, tfidf_factors

log = logging.getLogger(__name__)

LISTENERS = "listeners"
"""Name of the block of a snapshot's CF modality."""

MIN_ARTISTS = 2
"""Minimum number of artists of a listener; a listener of one artist relates it to no other artist."""
MAX_LISTENERS = 200_000
"""Maximum number of listeners with factors, those of most artists. Limits the memory of the fit to 3 GiB, and the
factors to 240 MB, at 300 columns."""


@dataclass(frozen=True)
class ListenerFactors:
    """Fitted factors of listeners.

    Attributes:
        places: (K,) int32, ascending: the listeners that have factors, as positions among all U of the featurizer.
        factors: (K, d) float32, row i belongs to listener places[i]: its inverse document frequency times its right
            singular vector.
    """

    places: NDArray[np.int32]
    factors: Matrix

    @property
    def width(self) -> int:
        return int(self.factors.shape[1])

    def transform(self, counts: sp.csr_matrix) -> Matrix:
        """Compute the vectors of artists: sum over an artist's listeners u of log(1 + count) factors[u].

        Args:
            counts: (m, U) CSR of play counts above 0.

        Returns:
            (m, d) float32; zeros for an artist none of whose listeners has factors.
        """
        vectors = np.zeros((counts.shape[0], self.width), np.float32)
        for start in range(0, counts.shape[0], CHUNK):
            chunk = counts[start : start + CHUNK]
            rows = np.repeat(np.arange(chunk.shape[0]), np.diff(chunk.indptr))
            at = np.searchsorted(self.places, chunk.indices)
            known = self.places[np.minimum(at, len(self.places) - 1)] == chunk.indices
            # only the factors in use become float64
            used, columns = np.unique(at[known], return_inverse=True)
            weights = sp.csr_matrix(
                (np.log1p(chunk.data[known]), (rows[known], columns)), shape=(chunk.shape[0], len(used))
            )
            vectors[start : start + CHUNK] = weights @ self.factors[used].astype(np.float64)
        return vectors


def fit_listeners(counts: sp.csr_matrix, dims: int, seed: int, progress: Progress = silent) -> ListenerFactors | None:
    """Factor the TF-IDF matrix of artists by listeners; see `riyl.training.features.tfidf.tfidf_factors`.

    A listener is to an artist what a term is to a document: artists with the same listeners are near, and a listener of
    few artists counts more than one of many. Listeners of fewer than `MIN_ARTISTS` artists have no factors; of more
    than `MAX_LISTENERS` others, those of most artists have.

    Args:
        counts: (n, U) CSR of play counts above 0; artists without plays are ignored.
        dims: maximum number of columns, at least 1.
        seed: seed of the iteration's start.
        progress: called with the step, the sweeps done and their total.

    Returns:
        The factors; None if no listener has `MIN_ARTISTS` artists.
    """
    from threadpoolctl import threadpool_limits

    n_artists = np.bincount(counts.indices, minlength=counts.shape[1])
    most = np.argsort(-n_artists, kind="stable")[:MAX_LISTENERS]
    places = np.sort(most[n_artists[most] >= MIN_ARTISTS]).astype(np.int32)
    if not len(places):
        log.warning("no_listener_factors listeners=%d: each has fewer than %d artists", counts.shape[1], MIN_ARTISTS)
        return None
    logs = counts[:, places].astype(np.float64)
    logs = logs[np.flatnonzero(np.diff(logs.indptr))]
    logs.data = np.log1p(logs.data)
    with threadpool_limits(1, "blas"):
        factors = tfidf_factors(lambda start, stop: logs[start:stop], logs.shape[0], len(places), dims, seed, progress)
    return ListenerFactors(places, factors)

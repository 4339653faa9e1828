"""Sets of weighted terms as vectors: the TF-IDF matrix of a snapshot's sets, factored by truncated SVD in chunks."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from riyl.core.storage.weighted_sets import WeightedSets
from riyl.core.types import Matrix

CHUNK = 1 << 15
"""Artists at a time."""

_OVERSAMPLING = 16
_SWEEPS = 8


def log1p_weights(sets: WeightedSets, start: int, stop: int, vocabulary: int, max_terms: int) -> sp.csr_matrix:
    """(stop - start, vocabulary) float64: log(1 + weight) of the `max_terms` heaviest terms of each set."""
    lengths = np.minimum(np.diff(sets.indptr[start : stop + 1]), max_terms)
    begin = np.repeat(sets.indptr[start:stop], lengths)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    at = begin + np.arange(indptr[-1]) - np.repeat(indptr[:-1], lengths)
    values = np.log1p(sets.weights[at].astype(np.float64))
    return sp.csr_matrix((values, sets.terms[at], indptr), shape=(stop - start, vocabulary))


def tfidf_table(sets: WeightedSets, vocabulary: int, dims: int, max_terms: int, seed: int) -> Matrix:
    """A row a term: its inverse document frequency times its right singular vector.

    The factored matrix is log(1 + w(a, t)) idf(t) with rows scaled to unit length, idf(t) = log((n + 1) / sets with t).
    Its right singular vectors are found by subspace iteration (Halko, Martinsson, Tropp 2011, algorithm 4.4), which
    reads the sets a chunk at a time: memory is that of a few (vocabulary, dims) matrices, however many artists.

    Args:
        sets: at least one, none empty.
        vocabulary: V, terms that the sets may point at.
        dims: width; less where there are fewer sets or terms that occur.
        max_terms: terms of a set that count, the heaviest first.
        seed: of the iteration's start.

    Returns:
        (V, d) float32; zeros for a term that no set has.
    """
    n = len(sets.indptr) - 1
    frequency = np.zeros(vocabulary, np.int64)
    for start in range(0, n, CHUNK):
        frequency += np.bincount(
            log1p_weights(sets, start, min(start + CHUNK, n), vocabulary, max_terms).indices, None, vocabulary
        )
    idf = np.where(frequency > 0, np.log((n + 1) / np.maximum(frequency, 1)), 0.0)
    width = max(1, min(dims, n, int(np.count_nonzero(idf))))
    start_at = np.random.default_rng(seed).standard_normal((vocabulary, min(width + _OVERSAMPLING, vocabulary)))
    featurizer: NDArray[np.float64] = np.linalg.qr(start_at)[0]
    for _ in range(_SWEEPS):
        featurizer = np.linalg.qr(_gram(sets, idf, featurizer, max_terms))[0]
    values, rotation = np.linalg.eigh(featurizer.T @ _gram(sets, idf, featurizer, max_terms))
    right = featurizer @ rotation[:, np.argsort(-values)[:width]]  # (V, d)
    signs = np.sign(right[np.argmax(np.abs(right), axis=0), np.arange(width)])
    return np.ascontiguousarray(idf[:, None] * right * np.where(signs == 0, 1, signs), np.float32)


def _gram(
    sets: WeightedSets, idf: NDArray[np.float64], featurizer: NDArray[np.float64], max_terms: int
) -> NDArray[np.float64]:
    """A' A basis for the TF-IDF matrix A."""
    n, out = len(sets.indptr) - 1, np.zeros_like(featurizer)
    for start in range(0, n, CHUNK):
        rows = log1p_weights(sets, start, min(start + CHUNK, n), len(idf), max_terms)
        rows.data *= idf[rows.indices]
        lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
        rows.data /= np.repeat(np.where(lengths > 0, lengths, 1.0), np.diff(rows.indptr))
        out += rows.T @ (rows @ featurizer)
    return out

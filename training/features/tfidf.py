"""TF-IDF factors of sets of weighted terms: the matrix of sets by terms, factored by truncated SVD in chunks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from riyl.core.storage.weighted_sets import WeightedSets
from riyl.core.types import Matrix, Progress, silent

CHUNK = 1 << 15
"""Number of artists read at a time."""

_OVERSAMPLING = 16
_SWEEPS = 8


class LogWeights(Protocol):
    """Reader of sets: returns (stop - start, V) CSR float64, log(1 + weight) of the terms of sets start to stop."""

    def __call__(self, start: int, stop: int) -> sp.csr_matrix: ...


def log1p_weights(sets: WeightedSets, start: int, stop: int, vocabulary: int, max_terms: int) -> sp.csr_matrix:
    """Return (stop - start, vocabulary) float64: log(1 + weight) of the `max_terms` heaviest terms of each set."""
    lengths = np.minimum(np.diff(sets.indptr[start : stop + 1]), max_terms)
    begin = np.repeat(sets.indptr[start:stop], lengths)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    at = begin + np.arange(indptr[-1]) - np.repeat(indptr[:-1], lengths)
    values = np.log1p(sets.weights[at].astype(np.float64))
    return sp.csr_matrix((values, sets.terms[at], indptr), shape=(stop - start, vocabulary))


def tfidf_table(sets: WeightedSets, vocabulary: int, dims: int, max_terms: int, seed: int) -> Matrix:
    """Compute the TF-IDF factors of stored sets.

    Args:
        sets: at least one set, none empty.
        vocabulary: V, number of terms that the sets may refer to.
        dims: maximum width; see `tfidf_factors`.
        max_terms: maximum number of terms read of a set, the heaviest first.
        seed: seed of the iteration's start.

    Returns:
        (V, d) float32; zeros for a term that is in no set.
    """
    n = len(sets.indptr) - 1
    return tfidf_factors(
        lambda start, stop: log1p_weights(sets, start, stop, vocabulary, max_terms), n, vocabulary, dims, seed
    )


def tfidf_factors(
    log_weights: LogWeights, n: int, vocabulary: int, dims: int, seed: int, progress: Progress = silent
) -> Matrix:
    """Compute the TF-IDF factors: a row a term, its inverse document frequency times its right singular vector.

    The factored matrix is log(1 + w(a, t)) idf(t) with rows scaled to unit length, idf(t) = log((n + 1) / sets with t).
    Its right singular vectors are found by subspace iteration (Halko, Martinsson, Tropp 2011, algorithm 4.4), which
    reads the sets a chunk at a time: memory use is that of a few (V, dims) float64 matrices, for any number of sets.

    Args:
        log_weights: reads the sets, with V columns; called for each chunk, ten times in all.
        n: number of sets, at least one; none is empty.
        vocabulary: V, number of terms that the sets may refer to, at least one.
        dims: maximum width; it is less where there are fewer sets, or fewer terms that occur.
        seed: seed of the iteration's start.
        progress: called with the step, the sweeps done and their total.

    Returns:
        (V, d) float32; zeros for a term that is in no set.
    """
    frequency = np.zeros(vocabulary, np.int64)
    for start in range(0, n, CHUNK):
        frequency += np.bincount(log_weights(start, min(start + CHUNK, n)).indices, None, vocabulary)
    idf = np.where(frequency > 0, np.log((n + 1) / np.maximum(frequency, 1)), 0.0)
    width = max(1, min(dims, n, int(np.count_nonzero(idf))))
    right = right_factors(lambda subspace: _gram(log_weights, n, idf, subspace), vocabulary, width, seed, progress)
    return np.ascontiguousarray(idf[:, None] * right, np.float32)


def right_factors(
    gram: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    size: int,
    width: int,
    seed: int,
    progress: Progress = silent,
) -> NDArray[np.float64]:
    """Compute the first right singular vectors of a matrix A, each with its largest entry positive, (size, width).

    Args:
        gram: returns A' A subspace, for a (size, k) subspace that it does not keep.
        size: number of columns of A.
        width: number of vectors, 1 to `size`.
        seed: seed of the iteration's start.
        progress: called with the step, the sweeps done and their total.
    """
    subspace = _orthonormal(np.random.default_rng(seed).standard_normal((size, min(width + _OVERSAMPLING, size))))
    for sweep in range(_SWEEPS):
        subspace = _orthonormal(gram(subspace))
        progress("factor terms", sweep + 1, _SWEEPS + 1)
    values, rotation = np.linalg.eigh(subspace.T @ gram(subspace))
    progress("factor terms", _SWEEPS + 1, _SWEEPS + 1)
    right = subspace @ rotation[:, np.argsort(-values)[:width]]
    signs = np.sign(right[np.argmax(np.abs(right), axis=0), np.arange(width)])
    return np.asarray(right * np.where(signs == 0, 1, signs))


def _gram(
    log_weights: LogWeights, n: int, idf: NDArray[np.float64], subspace: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return A' A subspace, for the TF-IDF matrix A."""
    out = np.zeros_like(subspace)
    for start in range(0, n, CHUNK):
        logs = log_weights(start, min(start + CHUNK, n))
        rows = sp.csr_matrix((logs.data * idf[logs.indices], logs.indices, logs.indptr), shape=logs.shape)
        lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
        rows.data /= np.repeat(np.where(lengths > 0, lengths, 1.0), np.diff(rows.indptr))
        out += rows.T @ (rows @ subspace)
    return out


def _orthonormal(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an orthonormal basis of the columns, in their shape or narrower; `columns` may be overwritten."""
    # imported here: the service featurizes artists but fits nothing; NumPy's QR takes twice the memory
    from scipy.linalg import qr

    return np.ascontiguousarray(qr(columns, overwrite_a=True, mode="economic", check_finite=False)[0])

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

import riyl.training.features.tfidf
from riyl.core.storage.weighted_sets import WeightedSets
from riyl.training.features.tags import tag_sets
from riyl.training.features.tfidf import log1p_weights, tfidf_table


def made(seed: int, n: int = 50, vocabulary: int = 12) -> tuple[WeightedSets, np.ndarray]:
    """Draw sets with one term in all of them and one term in none; return them and their weights as a dense matrix."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(1, 30, (n, vocabulary)) * (rng.random((n, vocabulary)) < 0.4)
    weights[:, 3], weights[:, 7] = 5, 0
    return tag_sets(sp.csr_matrix(weights.astype(np.float64))), weights.astype(np.float64)


def dense_tfidf(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    frequency = (weights > 0).sum(axis=0)
    idf = np.where(frequency > 0, np.log((len(weights) + 1) / np.maximum(frequency, 1)), 0)
    matrix = np.log(1 + weights) * idf
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True), idf


def test_the_table_holds_the_factors_of_a_dense_svd() -> None:
    sets, weights = made(0)
    matrix, idf = dense_tfidf(weights)
    table = tfidf_table(sets, 12, 4, 100, seed=0)
    assert table.shape == (12, 4)
    right = np.linalg.svd(matrix, full_matrices=False)[2][:4].T
    np.testing.assert_allclose(np.abs(table), np.abs(idf[:, None] * right), atol=1e-5)
    assert not table[7].any()


def test_as_many_factors_as_terms_that_tell_keep_every_cosine() -> None:
    sets, weights = made(1)
    matrix, _ = dense_tfidf(weights)
    vectors = log1p_weights(sets, 0, 50, 12, 100) @ tfidf_table(sets, 12, 300, 100, seed=0)
    assert vectors.shape == (50, 11)  # one of the twelve terms occurs nowhere
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(unit @ unit.T, matrix @ matrix.T, atol=1e-5)


def test_chunks_of_artists_give_the_same_table(monkeypatch: pytest.MonkeyPatch) -> None:
    sets, _ = made(2)
    table = tfidf_table(sets, 12, 5, 100, seed=0)
    monkeypatch.setattr(riyl.training.features.tfidf, "CHUNK", 7)
    np.testing.assert_allclose(tfidf_table(sets, 12, 5, 100, seed=0), table, atol=1e-6)


def test_only_the_heaviest_terms_of_a_set_count() -> None:
    sets, weights = made(3)
    result = log1p_weights(sets, 10, 20, 12, 2).toarray()
    for row, full in zip(result, weights[10:20], strict=True):
        wanted = np.zeros(12)
        for term in sorted(range(12), key=lambda t: (-full[t], t))[:2]:
            wanted[term] = np.log(1 + full[term])
        np.testing.assert_allclose(row, wanted, atol=1e-6)

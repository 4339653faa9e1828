from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

import riyl.training.cca.expansion
from riyl.core.storage.weighted_sets import WeightedSets
from riyl.training.cca.expansion import expanded_table, ngram_expansion, ngrams_of, word_expansion, words_of
from riyl.training.features.tags import tag_sets
from riyl.training.features.tfidf import log1p_weights


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("post-rock", {"post", "rock"}),
        ("drum & bass", {"drum", "bass"}),
        ("r&b/soul", {"r", "b", "soul"}),
        ("rock, rock (live)", {"rock", "live"}),
        ("k_pop;j.pop:c", {"k", "pop", "j", "c"}),
        ("渋谷系", {"渋谷系"}),
        ("--", set()),
    ],
)
def test_words_are_what_stands_between_separators(tag: str, words: set[str]) -> None:
    assert words_of(tag) == words


def test_ngrams_have_three_to_five_characters_and_stay_in_a_word() -> None:
    assert ngrams_of("a-bcd") == {" a ", " bc", "bcd", "cd ", " bcd", "bcd ", " bcd "}
    assert ngrams_of("--") == set()


def test_rows_of_the_expansions_follow_the_tags() -> None:
    words = word_expansion(["post-rock", "--", "rock"]).toarray()
    np.testing.assert_array_equal(words @ words.T, [[2, 0, 1], [0, 0, 0], [1, 0, 1]])
    ngrams = ngram_expansion(["post-rock", "--", "rock"]).toarray()
    np.testing.assert_allclose(np.linalg.norm(ngrams, axis=1), [2, 0, 2])
    # " rock " has 4 + 3 + 2 n-grams, and " post " as many others
    np.testing.assert_allclose(ngrams[0] @ ngrams[2], 9 * 2 / np.sqrt(18) * 2 / np.sqrt(9))
    assert word_expansion(["--"]).shape == (1, 1)


def made(seed: int) -> tuple[WeightedSets, np.ndarray, np.ndarray]:
    """Draw 50 sets of 12 tags that consist of 8 features; one feature is of a single set, and one of none."""
    rng = np.random.default_rng(seed)
    weights = (rng.integers(1, 30, (50, 12)) * (rng.random((50, 12)) < 0.4)).astype(np.float64)
    weights[:, 0], weights[:, 1] = 2, 0
    weights[7, 1] = 5
    expansion = rng.random((12, 8)) * (rng.random((12, 8)) < 0.4)
    expansion[:, 6], expansion[1, 6], expansion[:, 7] = 0, 0.5, 0
    return tag_sets(sp.csr_matrix(weights)), weights, expansion


def dense(weights: np.ndarray, expansion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted matrix of sets by features, and the same with rows of unit length."""
    features = np.log(1 + weights) @ expansion
    frequency = (features > 0).sum(axis=0)
    idf = np.where(frequency > 1, np.log((len(weights) + 1) / np.maximum(frequency, 1)), 0)
    matrix = features * idf
    return matrix, matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


@pytest.mark.parametrize("chunk", [1 << 15, 7])
def test_a_sets_vector_is_its_projection_on_the_factors_of_a_dense_svd(
    monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(riyl.training.cca.expansion, "CHUNK", chunk)
    sets, weights, expansion = made(0)
    matrix, unit = dense(weights, expansion)
    table = expanded_table(sets, sp.csr_matrix(expansion), 4, 100, seed=0)
    assert table.shape == (12, 4)
    right = np.linalg.svd(unit, full_matrices=False)[2][:4].T
    vectors = log1p_weights(sets, 0, 50, 12, 100) @ table
    np.testing.assert_allclose(np.abs(vectors), np.abs(matrix @ right), atol=1e-4)


def test_of_too_many_features_those_of_the_most_sets_count(monkeypatch: pytest.MonkeyPatch) -> None:
    sets, weights, expansion = made(1)
    frequency = (np.log(1 + weights) @ expansion > 0).sum(axis=0)
    monkeypatch.setattr(riyl.training.cca.expansion, "MAX_FEATURES", 3)
    table = expanded_table(sets, sp.csr_matrix(expansion), 8, 100, seed=0)
    counted = np.sort(np.argsort(-frequency, kind="stable")[:3])
    matrix, _ = dense(weights, expansion[:, counted])
    vectors = log1p_weights(sets, 0, 50, 12, 100) @ table
    np.testing.assert_allclose(vectors @ vectors.T, matrix @ matrix.T, atol=1e-4)


def test_tags_without_a_shared_feature_have_a_table_of_zeros() -> None:
    sets = tag_sets(sp.csr_matrix(np.eye(3)))
    table = expanded_table(sets, word_expansion(["a", "b", "c"]), 4, 100, seed=0)
    np.testing.assert_array_equal(table, np.zeros((3, 1)))

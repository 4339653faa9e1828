from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfTransformer

from riyl.core.errors import InputError
from riyl.training.features.recipe import TagRecipe
from riyl.training.features.tags import fit_tags, tag_sets

WEIGHTS = sp.csr_matrix(np.array([[2.0, 2.0, 0.0], [0.0, 1.0, 1.0], [4.0, 0.0, 2.0]]))
TERMS = ["dub", "rock", "ska"]


def test_ppmi_is_worked_by_hand() -> None:
    fitted = fit_tags(WEIGHTS, TERMS, TagRecipe(dims=2), seed=0)
    # all weight 12: dub 6, rock 3, ska 3
    np.testing.assert_allclose(fitted.prior, [0.5, 0.25, 0.25])
    expected = [
        [0.0, math.log(0.5 / 0.25), 0.0],  # dub: log(0.5 / 0.5) = 0
        [0.0, math.log(2), math.log(2)],
        [math.log((4 / 6) / 0.5), 0.0, math.log((2 / 6) / 0.25)],
    ]
    np.testing.assert_allclose(fitted.associations(WEIGHTS).toarray(), expected, atol=1e-12)


def test_negative_association_counts_as_none() -> None:
    fitted = fit_tags(WEIGHTS, TERMS, TagRecipe(dims=2), seed=0)
    mostly_rock = sp.csr_matrix(np.array([[1.0, 9.0, 0.0]]))  # p(dub | a) = 0.1 < 0.5
    np.testing.assert_allclose(fitted.associations(mostly_rock).toarray(), [[0.0, math.log(0.9 / 0.25), 0.0]])


def test_tfidf_agrees_with_scikit_learn() -> None:
    fitted = fit_tags(WEIGHTS, TERMS, TagRecipe(weighting="tfidf", dims=2, min_artists=1), seed=0)
    logged = WEIGHTS.copy()
    logged.data = np.log1p(logged.data)
    # scikit-learn adds 1 to the logarithm, which is subtracted here
    reference = TfidfTransformer(smooth_idf=False, norm=None).fit(logged)
    scores = logged.toarray() * (reference.idf_ - 1.0)
    scores /= np.linalg.norm(scores, axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.associations(WEIGHTS).toarray(), scores, atol=1e-12)


def test_vectors_keep_the_inner_products_that_a_dense_svd_keeps() -> None:
    rng = np.random.default_rng(0)
    dense = rng.poisson(1.0, (30, 12)).astype(float)
    fitted = fit_tags(sp.csr_matrix(dense), [f"t{i:02d}" for i in range(12)], TagRecipe(dims=5), seed=3)
    vectors = fitted.transform(sp.csr_matrix(dense)).astype(float)
    u, s, _ = np.linalg.svd(fitted.associations(sp.csr_matrix(dense)).toarray())
    best = (u[:, :5] * s[:5]) @ (u[:, :5] * s[:5]).T
    np.testing.assert_allclose(vectors @ vectors.T, best, atol=1e-4)


def test_a_tag_of_one_artist_does_not_count() -> None:
    weights = sp.csr_matrix(np.array([[1.0, 1.0, 0.0, 5.0], [1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0]]))
    fitted = fit_tags(weights, ["a", "b", "c", "mine"], TagRecipe(dims=2), seed=0)
    assert fitted.vocabulary == ["a", "b", "c"]


def test_too_few_shared_tags_are_refused() -> None:
    with pytest.raises(InputError, match="found 1 tags of at least 2 artists; wanted at least 2"):
        fit_tags(sp.csr_matrix(np.array([[1.0, 1.0], [1.0, 0.0]])), ["a", "b"], TagRecipe(), seed=0)


def test_sets_hold_the_heaviest_tag_first_and_equal_ones_by_name() -> None:
    sets = tag_sets(sp.csr_matrix(np.array([[1.0, 3.0, 3.0], [0.0, 0.0, 2.0]])))
    assert sets.indptr.tolist() == [0, 3, 4]
    assert sets.terms.tolist() == [1, 2, 0, 2]
    assert sets.weights.tolist() == [3.0, 3.0, 1.0, 2.0]


def test_padded_sets_are_cut_at_the_longest_and_masked() -> None:
    sets = tag_sets(sp.csr_matrix(np.array([[1.0, 3.0, 2.0], [0.0, 0.0, 2.0]])))
    terms, mask = sets.padded(np.array([1, 0]), 2)
    assert mask.tolist() == [[True, False], [True, True]]
    assert terms.tolist() == [[2, 0], [1, 2]]

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from implicit.cpu.als import AlternatingLeastSquares
from threadpoolctl import threadpool_limits

from riyl.core.errors import InputError
from riyl.training.features.als import fit_cf
from riyl.training.features.cf import CfFeaturizer, confidences
from riyl.training.features.recipe import CfRecipe


def counts(seed: int = 0) -> sp.csr_matrix:
    rng = np.random.default_rng(seed)
    return sp.csr_matrix(rng.poisson(0.4, (40, 25)).astype(float) * rng.integers(1, 30, (40, 25)))


def test_fold_in_solves_the_normal_equations_worked_by_hand() -> None:
    # one listener with factor 2, reg 1, raw count 3, alpha 1: v = 3 * 2 / (4 + (3 - 1) * 4 + 1) = 6 / 13
    modality_featurizer = CfFeaturizer(
        CfRecipe(counts="raw", regularization=1.0, alpha=1.0), ["u"], np.array([[2.0]], np.float32)
    )
    assert modality_featurizer.transform(sp.csr_matrix([[3.0]]))[0, 0] == pytest.approx(6 / 13)


def test_fold_in_agrees_with_implicit() -> None:
    recipe = CfRecipe(factors=6, iterations=5, alpha=3.0)
    modality_featurizer = fit_cf(counts(), [f"u{i}" for i in range(25)], recipe, seed=1)
    with threadpool_limits(1, "blas"):
        als = AlternatingLeastSquares(factors=6, regularization=1.0, alpha=1.0, num_threads=1)
        als.user_factors = modality_featurizer.user_factors
        new = counts(9)
        expected = als.recalculate_item(np.arange(40), confidences(new, recipe).astype(np.float32))
    np.testing.assert_allclose(modality_featurizer.transform(new), expected, atol=2e-4)


def test_an_artist_of_the_fit_is_folded_in_where_it_was_fitted() -> None:
    recipe = CfRecipe(factors=6, iterations=4, counts="binary", alpha=20.0)
    count_matrix = counts()
    modality_featurizer = fit_cf(count_matrix, [f"u{i}" for i in range(25)], recipe, seed=1)
    with threadpool_limits(1, "blas"):
        als = AlternatingLeastSquares(
            factors=6, regularization=1.0, alpha=1.0, iterations=4, use_cg=False, random_state=1, num_threads=1
        )
        als.fit(confidences(count_matrix, recipe).T.tocsr().astype(np.float32), show_progress=False)
    np.testing.assert_allclose(modality_featurizer.transform(count_matrix), als.item_factors, atol=2e-4)


@pytest.mark.parametrize(
    ("kind", "expected"), [("log1p", [2 * np.log(4), 2 * np.log(2)]), ("raw", [6, 2]), ("binary", [2, 2])]
)
def test_confidence_is_alpha_times_the_weighted_count(kind: str, expected: list[float]) -> None:
    confidence_matrix = confidences(sp.csr_matrix([[3.0, 1.0]]), CfRecipe(counts=kind, alpha=2.0))
    np.testing.assert_allclose(confidence_matrix.toarray()[0], expected)


def test_artists_without_plays_take_no_part_in_the_fit() -> None:
    recipe = CfRecipe(factors=4, iterations=3)
    with_empty = sp.vstack([counts(), sp.csr_matrix((5, 25))]).tocsr()
    a = fit_cf(counts(), [f"u{i}" for i in range(25)], recipe, seed=0)
    b = fit_cf(with_empty, [f"u{i}" for i in range(25)], recipe, seed=0)
    np.testing.assert_array_equal(a.user_factors, b.user_factors)
    assert not b.transform(with_empty)[40:].any()


def test_one_listener_is_too_few() -> None:
    with pytest.raises(InputError, match="found 2 artists of the catalog and 1 listeners; wanted at least 2 of each"):
        fit_cf(sp.csr_matrix([[1.0], [2.0]]), ["u"], CfRecipe(), seed=0)

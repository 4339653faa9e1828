"""Collaborative filtering: weighted matrix factorisation by `implicit`, and folding in of any artist with plays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from core.errors import InputError
from core.types import Matrix, Progress, silent
from training.features.recipe import CfRecipe


@dataclass(frozen=True)
class CfProjector:
    """The fitted side of plays: the listeners' factors. An artist's vector solves its least squares against them.

    Attributes:
        recipe: what was fitted.
        users: the U listeners, ascending.
        user_factors: (U, f) float32.
    """

    recipe: CfRecipe
    users: list[str]
    user_factors: Matrix

    @property
    def width(self) -> int:
        return int(self.user_factors.shape[1])

    def transform(self, counts: sp.csr_matrix, progress: Progress = silent) -> Matrix:
        """Fold artists in: the ALS half-step for artists, solved exactly.

        v = (Y'Y + sum_u (c_u - 1) y_u y_u' + reg I)^-1 sum_u c_u y_u over the artist's listeners u, with confidence
        c_u = alpha * weighted count (Hu, Koren, Volinsky 2008, eq. 5, as `implicit` reads it). An artist that was in
        the fit gets, up to rounding, the vector it was fitted with.

        Args:
            counts: (m, U) CSR of play counts above 0; a row without any becomes zero.

        Returns:
            (m, f) float32.
        """
        confidence = confidences(counts, self.recipe)
        factors = self.user_factors.astype(np.float64)
        gram = factors.T @ factors + self.recipe.regularization * np.eye(self.width)
        vectors = np.zeros((counts.shape[0], self.width), np.float32)
        for row in range(counts.shape[0]):
            span = slice(confidence.indptr[row], confidence.indptr[row + 1])
            users, c = factors[confidence.indices[span]], confidence.data[span]
            if len(c):
                vectors[row] = np.linalg.solve(gram + (users.T * (c - 1.0)) @ users, users.T @ c)
            if row % 4096 == 0 or row + 1 == counts.shape[0]:
                progress("fold artists into cf", row + 1, counts.shape[0])
        return vectors


def confidences(counts: sp.csr_matrix, recipe: CfRecipe) -> sp.csr_matrix:
    """Play counts as confidences, float64."""
    scaled = counts.astype(np.float64).tocsr()
    if recipe.counts == "log1p":
        scaled.data = np.log1p(scaled.data)
    elif recipe.counts == "binary":
        scaled.data = np.ones_like(scaled.data)
    scaled.data *= recipe.alpha
    return scaled


def fit_cf(
    counts: sp.csr_matrix, users: list[str], recipe: CfRecipe, seed: int, progress: Progress = silent
) -> CfProjector:
    """Factor artists by listeners.

    Args:
        counts: (n, U) CSR of play counts; artists without plays do not take part.

    Raises:
        InputError: fewer than two artists or listeners.
    """
    # here, because the service folds artists in without having `implicit` installed
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    played = np.flatnonzero(np.diff(counts.indptr))
    if len(played) < 2 or len(users) < 2:
        raise InputError(
            f"plays: found {len(played)} known artists and {len(users)} listeners; wanted at least 2 of each"
        )
    with threadpool_limits(1, "blas"):
        als = AlternatingLeastSquares(
            factors=min(recipe.factors, len(users), len(played)),
            regularization=recipe.regularization,
            alpha=1.0,
            iterations=recipe.iterations,
            use_cg=False,
            random_state=seed,
            num_threads=0,
        )
        als.fit_callback = lambda iteration, *_: progress("fit cf", iteration + 1, recipe.iterations)
        als.fit(confidences(counts[played], recipe).T.tocsr().astype(np.float32), show_progress=False)
    return CfProjector(recipe, users, np.asarray(als.user_factors, np.float32))

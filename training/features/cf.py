"""Collaborative filtering: folding any artist with plays in, against the listeners' factors that `als` fits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from riyl.core.types import Matrix, Progress, silent
from riyl.training.features.listeners import LISTENERS, ListenerFactors
from riyl.training.features.recipe import CfRecipe


@dataclass(frozen=True)
class CfFeaturizer:
    """Fitted featurizer of plays: the listeners' factors of ALS, against which an artist's vector solves least squares.

    Attributes:
        recipe: recipe of the fit.
        users: the U listeners, ascending.
        user_factors: (U, f) float32, of ALS.
        listeners: factors of the listeners as terms of an artist, which give a block beside the vectors; None if there
            are none.
    """

    recipe: CfRecipe
    users: list[str]
    user_factors: Matrix
    listeners: ListenerFactors | None = None

    @property
    def width(self) -> int:
        return int(self.user_factors.shape[1])

    def transform(self, counts: sp.csr_matrix, progress: Progress = silent) -> Matrix:
        """Fold artists in: the ALS half-step for artists, solved exactly.

        v = (Y'Y + sum_u (c_u - 1) y_u y_u' + reg I)^-1 sum_u c_u y_u over the artist's listeners u, with confidence
        c_u = alpha * weighted count (Hu, Koren, Volinsky 2008, eq. 5, as `implicit` reads it). An artist of the fit
        gets, up to rounding, the vector that the fit gave it.

        Args:
            counts: (m, U) CSR of play counts above 0; an empty row becomes a zero vector.
            progress: called with the step, the artists done and their total.

        Returns:
            (m, f) float32.
        """
        confidence = confidences(counts, self.recipe)
        vectors = np.zeros((counts.shape[0], self.width), np.float32)
        for row in range(counts.shape[0]):
            span = slice(confidence.indptr[row], confidence.indptr[row + 1])
            users, c = self.user_factors[confidence.indices[span]].astype(np.float64), confidence.data[span]
            if len(c):
                vectors[row] = np.linalg.solve(self._gram + (users.T * (c - 1.0)) @ users, users.T @ c)
            if row % 4096 == 0 or row + 1 == counts.shape[0]:
                progress("fold artists into cf", row + 1, counts.shape[0])
        return vectors

    def blocks(self, counts: sp.csr_matrix) -> dict[str, Matrix]:
        """Compute the blocks beside the vectors, by name: each (m, d) float32, for (m, U) CSR of play counts above 0.

        The only block is "listeners", see `ListenerFactors.transform`.
        """
        return {} if self.listeners is None else {LISTENERS: self.listeners.transform(counts)}

    def columns_of(self, users: list[str]) -> NDArray[np.int64]:
        """Return the index of each listener in `users`, (len(users),); -1 for an unknown listener."""
        return np.array([self._places.get(user, -1) for user in users], np.int64)

    @cached_property
    def _gram(self) -> NDArray[np.float64]:
        """Regularised Gram matrix Y'Y + reg I, (f, f)."""
        factors = self.user_factors.astype(np.float64)
        return np.asarray(factors.T @ factors + self.recipe.regularization * np.eye(self.width))

    @cached_property
    def _places(self) -> dict[str, int]:
        return {user: i for i, user in enumerate(self.users)}


def confidences(counts: sp.csr_matrix, recipe: CfRecipe) -> sp.csr_matrix:
    """Convert play counts to confidences, float64."""
    scaled = counts.astype(np.float64).tocsr()
    if recipe.counts == "log1p":
        scaled.data = np.log1p(scaled.data)
    elif recipe.counts == "binary":
        scaled.data = np.ones_like(scaled.data)
    scaled.data *= recipe.alpha
    return scaled

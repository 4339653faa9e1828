"""Modalities given as vectors: audio, averaged over tracks, and modalities that the user adds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riyl.core.errors import InputError
from riyl.core.types import Matrix
from riyl.training.features.recipe import VectorRecipe


@dataclass(frozen=True)
class VectorFeaturizer:
    """Fitted scaling of a vector modality.

    Attributes:
        mean, scale: (d,) float32 each; a vector x becomes (x - mean) / scale.
    """

    mean: Matrix
    scale: Matrix

    @property
    def width(self) -> int:
        return len(self.mean)

    def transform(self, vectors: Matrix) -> Matrix:
        """Scale vectors: (m, d) float32.

        Raises:
            InputError: their width is not the fitted one.
        """
        if vectors.shape[1] != self.width:
            raise InputError(f"found vectors of {vectors.shape[1]} numbers; wanted {self.width}, as the featurizer has")
        return (vectors - self.mean) / self.scale


def fit_vectors(vectors: Matrix, recipe: VectorRecipe) -> VectorFeaturizer:
    """Fit the scaling to (m, d) mean vectors; a constant dimension is centred but not scaled.

    Raises:
        InputError: there are no vectors.
    """
    if not len(vectors):
        raise InputError("vectors: found none; wanted those of at least one artist to fit on")
    width = vectors.shape[1]
    if recipe.scale == "none":
        return VectorFeaturizer(np.zeros(width, np.float32), np.ones(width, np.float32))
    deviation = vectors.std(axis=0, dtype=np.float64)
    deviation[deviation < 1e-12] = 1.0
    return VectorFeaturizer(vectors.mean(axis=0, dtype=np.float64).astype(np.float32), deviation.astype(np.float32))

from __future__ import annotations

import numpy as np
import pytest

from riyl.core.errors import InputError
from riyl.training.features.audio import fit_vectors
from riyl.training.features.recipe import VectorRecipe

VECTORS = np.array([[0.0, 5.0, 1.0], [2.0, 5.0, 3.0]], np.float32)


def test_unscaled_vectors_stay_as_they_are() -> None:
    np.testing.assert_array_equal(fit_vectors(VECTORS, VectorRecipe()).transform(VECTORS), VECTORS)


def test_standard_scaling_gives_mean_zero_and_deviation_one_and_leaves_a_constant_at_zero() -> None:
    scaled = fit_vectors(VECTORS, VectorRecipe(scale="standard")).transform(VECTORS)
    np.testing.assert_allclose(scaled, [[-1.0, 0.0, -1.0], [1.0, 0.0, 1.0]])


def test_a_vector_of_another_width_is_refused() -> None:
    with pytest.raises(InputError, match="found vectors of 2 numbers; wanted 3, as the featurizer has"):
        fit_vectors(VECTORS, VectorRecipe()).transform(VECTORS[:, :2])

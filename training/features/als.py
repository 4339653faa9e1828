"""Fit of the listeners' factors: weighted matrix factorisation of artists by listeners, by `implicit`."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from riyl.core.errors import InputError
from riyl.core.extras import needs_extra
from riyl.core.types import Progress, silent
from riyl.training.features.cf import CfFeaturizer, confidences
from riyl.training.features.recipe import CfRecipe


def fit_cf(
    counts: sp.csr_matrix, users: list[str], recipe: CfRecipe, seed: int, progress: Progress = silent
) -> CfFeaturizer:
    """Factor artists by listeners.

    Args:
        counts: (n, U) CSR of play counts; artists without plays are ignored.
        users: the U listeners.
        recipe: settings of the factorisation.
        seed: seed of its start.
        progress: called with the step, the iterations done and their total.

    Raises:
        InputError: there are fewer than two artists or two listeners.
        MissingExtraError: the extra `train` is not installed.
    """
    with needs_extra("train"):
        from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    played = np.flatnonzero(np.diff(counts.indptr))
    if len(played) < 2 or len(users) < 2:
        raise InputError(
            f"plays: found {len(played)} artists of the catalog and {len(users)} listeners; wanted at least 2 of each"
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
    return CfFeaturizer(recipe, users, np.asarray(als.user_factors, np.float32))

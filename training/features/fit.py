"""Fit of one modality's featurizer to its table."""

from __future__ import annotations

from riyl.core.types import Progress
from riyl.training.features.als import fit_cf
from riyl.training.features.audio import fit_vectors
from riyl.training.features.featurize import Source
from riyl.training.features.featurizer import ModalityFeaturizer
from riyl.training.features.read import Vectors
from riyl.training.features.recipe import Recipe, VectorRecipe
from riyl.training.features.tags import fit_tags


def fit_modality_featurizer(
    name: str, table: str, source: Source, recipe: Recipe, progress: Progress
) -> ModalityFeaturizer:
    """Fit a modality featurizer to all of `source`.

    Raises:
        InputError: there is too little data.
    """
    if isinstance(source, Vectors):
        return fit_vectors(source.means, recipe.vectors.get(name, VectorRecipe()))
    if table == "plays":
        return fit_cf(source.weights, source.terms, recipe.cf, recipe.seed, progress)
    return fit_tags(source.weights, source.terms, recipe.tags, recipe.seed)

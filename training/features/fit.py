"""The projector of one modality, fitted to what its table says."""

from __future__ import annotations

from core.types import Progress
from training.features.als import fit_cf
from training.features.audio import fit_vectors
from training.features.basis import Projector
from training.features.place import Source
from training.features.read import Vectors
from training.features.recipe import Recipe, VectorRecipe
from training.features.tags import fit_tags


def fit_projector(name: str, table: str, source: Source, recipe: Recipe, progress: Progress) -> Projector:
    """Fit a modality's projector to all of `source`.

    Raises:
        InputError: there is too little of it.
    """
    if isinstance(source, Vectors):
        return fit_vectors(source.means, recipe.vectors.get(name, VectorRecipe()))
    if table == "plays":
        return fit_cf(source.weights, source.terms, recipe.cf, recipe.seed, progress)
    return fit_tags(source.weights, source.terms, recipe.tags, recipe.seed)

"""Fit of one modality's featurizer to its table."""

from __future__ import annotations

from dataclasses import replace

from riyl.core.types import Progress
from riyl.training.features.als import fit_cf
from riyl.training.features.audio import fit_vectors
from riyl.training.features.cf import CfFeaturizer
from riyl.training.features.featurize import Source
from riyl.training.features.featurizer import ModalityFeaturizer
from riyl.training.features.listeners import fit_listeners
from riyl.training.features.read import Incidence, Vectors
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
        return _fit_plays(source, recipe, progress)
    return fit_tags(source.weights, source.terms, recipe.tags, recipe.seed)


def _fit_plays(plays: Incidence, recipe: Recipe, progress: Progress) -> CfFeaturizer:
    featurizer = fit_cf(plays.weights, plays.terms, recipe.cf, recipe.seed, progress)
    if not recipe.cf.listener_factors:
        return featurizer
    return replace(
        featurizer, listeners=fit_listeners(plays.weights, recipe.cf.listener_factors, recipe.seed, progress)
    )

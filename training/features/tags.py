"""Tags as vectors and as sets of factors: an association matrix of artists and tags, factored by truncated SVD."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from riyl.core.errors import InputError
from riyl.core.storage.weighted_sets import WeightedSets
from riyl.core.types import Matrix
from riyl.training.features.recipe import TagRecipe


@dataclass(frozen=True)
class TagFeaturizer:
    """Fitted featurizer of tags; featurizes any artist with known tags.

    Attributes:
        weighting: "ppmi" or "tfidf".
        vocabulary: the V tags that count, ascending.
        prior: (V,) float64; for PPMI a tag's share of all tag weight, for TF-IDF its inverse document frequency.
        factors: (V, d) float32, a row a tag: the right singular vectors. An artist's vector is the sum of the factors
            of its tags, each times the artist's association with the tag.
    """

    weighting: str
    vocabulary: list[str]
    prior: NDArray[np.float64]
    factors: Matrix

    @property
    def width(self) -> int:
        return int(self.factors.shape[1])

    def associations(self, weights: sp.csr_matrix) -> sp.csr_matrix:
        """Compute the association scores of artists with the vocabulary.

        PPMI(a, t) = max(0, log(p(t | a) / p(t))), p(t | a) = w(a, t) / sum of a's weights (Levy & Goldberg 2014);
        TF-IDF(a, t) = log(1 + w(a, t)) * log(N / df(t)), rows scaled to unit length.

        Args:
            weights: (m, V) CSR, weights above 0; an empty row stays zero.
        """
        scores = weights.astype(np.float64).tocsr()
        lengths = np.diff(scores.indptr)
        if self.weighting == "ppmi":
            totals = np.repeat(np.asarray(scores.sum(axis=1)).ravel(), lengths)
            scores.data = np.maximum(0.0, np.log(scores.data / totals / self.prior[scores.indices]))
        else:
            scores.data = np.log1p(scores.data) * self.prior[scores.indices]
            norms = np.sqrt(np.asarray(scores.multiply(scores).sum(axis=1)).ravel())
            scores.data /= np.repeat(np.where(norms > 0, norms, 1.0), lengths)
        return scores

    def transform(self, weights: sp.csr_matrix) -> Matrix:
        """Compute (m, d) float32 vectors of artists from their tag weights; zero if all associations are zero."""
        return np.asarray(self.associations(weights) @ self.factors.astype(np.float64)).astype(np.float32)

    def columns_of(self, terms: list[str]) -> NDArray[np.int64]:
        """Return the position of each tag in the vocabulary, (len(terms),); -1 for an unknown tag."""
        return np.array([self._places.get(term, -1) for term in terms], np.int64)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {tag: i for i, tag in enumerate(self.vocabulary)}


def fit_tags(weights: sp.csr_matrix, terms: list[str], recipe: TagRecipe, seed: int) -> TagFeaturizer:
    """Fit the vocabulary, its prior and the tag factors.

    Args:
        weights: (n, T) CSR of all artists and all tags.
        terms: the T tags.
        recipe: settings of the tags.
        seed: seed of the SVD's start.

    Raises:
        InputError: fewer than two tags are shared by `recipe.min_artists` artists.
    """
    frequency = np.asarray((weights > 0).sum(axis=0)).ravel()
    columns = np.flatnonzero(frequency >= recipe.min_artists)
    if len(columns) < 2:
        raise InputError(
            f"tags: found {len(columns)} tags of at least {recipe.min_artists} artists; wanted at least 2 "
            f"(a smaller tags.min_artists in the recipe includes rarer tags)"
        )
    counted = weights[:, columns]
    if recipe.weighting == "ppmi":
        prior = np.asarray(counted.sum(axis=0)).ravel() / counted.sum()
    else:
        prior = np.log(np.count_nonzero(np.diff(counted.indptr)) / frequency[columns])
    blank = TagFeaturizer(recipe.weighting, [terms[i] for i in columns], prior, np.zeros((len(columns), 0), np.float32))
    scores = blank.associations(counted)
    scores = scores[np.flatnonzero(np.diff(scores.indptr))]
    return TagFeaturizer(recipe.weighting, blank.vocabulary, prior, _right_factors(scores, recipe.dims, seed))


def tag_sets(weights: sp.csr_matrix) -> WeightedSets:
    """Convert the rows of a CSR matrix to sets, heaviest term first; equal weights by ascending term."""
    rows = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    order = np.lexsort((weights.indices, -weights.data, rows))
    return WeightedSets(
        weights.indptr.astype(np.int64), weights.indices[order].astype(np.int32), weights.data[order].astype(np.float32)
    )


def _right_factors(scores: sp.csr_matrix, dims: int, seed: int) -> Matrix:
    """Return (V, d) right singular vectors of the d largest singular values, each with its largest entry positive."""
    # imported here: the service featurizes artists but fits nothing
    from scipy.sparse.linalg import svds

    d = min(dims, min(scores.shape) - 1)
    if d < 1:
        return np.ones((scores.shape[1], 1), np.float32)
    start = np.random.default_rng(seed).standard_normal(min(scores.shape))
    _, values, right = svds(scores, k=d, v0=start, return_singular_vectors="vh")
    right = right[np.argsort(-values)]
    signs = np.sign(right[np.arange(d), np.argmax(np.abs(right), axis=1)])
    return np.ascontiguousarray((right * signs[:, None]).T, np.float32)

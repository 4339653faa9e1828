"""Weighted sets of terms, in CSR form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riyl.core.storage.memory_map import load_array, require_between, require_bounds
from riyl.core.storage.sealed_files import SealedFiles
from riyl.core.types import Matrix


@dataclass(frozen=True)
class WeightedSets:
    """n sets of terms, each term with a weight, in CSR form: set i is `terms[indptr[i]:indptr[i + 1]]`, heaviest first.

    Attributes:
        indptr: (n + 1,) int64.
        terms: int32 indexes into the featurizer's vocabulary.
        weights: float32, as in the catalog, above 0.
    """

    indptr: NDArray[np.int64]
    terms: NDArray[np.int32]
    weights: Matrix

    def take(self, rows: NDArray[np.int64]) -> WeightedSets:
        """Select the sets of these rows, in the given order."""
        lengths = self.indptr[rows + 1] - self.indptr[rows]
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        at = np.repeat(self.indptr[rows] - indptr[:-1], lengths) + np.arange(indptr[-1])
        return WeightedSets(indptr, self.terms[at], self.weights[at])

    def padded(self, rows: NDArray[np.int64], max_terms: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Return the `max_terms` heaviest terms of each set as a rectangle.

        Args:
            rows: (m,) the sets.
            max_terms: maximum width; the rectangle is as wide as its longest row.

        Returns:
            (m, w) int32 terms, 0 in unused places, and (m, w) bool, true in used places.
        """
        places, mask = self._places(rows, max_terms)
        terms = np.zeros(mask.shape, np.int32)
        terms[mask] = self.terms[places[mask]]
        return terms, mask

    def padded_weights(self, rows: NDArray[np.int64], max_terms: int) -> Matrix:
        """Return (m, w) float32 weights of the terms that `padded` returns, 0 in unused places."""
        places, mask = self._places(rows, max_terms)
        weights = np.zeros(mask.shape, np.float32)
        weights[mask] = self.weights[places[mask]]
        return weights

    def _places(self, rows: NDArray[np.int64], max_terms: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        lengths = np.minimum(self.indptr[rows + 1] - self.indptr[rows], max_terms)
        places = np.arange(max(1, int(lengths.max(initial=0))))
        return self.indptr[rows, None] + places, places < lengths[:, None]


def open_sets(files: SealedFiles, prefix: str, n: int, n_terms: int | None) -> WeightedSets:
    """Open n sets of terms; the set of an artist without terms is empty.

    Args:
        files: files of the folder.
        prefix: prefix of the file names.
        n: number of sets.
        n_terms: size of the vocabulary; None if unknown.
    """
    indptr_file, terms_file, weights_file = (files[f"{prefix}{end}.npy"] for end in ("indptr", "terms", "weights"))
    terms = load_array(terms_file, np.int32, (None,))
    require_between(terms_file, terms, 0, (2**31 if n_terms is None else n_terms) - 1)
    weights = load_array(weights_file, np.float32, (len(terms),))
    require_between(weights_file, weights, 0, float(np.finfo(np.float32).max))
    indptr = load_array(indptr_file, np.int64, (n + 1,))
    require_bounds(indptr_file, indptr, len(terms))
    return WeightedSets(indptr, terms, weights)

"""The candidate mask: the artists that a query may return, in each form that search needs, each made once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from riyl.core.types import Mask
from riyl.index.artifact.ivf import Bits


@dataclass(frozen=True)
class CandidateMask:
    """Artists with an embedding that a query may return.

    Attributes:
        mask: (n + m,) bool, artists of the version and live ones; false without embedding or with a tombstone.
        stored: (n,) bool, all artists of the version with an embedding.
    """

    mask: Mask
    stored: Mask

    @staticmethod
    def of(mask: Mask, searchable: Mask, stored: Mask | None = None) -> CandidateMask:
        """Restrict a mask to artists with an embedding and without a tombstone.

        Args:
            mask: (n + m,) bool, the artists that pass.
            searchable: (n + m,) bool, those with an embedding and without a tombstone.
            stored: as the attribute; None where nothing differs from the version.
        """
        return CandidateMask(mask & searchable, searchable if stored is None else stored)

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Rows of the candidates, ascending."""
        return np.flatnonzero(self.mask)

    @cached_property
    def bits(self) -> Bits:
        """Candidates of the version, one bit each by position in the Faiss file: artists with an embedding, by row."""
        version_mask = self.mask[: len(self.stored)]
        return np.packbits(version_mask if self.stored.all() else version_mask[self.stored], bitorder="little")

    def among(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the candidates among these rows, ascending, each once."""
        return np.unique(rows[self.mask[rows]])


def cleared(bits: Bits, positions: NDArray[np.int64]) -> Bits:
    """Return a copy with the bits at these positions cleared."""
    remaining = bits.copy()
    np.bitwise_and.at(remaining, positions >> 3, ~(np.uint8(1) << (positions & 7).astype(np.uint8)))
    return remaining

"""Who may answer: the artists that pass conditions, in every form that search takes them in, each made once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from riyl.core.types import Mask
from riyl.index.artifact.ivf import Bits


@dataclass(frozen=True)
class CandidateMask:
    """Artists with an embedding that may answer.

    Attributes:
        mask: (n + m,) bool, the version's and the live ones; false where there is no embedding, or who is gone.
        stored: (n,) bool, the version's artists with an embedding, all of them.
    """

    mask: Mask
    stored: Mask

    @staticmethod
    def of(mask: Mask, searchable: Mask, stored: Mask | None = None) -> CandidateMask:
        """Those of `mask` who are there and have an embedding.

        Args:
            searchable: (n + m,) bool, who is there and has an embedding.
            stored: see above; None where nothing is other than in the version.
        """
        return CandidateMask(mask & searchable, searchable if stored is None else stored)

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """(m,) ascending."""
        return np.flatnonzero(self.mask)

    @cached_property
    def bits(self) -> Bits:
        """The version's, by position in the Faiss file, which has those with an embedding by their rows."""
        version_mask = self.mask[: len(self.stored)]
        return np.packbits(version_mask if self.stored.all() else version_mask[self.stored], bitorder="little")

    def among(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(m,) which of these rows are allowed, ascending, each once."""
        return np.unique(rows[self.mask[rows]])


def cleared(bits: Bits, positions: NDArray[np.int64]) -> Bits:
    """The same with some positions off."""
    remaining = bits.copy()
    np.bitwise_and.at(remaining, positions >> 3, ~(np.uint8(1) << (positions & 7).astype(np.uint8)))
    return remaining

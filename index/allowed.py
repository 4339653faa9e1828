"""Who may answer: the artists that pass conditions, in every form that search takes them in, each made once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from core.types import Mask
from index.cells import Bits


@dataclass(frozen=True)
class Allowed:
    """Artists with an embedding that may answer.

    Attributes:
        mask: (n,) bool; false where there is no embedding.
        known: (n,) bool, the artists with an embedding.
    """

    mask: Mask
    known: Mask

    @staticmethod
    def of(mask: Mask, known: Mask) -> Allowed:
        """Those of `mask` that have an embedding."""
        return Allowed(mask & known, known)

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """(m,) ascending."""
        return np.flatnonzero(self.mask)

    @cached_property
    def bits(self) -> Bits:
        """By position in the Faiss file, which has the artists with an embedding in the order of their rows."""
        return np.packbits(self.mask if self.known.all() else self.mask[self.known], bitorder="little")

    def among(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(m,) which of these rows are allowed, ascending, each once."""
        return np.unique(rows[self.mask[rows]])


def cleared(bits: Bits, positions: NDArray[np.int64]) -> Bits:
    """The same with some positions off."""
    found = bits.copy()
    np.bitwise_and.at(found, positions >> 3, ~(np.uint8(1) << (positions & 7).astype(np.uint8)))
    return found

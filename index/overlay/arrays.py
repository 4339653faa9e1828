"""Append-only arrays, and arrays of a version followed by those of its live artists, read as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)

_FIRST = 1 << 14
"""Rows that a buffer has room for at first; memory is used as rows are added."""


@dataclass(frozen=True)
class OverlayArray(Generic[Number]):
    """Array of n rows of a version followed by m rows of live artists.

    Attributes:
        base: (n, ...) rows of the version.
        overlay: (m, ...) rows of live artists.
    """

    base: NDArray[Number]
    overlay: NDArray[Number]

    def __getitem__(self, rows: NDArray[np.integer] | slice) -> NDArray[Number]:
        """Return the entries of r rows, (r, ...); a slice needs both a start and a stop."""
        n = len(self.base)
        if isinstance(rows, slice):
            if rows.stop <= n:
                return self.base[rows]
            rows = np.arange(rows.start, rows.stop)
        above = rows >= n
        if not above.any():
            return np.asarray(self.base[rows])
        values: NDArray[Number] = self.base[np.where(above, 0, rows)]
        values[above] = self.overlay[rows[above] - n]
        return values

    def at(self, row: int) -> Any:
        """Return the entry of one row."""
        n = len(self.base)
        return self.base[row] if row < n else self.overlay[row - n]

    def whole(self) -> NDArray[Number]:
        """Return all entries, (n + m, ...); a copy where there is any live artist."""
        return np.concatenate([self.base, self.overlay]) if len(self.overlay) else self.base


class AppendBuffer(Generic[Number]):
    """Append-only buffer of rows; an array that `taken` returned earlier never changes."""

    def __init__(self, shape: tuple[int, ...], dtype: type[Number]) -> None:
        """Create an empty buffer of rows of this shape and type."""
        self._rows: NDArray[Number] = np.empty((_FIRST, *shape), dtype)
        self._length = 0

    def add(self, rows: NDArray[Number]) -> None:
        """Append rows."""
        length = self._length + len(rows)
        if length > len(self._rows):
            grown = np.empty((max(length, 2 * len(self._rows)), *self._rows.shape[1:]), self._rows.dtype)
            grown[: self._length] = self._rows[: self._length]
            self._rows = grown
        self._rows[self._length : length] = rows
        self._length = length

    def taken(self) -> NDArray[Number]:
        """Return all rows added so far, (m, ...)."""
        return self._rows[: self._length]

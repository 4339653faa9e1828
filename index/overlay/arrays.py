"""Arrays that grow at their end, and a version's arrays with those of live artists behind them, read as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)

_FIRST = 64


@dataclass(frozen=True)
class OverlayArray(Generic[Number]):
    """n rows of a version and m rows of live artists behind them.

    Attributes:
        base: (n, ...).
        overlay: (m, ...).
    """

    base: NDArray[Number]
    overlay: NDArray[Number]

    def __getitem__(self, rows: NDArray[np.integer] | slice) -> NDArray[Number]:
        """(r, ...) the entries of some rows; a slice names both its ends."""
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
        """The entry of one row."""
        n = len(self.base)
        return self.base[row] if row < n else self.overlay[row - n]

    def whole(self) -> NDArray[Number]:
        """(n + m, ...) all of them; a copy where there is any live artist."""
        return np.concatenate([self.base, self.overlay]) if len(self.overlay) else self.base


class AppendBuffer(Generic[Number]):
    """Rows that are only ever added; whoever took them before keeps what was there then."""

    def __init__(self, shape: tuple[int, ...], dtype: type[Number]) -> None:
        """Empty.

        Args:
            shape: of a row.
        """
        self._rows: NDArray[Number] = np.empty((_FIRST, *shape), dtype)
        self._length = 0

    def add(self, rows: NDArray[Number]) -> None:
        """Add some rows at the end."""
        length = self._length + len(rows)
        if length > len(self._rows):
            grown = np.empty((max(length, 2 * len(self._rows)), *self._rows.shape[1:]), self._rows.dtype)
            grown[: self._length] = self._rows[: self._length]
            self._rows = grown
        self._rows[self._length : length] = rows
        self._length = length

    def taken(self) -> NDArray[Number]:
        """(m, ...) all rows that there are."""
        return self._rows[: self._length]

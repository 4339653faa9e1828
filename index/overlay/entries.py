"""Live artists that enter the lists of other artists: the best ones for each list, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from riyl.core.types import Rows
from riyl.index.artifact.arrays import LIST_LENGTH

Keys: TypeAlias = NDArray[np.uint64]
"""(m,) uint64, the order among equal scores, see `riyl.index.scoring.tie_breaking.tie_keys`."""


@dataclass(frozen=True, slots=True)
class Entries:
    """Live artists that enter one list.

    Attributes:
        rows: (e,) int32, at most as many as the length of a list.
        scores: (e,) float32.
        floor: score and tie key of the best live artist that was left out; the list is complete in front of it.
            None where none was left out.
    """

    rows: Rows
    scores: NDArray[np.float32]
    floor: tuple[float, int] | None = None

    def with_more(self, rows: Rows, scores: NDArray[np.float32], keys: NDArray[np.uint64], first: int) -> Entries:
        """Return these entries and further ones, cut to the length of a list.

        Args:
            rows: (a,) int32 rows of the further live artists.
            scores: (a,) float32 their scores.
            keys: tie keys of all live artists.
            first: row of the first live artist.
        """
        rows, scores = np.concatenate([self.rows, rows]), np.concatenate([self.scores, scores])
        if len(rows) <= LIST_LENGTH:
            return Entries(rows, scores, self.floor)
        of_rows = keys[rows - first]
        order = np.lexsort((of_rows, -scores))
        out = order[LIST_LENGTH]
        floor = (float(scores[out]), int(of_rows[out]))
        if self.floor is not None and is_before(self.floor, floor):
            floor = self.floor
        return Entries(rows[order[:LIST_LENGTH]], scores[order[:LIST_LENGTH]], floor)


NO_ENTRIES = Entries(np.empty(0, np.int32), np.empty(0, np.float32))


def in_front(
    scores: NDArray[np.float32], keys: Keys, floor_scores: NDArray[np.float32] | float, floor_keys: Keys | int
) -> NDArray[np.bool_]:
    """Return which artists stand in front of the floor, (m,) bool; one floor for all, or one for each."""
    return np.asarray((scores > floor_scores) | ((scores == floor_scores) & (keys < floor_keys)))


def is_before(left: tuple[float, int], right: tuple[float, int]) -> bool:
    """Return whether the left pair of score and tie key stands in front of the right one."""
    return (-left[0], left[1]) < (-right[0], right[1])

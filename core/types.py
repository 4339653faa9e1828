"""Type aliases for the values that packages exchange."""

from __future__ import annotations

from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

ArtistId: TypeAlias = str
"""The catalog's own id of an artist: any non-empty text."""

Matrix: TypeAlias = NDArray[np.float32]
"""(n, d) float32, one row per artist."""

Vector: TypeAlias = NDArray[np.float32]
"""(d,) float32."""

Rows: TypeAlias = NDArray[np.int32]
"""(n,) int32 positions of artists in a snapshot, ascending unless stated otherwise."""

Mask: TypeAlias = NDArray[np.bool_]
"""(n,) bool over the artists of a snapshot."""

Scores: TypeAlias = NDArray[np.float64]
"""(n,) float64, one value per query; NaN where the value is undefined."""

Lists: TypeAlias = NDArray[np.int32]
"""(q, k) int32 positions of retrieved artists, best first; -1 fills a list that is shorter than k."""


class Progress(Protocol):
    """Callback for the progress of a step; called with done == total when the step ends."""

    def __call__(self, step: str, done: int, total: int) -> None: ...


def silent(step: str, done: int, total: int) -> None:
    """Ignore progress reports."""

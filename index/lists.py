"""Lists of similar artists in a version and the changes on it: those that are ready, and those searched for exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.types import Rows
from index.live import Live
from index.scoring import scored
from index.ties import ordered

_AT_ONCE = 1 << 14


@dataclass(frozen=True)
class Neighbours:
    """Similar artists: (k,) rows and (k,) float32 scores, best first; shorter where fewer exist.

    The first `n_pinned` stand there by rule, whatever their score.

    Attributes:
        whole: of a ready list, whether there is nobody else.
    """

    rows: Rows
    scores: NDArray[np.float32]
    n_pinned: int = 0
    whole: bool = False


def ready_list(live: Live, row: int) -> Neighbours:
    """Of the version's 256 of an artist those who are there, among the live artists that enter its list."""
    version, at = live.version, row - live.first
    rows = version.neighbours[row] if at < 0 else live.columns.lists[at]
    scores = version.scores[row] if at < 0 else live.columns.scores[at]
    whole = bool(rows[-1] < 0)
    if whole:
        length = int(np.count_nonzero(rows >= 0))
        rows, scores = rows[:length], scores[:length]
    if not live:
        return Neighbours(rows, scores, whole=whole)
    kept = ~live.gone[rows]
    rows, scores = rows[kept], scores[kept]
    entries = live.entries.get(row)
    if entries is not None:
        entering, values = entries
        there = entering < live.n_rows
        there[there] = ~live.gone[entering[there]]
        if there.any():
            rows = np.concatenate([rows, entering[there]])
            rows, scores = ordered(rows, np.concatenate([scores, values[there]]), live.ids_of)
    return Neighbours(rows, scores, whole=whole)


def exact_scores(live: Live, row: int, *, raw: bool, rows: Rows | None = None) -> NDArray[np.float32]:
    """What artists score for the one in `row`, exactly: summed in float64, all of them in bounded memory.

    Args:
        raw: leave the version's corrections out: cosines.
        rows: (m,) whose scores; None takes every artist.

    Returns:
        (m,) or (n_rows,) float32; -inf where an artist has no embedding, or is gone.
    """
    vector, pattern = np.asarray(live.embeddings.at(row), np.float64), live.patterns_of.at(row)
    total = live.n_rows if rows is None else len(rows)
    found = np.empty(total, np.float32)
    for start in range(0, total, _AT_ONCE):
        part = slice(start, min(start + _AT_ONCE, total))
        chosen = part if rows is None else rows[part]
        cosines = live.embeddings[chosen].astype(np.float64) @ vector
        scores = cosines if raw else scored(cosines, live.c[pattern, live.patterns_of[chosen]], live.h[chosen])
        found[part] = np.where(live.known[chosen], scores, -np.inf)
    return found


def best_of(live: Live, scores: NDArray[np.float32], k: int) -> Neighbours:
    """The k artists of the highest scores; equal ones by a seeded hash of the id, as in the ready lists.

    Args:
        scores: (n_rows,) float32 of every artist; -inf leaves one out.
    """
    k = min(k, int(np.count_nonzero(scores > -np.inf)))
    if k < 1:
        return Neighbours(np.empty(0, np.int32), np.empty(0, np.float32))
    found = np.flatnonzero(scores >= -np.partition(-scores, k - 1)[k - 1]).astype(np.int32)
    rows, values = ordered(found, scores[found], live.ids_of)
    return Neighbours(rows[:k], values[:k])

"""Lists of similar artists in a version and the changes on it: ready lists, and exact search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import InputError
from riyl.core.types import Rows
from riyl.index.overlay.entries import in_front
from riyl.index.overlay.overlay import VersionOverlay
from riyl.index.scoring.exact import kth_highest
from riyl.index.scoring.tie_breaking import ordered, tie_keys
from riyl.index.search.query import Query

_AT_ONCE = 1 << 14


@dataclass(frozen=True)
class Neighbours:
    """Similar artists: (k,) rows and (k,) float32 scores, best first; shorter where fewer exist.

    Attributes:
        n_pinned: number of artists at the head that a rule puts there, whatever their score.
        whole: whether no artist that can be similar is behind the last one.
    """

    rows: Rows
    scores: NDArray[np.float32]
    n_pinned: int = 0
    whole: bool = False

    def reaches(self, n: int) -> bool:
        """Return whether the first n artists, and whether another one follows them, are known from this list."""
        return self.whole or len(self.rows) > n

    def followed_by(self, others: Neighbours) -> Neighbours:
        """Return these artists with others behind them, after which there are no more."""
        rows, scores = np.concatenate([self.rows, others.rows]), np.concatenate([self.scores, others.scores])
        return Neighbours(rows, scores, self.n_pinned, whole=True)

    def page(self, offset: int, k: int) -> Neighbours:
        """Return the artists from position `offset` on, k of them; the list must reach offset + k."""
        end = offset + k
        n_pinned, is_last = min(max(self.n_pinned - offset, 0), k), len(self.rows) <= end
        return Neighbours(self.rows[offset:end], self.scores[offset:end], n_pinned, self.whole and is_last)


def check_page(offset: int, k: int) -> None:
    """Check that a page begins at 0 or later and has room for an artist.

    Raises:
        InputError: it does not.
    """
    if offset < 0 or k < 1:
        name, value, least = ("k", k, 1) if k < 1 else ("offset", offset, 0)
        raise InputError(f"{name}: found {value}; wanted at least {least}")


def ready_list(overlay: VersionOverlay, row: int) -> Neighbours:
    """Return an artist's ready list: the remaining ones of the version's 256, merged with the live artists that enter.

    Artists behind a floor of the entries are cut off, as the list may be incomplete there.
    """
    version, at = overlay.version, row - overlay.first
    rows = version.neighbours[row] if at < 0 else overlay.columns.lists[at]
    scores = version.scores[row] if at < 0 else overlay.columns.scores[at]
    is_complete = bool(rows[-1] < 0)
    if is_complete:
        length = int(np.count_nonzero(rows >= 0))
        rows, scores = rows[:length], scores[:length]
    if not overlay:
        return Neighbours(rows, scores, whole=is_complete)
    present = ~overlay.tombstones[rows]
    rows, scores = rows[present], scores[present]
    entries = overlay.entries.get(row)
    if entries is not None:
        enters = entries.rows < overlay.n_rows
        enters[enters] = ~overlay.tombstones[entries.rows[enters]]
        if enters.any():
            rows = np.concatenate([rows, entries.rows[enters]])
            rows, scores = ordered(rows, np.concatenate([scores, entries.scores[enters]]), overlay.ids_of)
        if entries.floor is not None:  # behind the floor an artist may be missing
            complete = in_front(scores, tie_keys(overlay.ids_of(rows)), *entries.floor)
            rows, scores, is_complete = rows[complete], scores[complete], False
    return Neighbours(rows, scores, whole=is_complete)


def exact_scores(
    overlay: VersionOverlay, row: int, *, uncorrected: bool, rows: Rows | None = None
) -> NDArray[np.float32]:
    """Compute the exact scores of artists for the one in `row`, summed in float64, in bounded memory.

    Args:
        overlay: the version and its changes.
        row: the artist that is the query.
        uncorrected: leave out the version's corrections: scores are cosines.
        rows: (m,) artists to score; None scores every artist.

    Returns:
        (m,) or (n_rows,) float32; -inf for an artist without embedding or with a tombstone.
    """
    vector, calibration = overlay.embeddings.at(row).astype(np.float64), overlay.c[overlay.patterns_of.at(row)]
    query = Query((), (), (), vector, calibration, 0.0, uncorrected)
    total = overlay.n_rows if rows is None else len(rows)
    all_scores = np.empty(total, np.float32)
    for start in range(0, total, _AT_ONCE):
        part = slice(start, min(start + _AT_ONCE, total))
        chosen = part if rows is None else rows[part]
        all_scores[part] = np.where(overlay.searchable[chosen], query.scores(overlay, chosen), -np.inf)
    return all_scores


def best_of(overlay: VersionOverlay, scores: NDArray[np.float32], k: int) -> Neighbours:
    """Return the k artists with the highest scores; equal scores by a seeded hash of the id, as in the ready lists.

    `scores` is (n_rows,) float32, one for each row; -inf excludes an artist.
    """
    if k < 1:
        return Neighbours(np.empty(0, np.int32), np.empty(0, np.float32))
    candidates = np.flatnonzero(scores >= kth_highest(scores, k)).astype(np.int32)
    rows, values = ordered(candidates, scores[candidates], overlay.ids_of)
    return Neighbours(rows[:k], values[:k])

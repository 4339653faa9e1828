"""Who answers a query best: live search of a version, under any condition on the artists."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.types import Mask
from index.ann import tie_order
from index.artifact import FAISS, Version
from index.cells import CELLS_FROM, Cells
from index.neighbours import TIE_SEED
from index.query import Query, popularity_of
from index.search import Neighbours

EXACT_UP_TO = 8192
"""Allowed artists that are all compared: below it cells cost more."""

POOL = 10
"""Candidates a place of the answer that diversity chooses among."""

LEAST_POOL, LARGEST_POOL = 200, 5000

_SLACK = 2e-5
"""More than float32 can be wrong about a score."""

_BEYOND = 32


class Retriever:
    """Searches one version, for any number of threads."""

    def __init__(self, version: Version) -> None:
        self._version = version
        self._cells = Cells.open(version.folder / FAISS) if version.n_artists >= CELLS_FROM else None

    @cached_property
    def popularity(self) -> NDArray[np.float32]:
        """(n,) see `index.query.popularity_of`."""
        return popularity_of(self._version.listeners)

    @cached_property
    def _position(self) -> NDArray[np.int64]:
        """(m,) the row of each position of the Faiss file."""
        return np.flatnonzero(self._version.known)

    def scores(self, query: Query, rows: NDArray[np.integer]) -> NDArray[np.float64]:
        """(m,) what artists with an embedding score, exactly: in float64 from float32 vectors."""
        version = self._version
        found = version.embeddings[rows].astype(np.float64) @ query.vector
        if not query.raw:
            found += query.calibration[version.patterns[rows]].astype(np.float64)
            found -= version.scoring.h[rows].astype(np.float64)
        if query.popularity:
            found += query.popularity * self.popularity[rows].astype(np.float64)
        return np.asarray(found)

    def nearest(self, query: Query, k: int, allowed: Mask, *, diversity: float = 0.0) -> Neighbours:
        """The k best of the artists that are allowed and have an embedding; fewer where there are no more.

        Exact where at most `EXACT_UP_TO` are allowed, the version is small, or the query is raw and the version
        corrects scores. Else cells are searched, and what they give is ordered exactly.

        Args:
            allowed: (n,) bool.
            diversity: 0 to 1; above 0 the answer is chosen one by one from the best ten times k, 200 to 5,000: the
                first is the best, and each next has the largest

                    (1 - diversity) score(y) - diversity max over z chosen before of <e_y, e_z>

                which is maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998). Scores stay the query's.

        Raises:
            InputError: k is below 1, or diversity outside of 0 to 1.
        """
        if k < 1 or not 0 <= diversity <= 1:
            raise InputError(f"k and diversity: found {k} and {diversity}; wanted at least 1, and 0 to 1")
        if not diversity:
            return self._best(query, k, allowed)
        pool = self._best(query, max(k, min(max(POOL * k, LEAST_POOL), LARGEST_POOL)), allowed)
        return self._diverse(pool, k, diversity)

    def _best(self, query: Query, k: int, allowed: Mask) -> Neighbours:
        known = allowed & self._version.known
        count = int(np.count_nonzero(known))
        exact = count <= EXACT_UP_TO or (query.raw and self._version.scoring.corrects)
        if self._cells is not None and not exact:
            rows = self._by_cells(self._cells, query, k, known)
        else:
            rows = self._by_scan(query, k, known, count)
        scores = self.scores(query, rows)
        singles = scores.astype(np.float32)
        ids = self._version.artists.column("artist_id").take(rows).to_pylist()
        order = np.lexsort((tie_order(ids, TIE_SEED), -singles))[:k]
        return Neighbours(rows[order].astype(np.int32), singles[order])

    def _by_scan(self, query: Query, k: int, known: Mask, count: int) -> NDArray[np.int64]:
        """Rows that hold the k best: those that float32 cannot tell from them too."""
        version, vector = self._version, query.vector.astype(np.float32)
        rows = np.flatnonzero(known)
        few = 4 * count < len(known)
        found = version.embeddings[rows] @ vector if few else (version.embeddings @ vector)[rows]
        if not query.raw:
            found += query.calibration[version.patterns[rows]] - version.scoring.h[rows]
        if query.popularity:
            found += np.float32(query.popularity) * self.popularity[rows]
        if len(rows) <= k:
            return rows
        return np.asarray(rows[found >= np.partition(found, len(found) - k)[len(found) - k] - _SLACK])

    def _by_cells(self, cells: Cells, query: Query, k: int, known: Mask) -> NDArray[np.int64]:
        vector = query.vector.astype(np.float32)[None]
        asked = self._version.scoring.asked(vector, query.calibration[None], query.popularity)
        return np.asarray(self._position[cells.search(asked, k + _BEYOND, known[self._position])])

    def _diverse(self, pool: Neighbours, k: int, diversity: float) -> Neighbours:
        vectors = self._version.embeddings[pool.rows]
        nearest = np.full(len(pool.rows), -np.inf, np.float32)  # to any that is chosen
        left = np.ones(len(pool.rows), bool)
        chosen: list[int] = []
        while len(chosen) < min(k, len(pool.rows)):
            worth = pool.scores if not chosen else (1 - diversity) * pool.scores - diversity * nearest
            pick = int(np.argmax(np.where(left, worth, -np.inf)))
            chosen.append(pick)
            left[pick] = False
            nearest = np.maximum(nearest, vectors @ vectors[pick])
        return Neighbours(pool.rows[chosen], pool.scores[chosen])

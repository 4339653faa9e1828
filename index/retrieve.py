"""Who answers a query best: live search of a version, under any condition on the artists."""

from __future__ import annotations

from collections import OrderedDict
from copy import copy
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from index.allowed import Allowed, cleared
from index.artifact import FAISS, Version
from index.cells import BEYOND, CELLS_FROM, Cells
from index.filters import Filters, passing
from index.lists import Neighbours
from index.live import Live
from index.measure import highest
from index.query import Query
from index.scoring import BESIDE
from index.ties import ordered

EXACT_UP_TO = 2048
"""Allowed artists that are all compared: below it cells cost more."""

QUICK, QUICK_CELLS = 5_000, 25_000
"""Artists that are compared, all of them or those in the cells that are searched, in about a millisecond."""

POOL = 10
"""Candidates a place of the answer that diversity chooses among."""

LEAST_POOL, LARGEST_POOL = 200, 5000

_KEPT = 32
"""Conditions whose artists are kept, those asked for last: a byte an artist each, and five more where they are few."""

_NOBODY = np.empty(0, np.int64)


class Retriever:
    """Searches one version and the changes on it, for any number of threads."""

    def __init__(self, version: Version) -> None:
        self._version = version
        self._live = Live.of(version)
        # cells of an older layout cannot be asked as they are now, and all artists are compared
        fits = version.n_artists >= CELLS_FROM and version.manifest["settings"].get("beside") == BESIDE
        self._cells = Cells.open(version.folder / FAISS) if fits else None
        self._row = np.flatnonzero(version.known)  # of each position of the Faiss file
        self._passing: OrderedDict[str, Allowed] = OrderedDict()
        self._guard = Lock()

    def under(self, live: Live) -> Retriever:
        """The same version with these changes on it; what was opened is shared."""
        found = copy(self)
        found._live, found._passing, found._guard = live, OrderedDict(), Lock()
        return found

    @property
    def is_quick(self) -> bool:
        """Whether a search for a few artists takes about a millisecond."""
        if self._cells is None:
            return self._live.n_rows <= QUICK
        return self._live.n_rows * self._cells.share <= QUICK_CELLS

    def passing(self, filters: Filters) -> Allowed:
        """The artists for whom all conditions hold.

        Raises:
            InputError: see `index.filters.passing`.
        """
        key = repr(filters)  # not the value itself: 1 and True are equal, and another condition
        with self._guard:
            found = self._passing.get(key)
            if found is not None:
                self._passing.move_to_end(key)
                return found
        made = Allowed.of(passing(self._live, filters), self._live.known, self._version.known)
        with self._guard:
            self._passing[key] = made
            while len(self._passing) > _KEPT:
                self._passing.popitem(last=False)
        return made

    def scores(self, query: Query, rows: NDArray[np.integer]) -> NDArray[np.float64]:
        """(m,) what artists with an embedding score, exactly: in float64 from float32 vectors."""
        live = self._live
        found = live.embeddings[rows].astype(np.float64) @ query.vector
        if not query.raw:
            found += query.calibration[live.patterns_of[rows]].astype(np.float64)
            found -= live.h[rows].astype(np.float64)
        if query.popularity:
            found += query.popularity * live.popularity[rows].astype(np.float64)
        return np.asarray(found)

    def nearest(
        self,
        query: Query,
        k: int,
        allowed: Allowed,
        *,
        without: NDArray[np.int64] = _NOBODY,
        diversity: float = 0.0,
    ) -> Neighbours:
        """The k best of the artists that are allowed; fewer where there are no more.

        Exact where at most `EXACT_UP_TO` are allowed, the version is small, or the query is raw and the version
        corrects scores. Else cells are searched, and what they give is ordered exactly.

        Args:
            without: rows that are not to be found, allowed or not.
            diversity: 0 to 1; above 0 the answer is chosen one by one from the best ten times k, 200 to 5,000: the
                first is the best, and each next has the largest

                    (1 - diversity) score(y) - diversity max over z chosen before of <e_y, e_z>

                which is maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998). Scores stay the query's.

        Raises:
            InputError: k is below 1, or diversity outside of 0 to 1.
        """
        if k < 1 or not 0 <= diversity <= 1:
            raise InputError(f"k and diversity: found {k} and {diversity}; wanted at least 1, and 0 to 1")
        without = allowed.among(without)
        if not diversity:
            return self._best(query, k, allowed, without)
        pool = self._best(query, max(k, min(max(POOL * k, LEAST_POOL), LARGEST_POOL)), allowed, without)
        return self._diverse(pool, k, diversity)

    def _best(self, query: Query, k: int, allowed: Allowed, without: NDArray[np.int64]) -> Neighbours:
        """The k best of `allowed` but `without`, which is ascending and among them."""
        exact = len(allowed.rows) <= EXACT_UP_TO or (query.raw and self._version.scoring.corrects)
        if self._cells is not None and not exact:
            rows = self._by_cells(self._cells, query, k, allowed, without)
        else:
            rows = self._by_scan(query, k, np.delete(allowed.rows, np.searchsorted(allowed.rows, without)))
        scores = self.scores(query, rows).astype(np.float32)
        best, scores = ordered(rows.astype(np.int32), scores, self._live.ids_of)
        return Neighbours(best[:k], scores[:k])

    def _by_scan(self, query: Query, k: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of `rows` that hold the k best: the ones that float32 cannot tell from them too."""
        live, vector = self._live, query.vector.astype(np.float32)
        if len(rows) <= k:
            return rows
        own = rows[: np.searchsorted(rows, live.first)]
        few = 4 * len(own) < live.first
        products = live.version.embeddings[own] @ vector if few else (live.version.embeddings @ vector)[own]
        found = np.concatenate([products, live.columns.vectors[rows[len(own) :] - live.first] @ vector])
        if not query.raw:
            found += query.calibration[live.patterns_of[rows]] - live.h[rows]
        if query.popularity:
            found += np.float32(query.popularity) * live.popularity[rows]
        return rows[highest(found, k)]

    def _by_cells(
        self, cells: Cells, query: Query, k: int, allowed: Allowed, without: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        vector = query.vector.astype(np.float32)[None]
        own = query.calibration[None, : len(self._version.scoring.c)]
        asked = self._version.scoring.asked(vector, own, query.popularity)
        first = self._live.first
        bits = cleared(allowed.bits, np.searchsorted(self._row, without[without < first]))
        n_allowed = np.searchsorted(allowed.rows, first)
        share = (n_allowed - np.searchsorted(without, first)) / len(self._row)
        found = self._row[cells.search(asked, k + BEYOND, bits, share)]
        live = np.setdiff1d(allowed.rows[n_allowed:], without, assume_unique=True)
        return np.concatenate([found, self._by_scan(query, k, live)])

    def _diverse(self, pool: Neighbours, k: int, diversity: float) -> Neighbours:
        vectors = self._live.embeddings[pool.rows]
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

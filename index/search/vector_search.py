"""Search of a version and its changes for the best results of a query, under any filters."""

from __future__ import annotations

from collections import OrderedDict
from copy import copy
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import InputError
from riyl.core.types import Scores
from riyl.index.artifact.ivf import BEYOND, IVF_MIN_ARTISTS, IvfIndex
from riyl.index.artifact.version import FAISS, Version
from riyl.index.overlay.overlay import VersionOverlay
from riyl.index.scoring.exact import rescored
from riyl.index.scoring.score import BESIDE
from riyl.index.scoring.tie_breaking import ordered
from riyl.index.search.candidate_mask import CandidateMask, cleared
from riyl.index.search.filters import Filters, passing
from riyl.index.search.neighbours import Neighbours
from riyl.index.search.query import Query

EXACT_UP_TO = 2048
"""Maximum number of candidates that are all compared; up to it, searching IVF lists costs more."""

QUICK, QUICK_CELLS = 5_000, 25_000
"""Artists that are compared in about a millisecond: all of them, or those in the IVF lists that are searched."""

POOL = 10
"""Candidates per result that diversity chooses among, within `MIN_POOL` and `MAX_POOL`."""

MIN_POOL, MAX_POOL = 200, 5000

_KEPT = 32
"""Filters whose masks are cached, the most recently used: each takes a byte per artist, and 8 per candidate."""

_NOBODY = np.empty(0, np.int64)


class VectorSearch:
    """Vector search in one version and the changes on it, for any number of threads."""

    def __init__(self, version: Version) -> None:
        self._version = version
        self._overlay = VersionOverlay.of(version)
        # IVF lists of an older layout take other query vectors; all artists are compared instead
        fits = version.n_artists >= IVF_MIN_ARTISTS and version.manifest["settings"].get("beside") == BESIDE
        self._ivf = IvfIndex.open(version.files[FAISS], *version.stored_shape) if fits else None
        self._row = np.flatnonzero(version.has_embedding)  # row of each position in the Faiss file
        self._passing: OrderedDict[str, CandidateMask] = OrderedDict()
        self._guard = Lock()

    def under(self, overlay: VersionOverlay) -> VectorSearch:
        """Return a search of the same version with these changes on it; opened files are shared."""
        search = copy(self)
        search._overlay, search._passing, search._guard = overlay, OrderedDict(), Lock()
        return search

    @property
    def is_cheap(self) -> bool:
        """Whether a search for a few artists takes about a millisecond."""
        if self._ivf is None:
            return self._overlay.n_rows <= QUICK
        return self._overlay.n_rows * self._ivf.share <= QUICK_CELLS

    def passing(self, filters: Filters) -> CandidateMask:
        """Return the candidates that meet all conditions, from a cache where possible.

        Raises:
            InputError: see `riyl.index.search.filters.passing`.
        """
        key = repr(filters)  # not the value itself: 1 and True are equal, but different conditions
        with self._guard:
            cached = self._passing.get(key)
            if cached is not None:
                self._passing.move_to_end(key)
                return cached
        mask = CandidateMask.of(passing(self._overlay, filters), self._overlay.searchable, self._version.has_embedding)
        with self._guard:
            self._passing[key] = mask
            while len(self._passing) > _KEPT:
                self._passing.popitem(last=False)
        return mask

    def scores(self, query: Query, rows: NDArray[np.integer]) -> Scores:
        """Compute the exact scores of m artists with an embedding, (m,) float64."""
        return query.scores(self._overlay, rows)

    def nearest(
        self,
        query: Query,
        k: int,
        candidates: CandidateMask,
        *,
        without: NDArray[np.int64] = _NOBODY,
        diversity: float = 0.0,
    ) -> Neighbours:
        """Return the k best candidates; fewer where there are no more.

        The result is exact where there are at most `EXACT_UP_TO` candidates, the version is small, or the query is
        uncorrected and the version corrects scores. Otherwise IVF lists are searched, and their results ordered by
        exact scores.

        Args:
            query: the query.
            k: length of the result, at least 1.
            candidates: the artists that may be returned.
            without: rows to exclude; they need not be candidates.
            diversity: 0 to 1; above 0 the result is chosen one by one from the best ten times k, 200 to 5,000: the
                first is the best, and each next has the largest

                    (1 - diversity) score(y) - diversity max over z chosen before of <e_y, e_z>

                which is maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998). Scores stay the query's.

        Raises:
            InputError: k is below 1, or diversity is outside 0 to 1.
        """
        if k < 1 or not 0 <= diversity <= 1:
            raise InputError(f"k and diversity: found {k} and {diversity}; wanted at least 1, and 0 to 1")
        without = candidates.among(without)
        if not diversity:
            return self._best(query, k, candidates, without)
        pool = self._best(query, max(k, min(max(POOL * k, MIN_POOL), MAX_POOL)), candidates, without)
        return self._diverse(pool, k, diversity)

    def _best(self, query: Query, k: int, candidates: CandidateMask, without: NDArray[np.int64]) -> Neighbours:
        """Return the k best of `candidates` except `without`, ascending rows of candidates."""
        exact = len(candidates.rows) <= EXACT_UP_TO or (query.uncorrected and self._version.scoring.corrects)
        if self._ivf is not None and not exact:
            rows, scores = self._by_cells(self._ivf, query, k, candidates, without)
        else:
            remaining = np.delete(candidates.rows, np.searchsorted(candidates.rows, without))
            rows, scores = self._by_scan(query, k, remaining)
        best, best_scores = ordered(rows.astype(np.int32), scores.astype(np.float32), self._overlay.ids_of)
        return Neighbours(best[:k], best_scores[:k])

    def _by_scan(self, query: Query, k: int, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], Scores]:
        """Return those of `rows` that can be among the k best, (m,), and their scores, (m,) float64."""
        overlay, vector = self._overlay, query.vector.astype(np.float32)
        version_rows, live_rows = np.split(rows, [np.searchsorted(rows, overlay.first)])
        if 4 * len(version_rows) < overlay.first:
            cosines = overlay.version.embeddings[version_rows] @ vector
        else:
            cosines = (overlay.version.embeddings @ vector)[version_rows]
        (near,), scores = rescored(
            np.concatenate([cosines, overlay.columns.vectors[live_rows - overlay.first] @ vector]),
            lambda near: overlay.embeddings[rows[near]].astype(np.float64) @ query.vector,
            *query.corrections(overlay, rows),
            k=k,
        )
        return rows[near], scores

    def _by_cells(
        self, ivf: IvfIndex, query: Query, k: int, candidates: CandidateMask, without: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], Scores]:
        vector = query.vector.astype(np.float32)[None]
        calibration = query.calibration[None, : len(self._version.scoring.c)]
        query_vector = self._version.scoring.queries(vector, calibration, query.popularity)
        first = self._overlay.first
        bits = cleared(candidates.bits, np.searchsorted(self._row, without[without < first]))
        n_allowed = np.searchsorted(candidates.rows, first)
        share = (n_allowed - np.searchsorted(without, first)) / len(self._row)
        rows = self._row[ivf.search(query_vector, k + BEYOND, bits, share)]
        live = self._by_scan(query, k, np.setdiff1d(candidates.rows[n_allowed:], without, assume_unique=True))
        return np.concatenate([rows, live[0]]), np.concatenate([self.scores(query, rows), live[1]])

    def _diverse(self, pool: Neighbours, k: int, diversity: float) -> Neighbours:
        vectors = self._overlay.embeddings[pool.rows]
        nearest = np.full(len(pool.rows), -np.inf, np.float32)  # to any chosen artist
        left = np.ones(len(pool.rows), bool)
        chosen: list[int] = []
        while len(chosen) < min(k, len(pool.rows)):
            worth = pool.scores if not chosen else (1 - diversity) * pool.scores - diversity * nearest
            pick = int(np.argmax(np.where(left, worth, -np.inf)))
            chosen.append(pick)
            left[pick] = False
            nearest = np.maximum(nearest, vectors @ vectors[pick])
        return Neighbours(pool.rows[chosen], pool.scores[chosen])

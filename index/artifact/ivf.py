"""The Faiss file of a version: a flat index of a small catalog, IVF lists of a large one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import faiss
import numpy as np
from numpy.typing import NDArray

from riyl.core.storage.sealed_files import SealedFile
from riyl.core.threads import limit_threads
from riyl.core.types import Matrix
from riyl.index.artifact.faiss_file import check_faiss_file

Bits: TypeAlias = NDArray[np.uint8]
"""(ceil(n / 8),) uint8, one bit for each position, the lowest bit of a byte first."""

IVF_MIN_ARTISTS = 20_000
"""Minimum number of artists for IVF lists; below it, comparing all of them costs less."""

SEED = 0

BEYOND = 32
"""Vectors requested from IVF lists beyond those wanted: float16 may change their order, so they are scored again."""

MIN_PROBED = 0.125
"""Minimum share of the IVF lists that a search without filters visits."""

_A_CELL = 64
"""Vectors per IVF list in the sample that the centroids are trained on."""

_LANES = 16
"""Width that vectors are padded to a multiple of, as Faiss compares float16 fast only then."""


def uses_ivf(n: int) -> bool:
    """Return whether an index of n vectors has IVF lists."""
    return n >= IVF_MIN_ARTISTS


def lay_out(stored: Matrix, *, threads: int = 0) -> faiss.Index:
    """Build the L2 index of vectors; IVF lists hold float16 vectors padded with zeros.

    Args:
        stored: (n, d) float32 vectors.
        threads: threads that build the IVF lists; 0 takes every core.

    Returns:
        A `faiss.IndexIVF` that searches `MIN_PROBED` of its lists, or a flat index of fewer vectors.
    """
    n, d = stored.shape
    if not uses_ivf(n):
        flat = faiss.IndexFlatL2(d)
        flat.add(stored)
        return flat
    width = _filled_width(d)
    stored = filled(stored, width)
    count = round(2 * np.sqrt(n))
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatL2(width), width, count, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_L2, False
    )
    index.cp.seed = SEED
    sample = np.sort(np.random.default_rng(SEED).permutation(n)[: _A_CELL * count])
    with faiss_threads(threads):
        index.train(np.ascontiguousarray(stored[sample]))
        index.add(stored)
    index.nprobe = max(1, round(MIN_PROBED * count))
    return index


def write_cells(path: Path, stored: Matrix, *, threads: int = 0) -> None:
    """Write the index that `lay_out` builds, with its minimum number of IVF lists searched."""
    faiss.write_index(lay_out(stored, threads=threads), str(path))


@contextmanager
def faiss_threads(threads: int) -> Iterator[None]:
    """Run Faiss and its matrix products on this many threads; 0 leaves the number as it is."""
    before = faiss.omp_get_max_threads()
    if threads:
        faiss.omp_set_num_threads(threads)
    try:
        with limit_threads(threads):
            yield
    finally:
        faiss.omp_set_num_threads(before)


def filled(vectors: Matrix, width: int) -> Matrix:
    """Pad vectors with zeros to a width, (n, width) float32."""
    return np.pad(vectors, ((0, 0), (0, width - vectors.shape[1])))


def _filled_width(d: int) -> int:
    return -(-d // _LANES) * _LANES


class IvfIndex:
    """An opened index with IVF lists, for any number of threads."""

    def __init__(self, index: faiss.IndexIVF) -> None:
        self._index = index

    @staticmethod
    def open(file: SealedFile, n: int, d: int) -> IvfIndex | None:
        """Open the index of (n, d) vectors that `lay_out` built, mapped into memory.

        Returns:
            None where the index has no IVF lists, and all vectors are to be searched.

        Raises:
            FormatError: the file is anything else.
        """
        check_faiss_file(file, n, d, _filled_width(d))
        index = faiss.read_index(str(file.held_path), faiss.IO_FLAG_MMAP_IFC)
        return IvfIndex(index) if isinstance(index, faiss.IndexIVF) else None

    @property
    def share(self) -> float:
        """Share of the IVF lists that a search without filters visits, 0..1, as the build chose it."""
        return float(self._index.nprobe / self._index.nlist)

    def search(self, query: Matrix, k: int, candidates: Bits, share: float) -> NDArray[np.int64]:
        """Return the positions of the candidates nearest to a query, (m,), m at most k, in no particular order.

        The fewer candidates there are, the more IVF lists are searched: as many as if candidates were spread evenly,
        and more where they lie elsewhere, until as many vectors are compared as without filters. Where fewer than k
        are found, the search is repeated with four times as many lists, up to all of them.

        Args:
            query: (1, d) float32.
            k: maximum number of positions.
            candidates: one bit for each position.
            share: share of the positions that are candidates.
        """
        count = self._index.nlist
        query = filled(query, self._index.d)
        probed = self._probed(query, candidates, share)
        selector = faiss.IDSelectorBitmap(candidates)  # type: ignore[call-arg, arg-type]
        while True:
            settings = faiss.SearchParametersIVF(sel=selector, nprobe=probed)  # type: ignore[call-arg]
            _, positions = self._index.search(query, k, params=settings)
            nearest = positions[0][positions[0] >= 0]
            if len(nearest) == k or probed == count:
                return np.asarray(nearest, np.int64)
            probed = min(count, 4 * probed)

    def _probed(self, query: Matrix, candidates: Bits, share: float) -> int:
        count, n = self._index.nlist, self._index.ntotal
        evenly = min(count, round(self._index.nprobe / max(share, 1e-9)))
        if evenly == count or (1 - share) * n <= n / count:  # all lists; or the artists left out fit into one
            return evenly
        passing = np.unpackbits(candidates, count=n, bitorder="little").view(np.bool_)
        if share > 0.5:
            inside = self._sizes - np.bincount(self._cell_of[np.flatnonzero(~passing)], minlength=count)
        else:
            inside = np.bincount(self._cell_of[np.flatnonzero(passing)], minlength=count)
        _, near = self._index.quantizer.search(query, count)  # the nearest list first
        enough = int(np.searchsorted(np.cumsum(inside[near[0]]), self.share * n)) + 1
        return min(count, max(evenly, enough))

    @cached_property
    def _cell_of(self) -> NDArray[np.int32]:
        """IVF list of each position, (n,)."""
        lists: faiss.InvertedLists = self._index.invlists  # type: ignore[assignment]
        assignments = np.empty(self._index.ntotal, np.int32)
        for cell in range(self._index.nlist):
            if size := lists.list_size(cell):
                assignments[faiss.rev_swig_ptr(lists.get_ids(cell), size)] = cell
        return assignments

    @cached_property
    def _sizes(self) -> NDArray[np.int64]:
        return np.bincount(self._cell_of, minlength=self._index.nlist)

"""Check of the layout of a version's Faiss file, byte by byte, as Faiss itself does not validate its input."""

from __future__ import annotations

import struct
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from riyl.core.storage.memory_map import Number, chunks
from riyl.core.storage.sealed_files import SealedFile

_FLAT, _IVF = b"IxF2", b"IwSq"
_L2 = 1
_FLOAT16 = faiss.ScalarQuantizer.QT_fp16
_UNUSED = 1 << 20
"""Value that Faiss writes in place of two fields that it no longer has."""


def check_faiss_file(file: SealedFile, n_vectors: int, dims: int, filled_dims: int) -> None:
    """Check that a file is an L2 index of `n_vectors` vectors, as `riyl.index.artifact.ivf.lay_out` makes it.

    Every byte is accounted for: a table of all vectors, or IVF lists of float16 in which each position from 0 to
    `n_vectors` - 1 stands once.

    Args:
        file: the Faiss file.
        n_vectors: number of vectors wanted.
        dims: width of the vectors in a table.
        filled_dims: width of the vectors in IVF lists.

    Raises:
        FormatError: it is anything else; the message names found and wanted.
    """
    reader = _Reader(file)
    kind = reader.bytes(4)
    if kind == _FLAT:
        _check_table(reader, n_vectors, dims)
    elif kind == _IVF:
        _check_cells(reader, n_vectors, filled_dims)
    else:
        raise file.damaged(f"a Faiss index of kind {kind!r}", f"{_FLAT!r} or {_IVF!r}")
    if reader.left:
        raise file.damaged(f"{reader.left} bytes after the index", "none")
    file.release()


class _Reader:
    """Sequential reader of a file that never reads beyond its end."""

    def __init__(self, file: SealedFile) -> None:
        self.file = file
        self._bytes = memoryview(file.map)
        self._at = 0

    @property
    def left(self) -> int:
        return self.file.size_bytes - self._at

    def bytes(self, size: int) -> bytes:
        return bytes(self._take(size))

    def values(self, layout: str) -> tuple[int | float, ...]:
        return struct.unpack(layout, self._take(struct.calcsize(layout)))

    def array(self, kind: type[Number], count: int) -> NDArray[Number]:
        return np.frombuffer(self._take(count * np.dtype(kind).itemsize), kind)

    def expect(self, what: str, layout: str, *wanted: int) -> None:
        values = self.values(layout)
        if values != wanted:
            raise self.file.damaged(f"{what} {values}", f"{wanted}")

    def _take(self, size: int) -> memoryview:
        if size > self.left:
            raise self.file.damaged(f"{self.left} bytes after byte {self._at}", f"{size}")
        self._at += size
        return self._bytes[self._at - size : self._at]


def _check_header(reader: _Reader, n_vectors: int, dims: int) -> None:
    wanted = (dims, n_vectors, _UNUSED, _UNUSED, 1, _L2)
    reader.expect("header (dimensions, vectors, -, -, trained, metric)", "<iqqqBi", *wanted)


def _check_table(reader: _Reader, n_vectors: int, dims: int) -> None:
    _check_header(reader, n_vectors, dims)
    reader.expect("numbers in the table", "<Q", n_vectors * dims)
    _check_finite(reader.file, reader.array(np.float32, n_vectors * dims))


def _check_cells(reader: _Reader, n_vectors: int, dims: int) -> None:
    file, code_bytes = reader.file, 2 * dims
    _check_header(reader, n_vectors, dims)
    n_lists, n_probed = (int(value) for value in reader.values("<QQ"))
    if not (1 <= n_probed <= n_lists <= max(n_vectors, 1)):
        raise file.damaged(f"{n_probed} of {n_lists} IVF lists searched", f"1 to all of at most {n_vectors}")
    if (kind := reader.bytes(4)) != _FLAT:
        raise file.damaged(f"centroids of kind {kind!r}", f"{_FLAT!r}")
    _check_table(reader, n_lists, dims)
    reader.expect("direct map (kind, entries)", "<BQ", 0, 0)
    if (quantizer := reader.values("<iifQQQ"))[:1] + quantizer[3:] != (_FLOAT16, dims, code_bytes, 0):
        raise file.damaged(f"quantizer {quantizer}", f"float16 of {dims} dimensions, {code_bytes} bytes, untrained")
    reader.expect("bytes of a code, and whether it is a residual", "<QB", code_bytes, 0)
    if (kind := reader.bytes(4)) != b"ilar":
        raise file.damaged(f"IVF lists of kind {kind!r}", "b'ilar'")
    reader.expect("IVF lists, bytes of a code", "<QQ", n_lists, code_bytes)
    positions = np.zeros(n_vectors, np.bool_)
    for size in _sizes(reader, n_lists, n_vectors):
        _check_finite(file, reader.array(np.float16, size * dims))
        ids = reader.array(np.int64, size)
        if len(ids) and not (ids.min() >= 0 and ids.max() < n_vectors):
            raise file.damaged(f"positions from {ids.min()} to {ids.max()} in an IVF list", f"from 0 below {n_vectors}")
        positions[ids] = True
    if not positions.all():  # as many as vectors, so each is there once
        raise file.damaged(f"no position {int(np.argmin(positions))} in any IVF list", "each once")


def _sizes(reader: _Reader, n_lists: int, n_vectors: int) -> list[int]:
    kind, (count,) = reader.bytes(4), reader.values("<Q")
    sizes = reader.array(np.uint64, int(count))
    if kind == b"sprs":  # pairs of an IVF list and its size, where most are empty
        cells, sizes = sizes[::2], sizes[1::2]
        if len(cells) != len(sizes) or (cells >= n_lists).any() or (cells[1:] <= cells[:-1]).any():
            raise reader.file.damaged("sizes of unknown IVF lists", f"sizes of lists below {n_lists}")
    elif kind != b"full" or count != n_lists:
        raise reader.file.damaged(f"{count} sizes of kind {kind!r}", f"{n_lists}")
    if (sizes > n_vectors).any() or int(sizes.sum()) != n_vectors:
        raise reader.file.damaged(f"IVF lists of {int(sizes.sum())} vectors", f"{n_vectors}")
    return [int(size) for size in sizes]


def _check_finite(file: SealedFile, numbers: NDArray[np.floating[Any]]) -> None:
    for _, chunk in chunks(file, numbers):
        if not np.isfinite(chunk).all():
            raise file.damaged("a vector that is not finite", "finite vectors")

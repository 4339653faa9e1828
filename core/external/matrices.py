"""Matrices of floating-point numbers in .npy files, mapped into memory and checked."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from riyl.core.catalog.graph import refuse_large
from riyl.core.errors import InputError
from riyl.core.external.ids import shown
from riyl.core.storage.memory_map import MAX_MAGNITUDE
from riyl.core.types import ArtistId, Mask, Matrix

FLOATS = (np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64))

FloatMatrix: TypeAlias = NDArray[np.floating[Any]]
"""(n, d) float16, float32 or float64, of either byte order."""

_BLOCK_NUMBERS = 1 << 22


def read_matrix(
    path: Path, ids: Sequence[ArtistId], *, missing_rows: bool = False, most_bytes: int | None = None
) -> Matrix:
    """Read a matrix whose row i is artist ids[i].

    A float32 matrix in C order stays mapped into memory, read-only; others are converted.

    Args:
        path: .npy file of (n, d) float16, float32 or float64, in C or Fortran order; never unpickled.
        ids: the n ids.
        missing_rows: whether a row of NaN alone is allowed; it is read as zeros.
        most_bytes: limit for the matrix as float32, in bytes; None is no limit.

    Returns:
        (n, d) float32, all finite, of magnitude at most `MAX_MAGNITUDE`.

    Raises:
        InputError: there is no such file, it is no such array, its size differs from its header's, it has another
            number of rows, no columns, or a number that is not finite as float32 or too large.
    """
    stored = map_matrix(path)
    n, d = stored.shape
    if n != len(ids):
        raise InputError(f"{path}: found {n} rows and {len(ids)} ids; wanted one id for each row")
    refuse_large(path, n * d * 4, most_bytes)
    stays = stored.dtype == np.float32 and stored.dtype.isnative and stored.flags.c_contiguous
    matrix: Matrix = np.asarray(stored) if stays else np.empty((n, d), np.float32)
    missing = np.zeros(n, bool)
    invalid = np.zeros(n, bool)
    for block in _blocks(n, d):
        if missing_rows:
            missing[block] = np.isnan(stored[block]).all(axis=1)
        if not stays:
            with np.errstate(over="ignore", invalid="ignore"):  # a number beyond float32 becomes infinite
                matrix[block] = stored[block]
        invalid[block] = ~_valid_rows(matrix[block]) & ~missing[block]
    _refuse(path, stored, ids, invalid, missing_rows)
    if missing.any():
        matrix = matrix.copy() if stays else matrix
        matrix[missing] = 0.0
    return matrix


def check_numbers(path: Path, matrix: Matrix, ids: Sequence[ArtistId]) -> None:
    """Check that all numbers are finite and at most `MAX_MAGNITUDE` in magnitude.

    Raises:
        InputError: a number is not; the message has the first such row, its artist, and the number of such rows.
    """
    invalid = np.zeros(len(matrix), bool)
    for block in _blocks(*matrix.shape):
        invalid[block] = ~_valid_rows(matrix[block])
    _refuse(path, matrix, ids, invalid, False)


def map_matrix(path: Path) -> FloatMatrix:
    """Map the matrix of a .npy file into memory, read-only; its numbers are not checked.

    Raises:
        InputError: there is no such file, it is no matrix of floating-point numbers with at least one row and one
            column, or its size differs from its header's.
    """
    if not path.is_file():
        raise InputError(f"{path}: found no such file; wanted a .npy file")
    with path.open("rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(file)
        except Exception as error:  # the header is a Python literal; an invalid one raises errors of many types
            raise InputError(
                f"{path}: found no NumPy array ({error}); wanted a .npy file as numpy.save writes"
            ) from error
        if dtype.hasobject:
            raise InputError(f"{path}: found pickled Python objects; wanted float16, float32 or float64 numbers")
        if dtype.newbyteorder("=") not in FLOATS:
            raise InputError(f"{path}: found {dtype} numbers; wanted float16, float32 or float64")
        if len(shape) != 2 or min(shape) < 1:
            wanted = "(n, d): one row per artist, at least one row and one column"
            raise InputError(f"{path}: found an array of shape {tuple(shape)}; wanted {wanted}")
        offset, size = file.tell(), os.fstat(file.fileno()).st_size
        wanted_size = offset + math.prod(shape) * dtype.itemsize
        if size != wanted_size:
            raise InputError(f"{path}: found {size} bytes; wanted {wanted_size}, as its header declares")
        return np.memmap(file, dtype, "r", offset, shape, "F" if fortran else "C")


def _blocks(n: int, d: int) -> Iterator[slice]:
    step = max(1, _BLOCK_NUMBERS // d)
    for start in range(0, n, step):
        yield slice(start, start + step)


def _valid_rows(block: Matrix) -> Mask:
    rows: Mask = np.all(np.abs(block) <= MAX_MAGNITUDE, axis=1)
    return rows


def _refuse(path: Path, matrix: FloatMatrix, ids: Sequence[ArtistId], invalid: Mask, missing_rows: bool) -> None:
    if not invalid.any():
        return
    row = int(np.argmax(invalid))
    with np.errstate(invalid="ignore"):
        column = int(np.argmin(np.abs(matrix[row].astype(np.float64)) <= MAX_MAGNITUDE))
    where = f"{matrix[row, column]} in row {row + 1}, column {column + 1} (artist {shown(ids[row])})"
    rows = int(invalid.sum())
    wanted = f"finite numbers of at most {MAX_MAGNITUDE:g}"
    if missing_rows:
        wanted += ", or a row of NaN alone for an artist without the modality"
    raise InputError(f"{path}: found {where}, and {rows} such row{'s' if rows > 1 else ''} in all; wanted {wanted}")

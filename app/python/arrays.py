"""Embeddings in memory, which are checked as those in files are, and stored in the home."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import InputError
from riyl.core.external.ids import check_unique
from riyl.core.external.matrices import FLOATS, check_numbers
from riyl.core.settings import Home
from riyl.core.storage.embeddings import STORED, ExternalEmbeddings, save_embeddings
from riyl.core.types import ArtistId, Matrix

FloatArray: TypeAlias = NDArray[np.floating[Any]]

WANTED = "a path, (ids, matrix) or (ids, {modality: matrix})"


def stored_arrays(home: Home, embeddings: Mapping[str, Any]) -> dict[str, Any]:
    """Store the embeddings that are given as arrays, and return for them what `Question.embeddings` takes.

    Args:
        home: the home.
        embeddings: by the name of a system: a path, which stays as it is; or a tuple of n ids and a matrix, or of n ids
            and a matrix for each modality. A matrix is (n, d) float16, float32 or float64; in that of a modality, a row
            of zeros, or of NaN alone, is an artist that lacks it.

    Raises:
        InputError: an array or an id is invalid; the message has the name, the value found and the value wanted.
    """
    return {
        name: _stored(home, name, value) if isinstance(value, tuple) else value for name, value in embeddings.items()
    }


def _stored(home: Home, name: str, value: tuple[Any, ...]) -> str:
    label = Path(f"embeddings {name!r}")
    if len(value) != 2:
        raise InputError(f"{label}: found a tuple of {len(value)}; wanted {WANTED}")
    given_ids, arrays = value
    ids = _ids(label, given_ids)
    if isinstance(arrays, Mapping):
        parts = {modality: _part(label / modality, array, ids) for modality, array in arrays.items()}
        embeddings = ExternalEmbeddings(ids, None, parts)
    else:
        matrix = _matrix(label, arrays, ids)
        check_numbers(label, matrix, ids)
        embeddings = ExternalEmbeddings(ids, matrix, None)
    return STORED + save_embeddings(home.embeddings, name, embeddings, source="Python").id


def _ids(label: Path, given: Iterable[Any]) -> list[ArtistId]:
    """Return ids as texts; whole numbers become texts, as in tables."""
    ids = []
    for row, each in enumerate(given, start=1):
        if not isinstance(each, str | int | np.integer) or isinstance(each, bool) or not str(each).strip():
            raise InputError(f"{label}: found the id {each!r} in row {row}; wanted a text or a whole number")
        ids.append(str(each))
    check_unique(label, ids)
    return ids


def _part(label: Path, array: Any, ids: list[ArtistId]) -> Matrix:
    matrix = _matrix(label, array, ids)
    missing = np.isnan(matrix).all(axis=1)
    if missing.any():
        matrix = matrix.copy()  # the caller's array stays as it is
        matrix[missing] = 0.0
    check_numbers(label, matrix, ids)
    return matrix


def _matrix(label: Path, given: Any, ids: list[ArtistId]) -> Matrix:
    """Return an array as (n, d) float32."""
    array: FloatArray = np.asarray(given)
    if array.dtype.newbyteorder("=") not in FLOATS:
        raise InputError(f"{label}: found {array.dtype} numbers; wanted float16, float32 or float64")
    if array.ndim != 2 or min(array.shape) < 1:
        raise InputError(f"{label}: found an array of shape {array.shape}; wanted (n, d): one row per artist")
    if len(array) != len(ids):
        raise InputError(f"{label}: found {len(array)} rows and {len(ids)} ids; wanted one id for each row")
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, which is refused
        return np.ascontiguousarray(array, np.float32)
